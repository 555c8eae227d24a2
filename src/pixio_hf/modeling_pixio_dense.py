# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Dense tasks, a DPT or linear head over the encoder: PixioForDepthEstimation, PixioForSemanticSegmentation.

See docs/specification.md 5, 6.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling, DepthEstimatorOutput, SemanticSegmenterOutput
from transformers.utils import logging
from transformers.utils.generic import can_return_tuple

from .configuration_pixio import PixioConfig
from .frozen_encoder import FreezableEncoder
from .head_regions import predict_parts
from .heads import (
    DPTHead,
    LinearHead,
    concat_class_mean,
    depth_output,
    dpt_tap_blocks,
    initialize_head_module,
)
from .losses import relative_depth_loss, segmentation_loss, silog_loss, to_class_ids
from .modeling_pixio import PixioModel, PixioPreTrainedModel
from .output_requests import pop_output_request, select_hidden_states
from .sliding_window import predict_sliding_window

logger = logging.get_logger(__name__)


class PixioDensePreTrainedModel(FreezableEncoder, PixioPreTrainedModel):
    """Encoder and dense head shared by the dense tasks; subclasses turn logits into their task's output."""

    pixel_label: str  # what a pixel of the labels holds, for messages

    def __init__(self, config: PixioConfig, num_labels: int):
        super().__init__(config)
        self.pixio = PixioModel(config)
        channels = 2 * config.hidden_size  # patch tokens beside the mean class token (docs/specification.md 5.1)
        if config.head_type == "dpt":
            self.tapped_blocks = dpt_tap_blocks(config.num_hidden_layers)
            self.head = DPTHead(channels, config.neck_hidden_sizes, config.fusion_hidden_size, num_labels)
        else:
            self.tapped_blocks = (config.num_hidden_layers - 1,)
            self.head = LinearHead(channels, num_labels)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        # The encoder is a model by itself, and its own class initialises it.
        if not initialize_head_module(module):
            super()._init_weights(module)

    @property
    def predicts_in_windows(self) -> bool:
        """Whether a forward pass goes window by window: if there is a window size, outside training."""
        return self.config.window_size is not None and not self.training

    def check_request(
        self, pixel_values: Tensor | None, labels: Tensor | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Refuse inputs that do not fit; return which of the encoder's states the caller wants.

        Raises:
            ValueError: images missing, labels of another shape, hidden states asked for in windowed prediction, or
                attentions that the attention implementation does not compute.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        if labels is not None and labels.shape != (pixel_values.shape[0], *pixel_values.shape[-2:]):
            raise ValueError(
                f"labels must have shape {(pixel_values.shape[0], *pixel_values.shape[-2:])}, the {self.pixel_label} of"
                f" every pixel, got {tuple(labels.shape)}."
            )
        states, attentions = pop_output_request(self.config, dict(kwargs))
        if self.predicts_in_windows and (states is not False or attentions):
            raise ValueError(
                "Hidden states and attentions do not exist for windowed prediction; set config.window_size = None."
            )
        return {"output_hidden_states": states, "output_attentions": attentions}

    def extract_features(self, pixel_values: Tensor, **kwargs) -> tuple[list[Tensor], BaseModelOutputWithPooling]:
        """Input of the head: (B, C, H, W) -> maps (B, 2D, h, w) of the tapped blocks, and the encoder's output."""
        outputs = self.pixio(pixel_values, **{**kwargs, "output_hidden_states": True})
        height, width = pixel_values.shape[-2:]
        grid = (height // self.config.patch_size, width // self.config.patch_size)
        n_cls_tokens = self.config.n_cls_tokens
        features = []
        for block in self.tapped_blocks:
            tokens = self.pixio.layernorm(outputs.hidden_states[block + 1])  # [0] is the embedding
            features.append(concat_class_mean(tokens[:, n_cls_tokens:], tokens[:, :n_cls_tokens], grid))
        return features, outputs

    def predict_logits(self, pixel_values: Tensor, **kwargs) -> tuple[Tensor, BaseModelOutputWithPooling]:
        """Encode and apply the head: (B, C, H, W) -> float32 logits (B, num_labels, H, W) and the encoder's output."""
        features, outputs = self.extract_features(pixel_values, **kwargs)
        return self.head(features, tuple(pixel_values.shape[-2:])).float(), outputs

    def predict_parts(self, pixel_values: Tensor, needed_sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Logits of the upper left part of each image: (B, C, H, W) -> B x float32 (num_labels, h, w), sizes as needed.

        The same numbers as in `predict_logits`; the head computes only what they depend on.
        """
        features, _ = self.extract_features(pixel_values)
        height, width = pixel_values.shape[-2:]
        parts = predict_parts(self.head, features, (height, width), needed_sizes)
        return [part.float() for part in parts]

    def predict_maps(
        self, pixel_values: Tensor, activation: Callable[[Tensor], Tensor], **kwargs
    ) -> tuple[Tensor, BaseModelOutputWithPooling | None]:
        """Activated predictions (B, num_labels, H, W); in windows if `predicts_in_windows`.

        Overlapping windows are averaged after the activation (docs/specification.md 5.6); then there is no encoder output.
        """
        if not self.predicts_in_windows:
            logits, outputs = self.predict_logits(pixel_values, **kwargs)
            return activation(logits), outputs

        def predict_windows(windows: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
            return [activation(part[None])[0] for part in self.predict_parts(windows, sizes)]

        window_size = self.config.window_size
        assert window_size is not None
        maps = predict_sliding_window(
            predict_windows, pixel_values, window_size, self.config.window_stride, predicts_parts=True
        )
        return maps, None


class PixioForDepthEstimation(PixioDensePreTrainedModel):
    """Depth from one image: (B, 3, H, W) -> predicted_depth (B, H, W) (docs/specification.md 5).

    config.depth_estimation_type says what that is: "metric", metres; or "relative", inverse depth up to an unknown scale
    and shift, large where it is near and 0 at the farthest, as the relative models of transformers' Depth Anything.
    """

    pixel_label = "depth in metres"

    def __init__(self, config: PixioConfig):
        super().__init__(config, num_labels=1)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        output_layer = self.head.output_layer
        if (
            self.config.depth_estimation_type == "relative"
            and module is output_layer
            and output_layer.bias is not None
        ):
            # A relu that begins below zero everywhere would never learn.
            nn.init.ones_(output_layer.bias)

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        label_regions: Tensor | None = None,
        **kwargs,
    ) -> DepthEstimatorOutput:
        """Predict depth, and compare it with labels where given.

        Args:
            pixel_values: normalised images (B, C, H, W); sides are multiples of the patch size, or of any size in windows.
            labels: (B, H, W) depth, 0 and NaN for none. Metric: metres, and what lies outside [min_depth, max_depth] is
                ignored too. Relative: metres or any other unit, also that of a teacher (1 / its inverse depth), infinity
                for the sky, and what is nearer than min_depth is ignored.
            label_regions: (B, H, W) True in the part of a picture that CutMix took from another one; relative depth only,
                whose labels have one scale per part.

        Returns:
            DepthEstimatorOutput: SiLog loss (docs/specification.md 5.4) or relative_depth_loss, predicted_depth (B, H, W)
            in float32, metres or relative inverse depth, the encoder's hidden_states and attentions on request (not in
            windows).

        Raises:
            ValueError: wrong shapes of images or labels, or hidden states asked for in windowed prediction.
        """
        config = self.config
        wanted = self.check_request(pixel_values, labels, kwargs)
        assert pixel_values is not None
        activation, unit = depth_output(config)
        activated, outputs = self.predict_maps(pixel_values, activation, **kwargs)
        predicted_depth = unit * activated.squeeze(1)
        loss = None
        if labels is not None:
            labels = labels.to(self.device)
            if config.depth_estimation_type == "relative":
                loss = relative_depth_loss(
                    predicted_depth, labels, config.min_depth, config.depth_loss_trim, label_regions
                )
            else:
                loss = silog_loss(predicted_depth, labels, config.min_depth, config.max_depth)
        return DepthEstimatorOutput(
            loss=loss,
            predicted_depth=predicted_depth,
            **select_states(outputs, wanted),
        )


class PixioForSemanticSegmentation(PixioDensePreTrainedModel):
    """A class for every pixel: (B, 3, H, W) -> logits (B, num_labels, H, W) (docs/specification.md 6)."""

    pixel_label = "class number"

    def __init__(self, config: PixioConfig):
        num_labels = config.num_labels or 0
        if num_labels < 2:
            raise ValueError(f"Segmentation needs at least 2 classes, got num_labels={config.num_labels}.")
        super().__init__(config, num_labels)
        self.num_labels = num_labels
        ignored = config.semantic_loss_ignore_index
        if 0 <= ignored < num_labels:
            logger.warning(
                f"Class {ignored} will never be learned: config.semantic_loss_ignore_index ignores its pixels."
            )

    @can_return_tuple
    def forward(
        self, pixel_values: Tensor | None = None, labels: Tensor | None = None, **kwargs
    ) -> SemanticSegmenterOutput:
        """Predict class logits, and compare them with labels where given.

        Args:
            pixel_values: normalised images (B, C, H, W); sides are multiples of the patch size, or of any size in windows.
            labels: (B, H, W) class numbers; pixels of config.semantic_loss_ignore_index are ignored.

        Returns:
            SemanticSegmenterOutput: cross entropy averaged over labelled pixels (docs/specification.md 6.1), float32
            logits (B, num_labels, H, W), hidden_states and attentions on request (not in windows). In windows the
            softmax of each is averaged (docs/specification.md 6.3) and logits are the logarithm of that average, so
            that softmax and argmax of them stay right.

        Raises:
            ValueError: wrong shapes of images or labels, labels that are no class, or hidden states asked for in windowed
                prediction.
        """
        wanted = self.check_request(pixel_values, labels, kwargs)
        assert pixel_values is not None
        ignore_index = self.config.semantic_loss_ignore_index
        if labels is not None:
            labels = to_class_ids(labels, self.num_labels, ignore_index)
        if self.predicts_in_windows:
            probabilities, outputs = self.predict_maps(pixel_values, lambda logits: logits.softmax(dim=1), **kwargs)
            # A probability may round to 0, whose logarithm would turn into NaN when logits are resized.
            logits = probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
        else:
            logits, outputs = self.predict_logits(pixel_values, **kwargs)
        loss = None if labels is None else segmentation_loss(logits, labels, ignore_index)
        return SemanticSegmenterOutput(loss=loss, logits=logits, **select_states(outputs, wanted))


def select_states(outputs: BaseModelOutputWithPooling | None, wanted: dict[str, Any]) -> dict[str, Any]:
    """Output fields `hidden_states` and `attentions`: what the caller asked for, None for the rest."""
    if outputs is None:
        return {}
    return {
        "hidden_states": select_hidden_states(outputs.hidden_states or (), wanted["output_hidden_states"]),
        "attentions": outputs.attentions if wanted["output_attentions"] else None,
    }


__all__ = ["PixioDensePreTrainedModel", "PixioForDepthEstimation", "PixioForSemanticSegmentation"]
