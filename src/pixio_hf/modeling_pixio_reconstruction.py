# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForReconstruction: several photos in, points in metres and cameras out, in one forward pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.utils import logging
from transformers.utils.generic import ModelOutput, can_return_tuple

from .configuration_pixio import PixioConfig
from .frozen_encoder import FreezableEncoder
from .geometric_inputs import INPUT_NAMES, GeometricInputs
from .geometry import intrinsics_of_rays, pose_matrix
from .heads import initialize_head_module
from .modeling_pixio import PixioModel, PixioPreTrainedModel
from .reconstruction_heads import PoseHead, ScaleHead, ViewDenseHead
from .reconstruction_losses import reconstruction_loss
from .view_geometry import RawViews, ViewLabels
from .view_transformer import PixioViewTransformer

logger = logging.get_logger(__name__)
WAYS_BACK = ("original_sizes", "photo_to_view", "intrinsics")


@dataclass
class PixioReconstructionOutput(ModelOutput):
    """Output of PixioForReconstruction for V views of B scenes; views on dim 1, lengths in metres, OpenCV axes.

    Args:
        loss: sum of all terms over views, a scalar; with labels.
        loss_terms: weighted terms by name, each summed over views; with labels.
        pointmaps: (B, V, H, W, 3) points in the world. The world is close to the camera of view 0, whose pose is
            predicted like the others.
        camera_pointmaps: (B, V, H, W, 3) the same points in each view's camera.
        ray_directions: (B, V, H, W, 3) unit viewing rays in the camera.
        ray_depth: (B, V, H, W) distance from the camera centre along the ray.
        predicted_depth: (B, V, H, W) z depth.
        camera_to_world: (B, V, 4, 4) rigid poses.
        camera_quaternions: (B, V, 4) their rotation, (x, y, z, w).
        camera_translations: (B, V, 3) their camera centres.
        intrinsics: (B, V, 3, 3) pinhole cameras in pixels that fit the rays best.
        metric_scale: (B) metres per unit of the network; divide lengths by it to have them without the metric scale.
        confidence: (B, V, H, W) above 1, larger is surer.
        mask_logits: (B, V, H, W) positive where a point is usable, negative for example in the sky.
        hidden_states: the encoder's, on request, each (B * V, T, D).
        attentions: the encoder's, on request.
    """

    loss: Tensor | None = None
    loss_terms: dict[str, Tensor] | None = None
    pointmaps: Tensor | None = None
    camera_pointmaps: Tensor | None = None
    ray_directions: Tensor | None = None
    ray_depth: Tensor | None = None
    predicted_depth: Tensor | None = None
    camera_to_world: Tensor | None = None
    camera_quaternions: Tensor | None = None
    camera_translations: Tensor | None = None
    intrinsics: Tensor | None = None
    metric_scale: Tensor | None = None
    confidence: Tensor | None = None
    mask_logits: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class PixioForReconstruction(FreezableEncoder, PixioPreTrainedModel):
    """Feed-forward 3D reconstruction: (B, V, 3, H, W) -> points in metres, cameras and confidence of every view.

    Encoder, multi-view transformer, dense, pose and scale heads after MapAnything (Keetha et al., arXiv 2509.13414), as in
    the Pixio paper's comparison of encoders. Any number of views from 1 on; view 0 is the reference, and the order of the
    others does not matter.
    """

    # The loss sums over terms and views: Trainer must not divide it by num_items_in_batch.
    accepts_loss_kwargs = False
    # Their outputs go through exp, which overflows in float16; bfloat16 has only two digits.
    _keep_in_fp32_modules_strict = ["dense_head", "pose_head", "scale_head"]

    def __init__(self, config: PixioConfig):
        super().__init__(config)
        width = config.view_hidden_size
        self.pixio = PixioModel(config)
        self.fusion_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.geometric_inputs = None
        if config.use_geometric_inputs:
            self.geometric_inputs = GeometricInputs(
                config.patch_size,
                config.geometric_dense_hidden_sizes,
                config.geometric_global_hidden_sizes,
                config.hidden_size,
                config.layer_norm_eps,
            )
        self.view_transformer = PixioViewTransformer(config)
        self.dense_head = ViewDenseHead(
            (config.hidden_size, width, width, width),
            config.reconstruction_neck_hidden_sizes,
            config.reconstruction_fusion_hidden_size,
        )
        self.pose_head = PoseHead(width, config.pose_hidden_size)
        self.scale_head = ScaleHead(width, config.scale_hidden_size)
        for part in (self.pose_head, self.scale_head, self.geometric_inputs):
            for module in part.modules() if part is not None else ():
                if isinstance(module, nn.Linear):
                    module.is_head = True  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        if isinstance(module, PixioViewTransformer):
            init.trunc_normal_(module.scale_token, std=self.config.initializer_range)
        elif isinstance(module, nn.Linear) and getattr(module, "is_head", False):
            module.reset_parameters()  # the framework's default; the transformer's linears get the encoder's Glorot
        elif not initialize_head_module(module):
            super()._init_weights(module)

    def set_attn_implementation(self, *args, **kwargs) -> None:
        """Choose the attention implementation as in any transformers model, for the multi-view transformer too."""
        super().set_attn_implementation(*args, **kwargs)
        self.view_transformer.block_config._attn_implementation = self.config._attn_implementation

    @can_return_tuple
    def forward(
        self,
        pixel_values: Tensor | None = None,
        labels: Mapping[str, Tensor] | None = None,
        geometric_inputs: Mapping[str, Tensor] | None = None,
        view_chunk_size: int | None = 8,
        loss_preset: str = "overall",
        dense_size: tuple[int, int] | None = None,
        **kwargs,
    ) -> PixioReconstructionOutput:
        """Reconstruct scenes, and compare them with labels where given.

        Args:
            pixel_values: normalised images (B, V, 3, H, W), all of one size; sides are multiples of the patch size.
            labels: `depth` (B, V, H, W) z depth in metres (0 = unknown, negative = ambiguous), `intrinsics` (B, V, 3,
                3), `camera_to_world` (B, V, 4, 4), and whatever else `ViewLabels.read` takes.
            geometric_inputs: known rays, depth and poses, for models with `config.use_geometric_inputs`; see
                `encode_geometric_inputs`.
            view_chunk_size: how many views the encoder and the dense head take at a time, outside training. Fewer need
                less memory; the numbers stay the same. `None`: all at once.
            loss_preset: "overall", "v1.1" or "pm_higher".
            dense_size: (height, width) of the maps; `None`: that of the pictures. Labels have this size too. Smaller maps
                make training cheaper, since the dense head and the loss are most of its cost in a small model.
            kwargs: of the attention; what else the image processor returns is accepted, and not used.

        Returns:
            PixioReconstructionOutput, everything in float32.

        Raises:
            ValueError: images or labels of a wrong shape, or geometric inputs for a model without them.
        """
        if pixel_values is None:
            raise ValueError("You have to specify pixel_values.")
        self.check_views(pixel_values, view_chunk_size)
        kwargs = drop_ways_back(kwargs)
        batch_size, num_views, _, *size = pixel_values.shape
        height, width = dense_size or size
        true_views = None if labels is None else ViewLabels.read(labels, (batch_size, num_views, height, width))
        raw, states = self.predict_raw(pixel_values, geometric_inputs, view_chunk_size, (height, width), **kwargs)
        loss, loss_terms = None, None
        if true_views is not None:
            loss, loss_terms = reconstruction_loss(raw, true_views, loss_preset, use_confidence=self.training)
        scale = raw.metric_scale()
        geometry = raw.geometry().scaled(scale)
        return PixioReconstructionOutput(
            loss=loss,
            loss_terms=loss_terms,
            pointmaps=geometry.world_points,
            camera_pointmaps=geometry.camera_points,
            ray_directions=geometry.rays,
            ray_depth=geometry.ray_depth,
            predicted_depth=geometry.z_depth,
            camera_to_world=pose_matrix(geometry.quaternions, geometry.translations),
            camera_quaternions=geometry.quaternions,
            camera_translations=geometry.translations,
            intrinsics=intrinsics_of_rays(geometry.rays.detach()),
            metric_scale=scale,
            confidence=raw.confidence(),
            mask_logits=raw.mask_logits(),
            **states,
        )

    def check_views(self, pixel_values: Tensor, view_chunk_size: int | None) -> None:
        """Refuse what is no batch of views.

        Raises:
            ValueError: not (B, V, C, H, W), no view, sides that are no multiples of the patch, or a chunk below 1.
        """
        if pixel_values.dim() != 5 or not pixel_values.shape[0] or not pixel_values.shape[1]:
            raise ValueError(
                f"pixel_values must have shape (batch_size, num_views, {self.config.num_channels}, height, width) with at"
                f" least one view, got {tuple(pixel_values.shape)}. For one scene add the first axis: pixel_values[None]."
            )
        if view_chunk_size is not None and view_chunk_size < 1:
            raise ValueError(f"view_chunk_size must be at least 1 or None, got {view_chunk_size}.")
        self.pixio.embeddings.check_pixel_values(pixel_values.flatten(0, 1))

    def predict_raw(
        self,
        pixel_values: Tensor,
        geometric_inputs: Mapping[str, Tensor] | None = None,
        view_chunk_size: int | None = None,
        dense_size: tuple[int, int] | None = None,
        **kwargs,
    ) -> tuple[RawViews, dict[str, tuple[Tensor, ...] | None]]:
        """Raw output of the heads in float32, and the encoder's hidden states and attentions as output fields."""
        size = pixel_values.shape[:2]
        height, width = pixel_values.shape[-2:]
        grid = (height // self.config.patch_size, width // self.config.patch_size)
        encoded, states = self.encode_views(pixel_values.flatten(0, 1), view_chunk_size, **kwargs)
        # The encoder alone reports its hidden states and attentions, as in the other models.
        kwargs = {name: value for name, value in kwargs.items() if not name.startswith("output_")}
        with torch.autocast(pixel_values.device.type, enabled=False):
            encoded = encoded.to(self.fusion_norm.weight.dtype).unflatten(0, size)
            if geometric_inputs is not None:
                encoded = encoded + self.encode_geometric_inputs(geometric_inputs, encoded)
            fused = self.fusion_norm(encoded)
        maps, scale_token = self.view_transformer(fused, **kwargs)
        with torch.autocast(pixel_values.device.type, enabled=False):
            dtype = self.scale_head.predict.weight.dtype
            # (B, V, N, C) -> (B * V, C, h, w), channels last in memory as convolutions like them.
            features = [
                tokens.flatten(0, 1).unflatten(1, grid).permute(0, 3, 1, 2).to(dtype) for tokens in (fused, *maps)
            ]
            dense = torch.cat(
                [
                    self.dense_head([level[part] for level in features], dense_size or (height, width)).float()
                    for part in self.chunks(features[0].shape[0], view_chunk_size)
                ]
            )
            raw = RawViews(
                dense=dense.unflatten(0, size),
                pose=self.pose_head(features[-1]).float().unflatten(0, size),
                scale=self.scale_head(scale_token.to(dtype)).float(),
            )
        return raw, states

    def chunks(self, num_views: int, view_chunk_size: int | None) -> Iterator[slice]:
        """Slices of views to compute one after the other; in training a single one, as chunks would save nothing."""
        if view_chunk_size is None or torch.is_grad_enabled():
            return iter((slice(None),))  # counts no views, so that an exported graph takes any number of scenes
        return (slice(start, start + view_chunk_size) for start in range(0, num_views, view_chunk_size))

    def encode_views(
        self, images: Tensor, view_chunk_size: int | None, **kwargs
    ) -> tuple[Tensor, dict[str, tuple[Tensor, ...] | None]]:
        """Patch features of images, without class tokens: (B * V, C, H, W) -> (B * V, N, D), and the encoder's states."""
        outputs = [self.pixio(images[part], **kwargs) for part in self.chunks(images.shape[0], view_chunk_size)]
        join = torch.cat if len(outputs) > 1 else itemgetter(0)  # a copy would leave the states without a gradient
        patches = torch.cat([output.last_hidden_state[:, self.config.n_cls_tokens :] for output in outputs])
        states: dict[str, tuple[Tensor, ...] | None] = {}
        for name in ("hidden_states", "attentions"):
            parts = [getattr(output, name) for output in outputs]
            states[name] = None if parts[0] is None else tuple(map(join, zip(*parts, strict=True)))
        return patches, states

    def encode_geometric_inputs(self, known: Mapping[str, Tensor], encoded: Tensor) -> Tensor:
        """Features of known rays, depth and poses, to be added to those of the encoder: (B, V, N, D).

        Args:
            known: any of `ray_directions` (B, V, H, W, 3), `ray_depth` (B, V, H, W), `camera_quaternions` (B, V, 4)
                with `camera_translations` (B, V, 3); `is_metric` (B, V) bool, true if absent; and for each input
                `given_<name>` (B, V) bool: for which views it is known.

        Raises:
            ValueError: the model has no geometric inputs, an unknown name, or a pose of which half is missing.
        """
        if self.geometric_inputs is None:
            raise ValueError(
                "This model takes pictures only: its configuration has use_geometric_inputs=False. Leave geometric_inputs"
                " out, or load a checkpoint that was trained with them."
            )
        values = {name: tensor for name, tensor in known.items() if name in INPUT_NAMES}
        given = {name: known[f"given_{name}"].bool() for name in INPUT_NAMES if f"given_{name}" in known}
        unknown = set(known) - set(INPUT_NAMES) - {f"given_{name}" for name in INPUT_NAMES} - {"is_metric"}
        if unknown or not values:
            raise ValueError(
                f"geometric_inputs may hold {', '.join(INPUT_NAMES)}; got {', '.join(known) or 'nothing'}."
            )
        if ("camera_quaternions" in values) != ("camera_translations" in values):
            raise ValueError("Give camera_quaternions and camera_translations together.")
        is_metric = known.get("is_metric", torch.ones(encoded.shape[:2], device=encoded.device)).bool()
        return self.geometric_inputs(values, is_metric, given, encoded.shape[2])


def drop_ways_back(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments without what the image processor returns beside the pictures; says that cameras are not used."""
    if kwargs.get("intrinsics") is not None:
        logger.warning_once("The intrinsics are not used: cameras are predicted. See geometric_inputs of forward.")
    return {name: value for name, value in kwargs.items() if name not in WAYS_BACK}


__all__ = ["PixioForReconstruction", "PixioReconstructionOutput"]
