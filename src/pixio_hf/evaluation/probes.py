# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The very depth heads and protocol of Pixio (docs/specification.md 5.1-5.4) on others: MAE, ViT, DINOv2, DINOv3."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import DepthEstimatorOutput

from ..configuration_pixio import HEAD_TYPES
from ..frozen_encoder import FreezableEncoder
from ..head_regions import predict_parts
from ..heads import DPTHead, LinearHead, concat_class_mean, depth_output, dpt_tap_blocks
from ..image_processing_pixio import PixioImageProcessor
from ..losses import relative_depth_loss, silog_loss
from ..vit_encoders import Normalization, VitEncoder, find_normalization, load_model, read_config

NECK_HIDDEN_SIZES = (256, 512, 1024, 1024)  # docs/specification.md 5.2
FUSION_HIDDEN_SIZE = 256


@dataclass(frozen=True)
class ProbeConfig:
    """What the evaluation needs of a depth model's configuration; depths in metres."""

    model_type: str
    patch_size: int
    head_type: str
    min_depth: float
    max_depth: float
    depth_estimation_type: str = "metric"


class ProbeModel(FreezableEncoder):
    """Metric depth from a plain ViT, as PixioForDepthEstimation does it: (B, 3, H, W) -> predicted_depth (B, H, W) metres.

    The head sees patch tokens beside the mean class token, both after the encoder's final LayerNorm
    (docs/specification.md 5.1): of four blocks for "dpt", of the last one for "linear". Submodules `encoder`
    (VitEncoder) and `head`.
    """

    encoder_name = "encoder"

    def __init__(
        self,
        model: Any,
        head_type: str = "dpt",
        *,
        neck_hidden_sizes: Sequence[int] = NECK_HIDDEN_SIZES,
        fusion_hidden_size: int = FUSION_HIDDEN_SIZE,
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        depth_estimation_type: str = "metric",
    ):
        """Put a new head on an encoder, a bare transformers model or a VitEncoder, which is taken over.

        Relative depth is inverse depth up to scale and shift, as of PixioForDepthEstimation.

        Raises:
            ValueError: an unknown family or head, or an encoder with fewer than 4 blocks under a DPT head.
        """
        super().__init__()
        if head_type not in HEAD_TYPES:
            raise ValueError(f"head_type must be one of {', '.join(HEAD_TYPES)}, got {head_type!r}.")
        self.encoder = model if isinstance(model, VitEncoder) else VitEncoder(model)
        self.config = ProbeConfig(
            self.encoder.model_type,
            self.encoder.patch_size,
            head_type,
            float(min_depth),
            float(max_depth),
            depth_estimation_type,
        )
        channels = 2 * self.encoder.hidden_size
        if head_type == "dpt":
            self.tapped_blocks = dpt_tap_blocks(self.encoder.num_hidden_layers)
            self.head = DPTHead(channels, neck_hidden_sizes, fusion_hidden_size, num_labels=1)
        else:
            self.tapped_blocks = (self.encoder.num_hidden_layers - 1,)
            self.head = LinearHead(channels, num_labels=1)
        if depth_estimation_type == "relative" and self.head.output_layer.bias is not None:
            nn.init.ones_(self.head.output_layer.bias)  # a relu that begins below zero would never learn

    @property
    def device(self) -> torch.device:
        """Where the head is."""
        return next(self.head.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the head's weights."""
        return next(self.head.parameters()).dtype

    def extract_features(self, pixel_values: Tensor) -> list[Tensor]:
        """Input of the head: (B, 3, H, W) -> maps (B, 2D, h, w) of the tapped blocks, shallowest first."""
        height, width = pixel_values.shape[-2:]
        grid = (height // self.config.patch_size, width // self.config.patch_size)
        taps = self.encoder(pixel_values, self.tapped_blocks)
        return [concat_class_mean(tap.patch_tokens, tap.class_tokens, grid) for tap in taps]

    def predict_logits(self, pixel_values: Tensor) -> tuple[Tensor]:
        """Encode and apply the head: (B, 3, H, W) -> float32 logits (B, 1, H, W), alone in a tuple."""
        height, width = pixel_values.shape[-2:]
        return (self.head(self.extract_features(pixel_values), (height, width)).float(),)

    def predict_parts(self, pixel_values: Tensor, needed_sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Upper left parts of those logits: (B, 3, H, W) -> B x float32 (1, h, w), of the sizes that are needed."""
        height, width = pixel_values.shape[-2:]
        parts = predict_parts(self.head, self.extract_features(pixel_values), (height, width), needed_sizes)
        return [part.float() for part in parts]

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> DepthEstimatorOutput:
        """Predict depth, and compare it with labels (B, H, W) in metres.

        SiLog loss (docs/specification.md 5.4), or relative_depth_loss.

        Raises:
            ValueError: sides that are no multiple of the patch size, or labels of another shape.
        """
        config = self.config
        activation, unit = depth_output(config)
        predicted_depth = unit * activation(self.predict_logits(pixel_values)[0]).squeeze(1)
        loss = None
        if labels is not None and config.depth_estimation_type == "relative":
            loss = relative_depth_loss(predicted_depth, labels.to(predicted_depth), config.min_depth)
        elif labels is not None:
            loss = silog_loss(predicted_depth, labels.to(predicted_depth), config.min_depth, config.max_depth)
        return DepthEstimatorOutput(loss=loss, predicted_depth=predicted_depth)  # pyright: ignore[reportArgumentType]


class LoadedProbe(NamedTuple):
    """A frozen encoder under a new head, its image processor (no resizing), and where its normalisation is from."""

    model: ProbeModel
    processor: Any
    normalization: Normalization


def load_probe(model_name_or_path: str, head_type: str = "dpt", **head_options: Any) -> LoadedProbe:
    """Put a new head on the frozen encoder of a checkpoint; its family is recognised by its model_type.

    Args:
        model_name_or_path: a folder, a Hub id or a bundled name; also of a model with a head or decoder of its own, which
            is left out.
        head_options: neck_hidden_sizes, fusion_hidden_size, min_depth, max_depth of ProbeModel.

    Raises:
        ValueError: not found, an unknown family (lists the known ones), missing weights, or a head that does not fit.
    """
    config = read_config(model_name_or_path)
    model = ProbeModel(load_model(model_name_or_path, config), head_type, **head_options)
    model.freeze_encoder()
    normalization = find_normalization(model_name_or_path, config.model_type)
    processor = PixioImageProcessor(
        do_resize=False, size_divisor=1, image_mean=normalization.mean, image_std=normalization.std
    )
    return LoadedProbe(model.eval(), processor, normalization)


def fit_crop_size(crop_size: int, patch_size: int) -> int:
    """Largest multiple of the patch size within a crop: 256 stays 256 for patches of 16, and is 252 for those of 14.

    Raises:
        ValueError: the crop is smaller than a patch.
    """
    fitted = crop_size // patch_size * patch_size
    if fitted < 1:
        raise ValueError(f"A crop of {crop_size} pixels is smaller than a patch of {patch_size}.")
    return fitted
