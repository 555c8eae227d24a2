# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioConfig: transformers' configuration plus decoder, masking and dense heads; presets of the paper's sizes."""

import math
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from huggingface_hub.dataclasses import strict
from transformers.models.pixio import configuration_pixio as upstream

from .configuration_limits import (
    MAX_GRID_SIZE,
    SIZE_LISTS,
    check_block_parameters,
    check_field,
    check_nesting,
    checked_fields,
    explain_field_errors,
)

# docs/specification.md 1.2. Decoders: 2.4 gives one width for every encoder; head widths: 5.2.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "pixio-b16": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
        "pixio-l16": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
        "pixio-h16": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16},
        "pixio-1b16": {"hidden_size": 1536, "num_hidden_layers": 48, "num_attention_heads": 24},
        "pixio-5b16": {"hidden_size": 3072, "num_hidden_layers": 48, "num_attention_heads": 32},
        # Ours, not Meta's: small enough to train on a laptop and to ship inside the package.
        "pixio-tiny": {
            "hidden_size": 224,
            "num_hidden_layers": 8,
            "num_attention_heads": 7,
            "image_size": 128,
            "mask_grid_size": 2,  # a quarter of the 8 x 8 grid, as 4 is of the 16 x 16 one
            "decoder_hidden_size": 96,
            "decoder_num_hidden_layers": 7,
            "decoder_num_attention_heads": 3,
            "neck_hidden_sizes": [48, 96, 96, 96],
            "fusion_hidden_size": 48,
        },
    }
)
HEAD_TYPES = ("dpt", "linear")
DEPTH_ESTIMATION_TYPES = ("metric", "relative")
VIEW_MLP_RATIO = 4  # of the multi-view transformer, independent of the encoder's


@checked_fields
@strict
class PixioConfig(upstream.PixioConfig):
    r"""Configuration of every Pixio model: transformers' PixioConfig and the fields below.

    Args:
        decoder_hidden_size (`int`, defaults to 512): width of the pre-training decoder.
        decoder_num_hidden_layers (`int`, defaults to 32): number of its blocks; the paper's decoder is deep.
        decoder_num_attention_heads (`int`, defaults to 16): its attention heads.
        mask_ratio (`float`, defaults to 0.75): share of mask blocks hidden in pre-training, in [0, 1).
        mask_grid_size (`int`, defaults to 4): side of a mask block, in patches.
        norm_pix_loss (`bool`, defaults to `True`): reconstruct pixels normalised per patch.
        head_type (`str`, defaults to `"dpt"`): dense head, `"dpt"` or `"linear"`.
        neck_hidden_sizes (`list[int]`, defaults to [256, 512, 1024, 1024]): widths of the DPT head's four levels.
        fusion_hidden_size (`int`, defaults to 256): width of the DPT head's fusion blocks.
        min_depth, max_depth (`float`, default to 1e-3 and 10.0): range of depth, in metres.
        depth_estimation_type (`str`, defaults to `"metric"`): what PixioForDepthEstimation predicts: `"metric"`, depth in
            metres, or `"relative"`, inverse depth up to scale and shift, as in transformers' DepthAnythingConfig.
        depth_loss_trim (`float`, defaults to 0.0): share of each image's labelled pixels, those with the largest error,
            that the loss of relative depth leaves out, in [0, 1); 0.1 for labels of a teacher.
        window_size, window_stride (`int`, *optional*): dense models in eval mode predict in overlapping square windows
            of this size in pixels; `None`: the whole image at once. The stride defaults to two thirds of the window.
        semantic_loss_ignore_index (`int`, defaults to 255): label that segmentation ignores.
        projection_size (`int`, *optional*): width of the teacher that PixioForDistillation learns from.
        view_hidden_size (`int`, defaults to 768): width of the multi-view transformer of PixioForReconstruction.
        view_num_hidden_layers (`int`, defaults to 24): number of its blocks; they alternate between all views and each
            view.
        view_num_attention_heads (`int`, defaults to 12): its attention heads.
        view_taps (`list[int]`, defaults to [11, 17]): two blocks, counted from 0, that feed the dense head as the last
            does.
        reconstruction_neck_hidden_sizes (`list[int]`, defaults to [96, 192, 384, 768]): widths of that head's levels.
        reconstruction_fusion_hidden_size (`int`, defaults to 256): width of its fusion blocks.
        pose_hidden_size (`int`, defaults to 1024): width of the pose head.
        scale_hidden_size (`int`, defaults to 196): width of the scale head.
        use_geometric_inputs (`bool`, defaults to `False`): known rays, depth and poses can be given with the pictures.
        geometric_dense_hidden_sizes (`list[int]`, defaults to [588, 768, 1024]): widths of the encoders of rays and depth.
        geometric_global_hidden_sizes (`list[int]`, defaults to [128, 256, 512]): widths of the encoders of poses and
            scales.

    `drop_path_rate` is the rate of the last block; it grows linearly from 0 at the first (docs/specification.md 2.7).

    Raises:
        ValueError: a field is of a wrong type, out of its range or absurdly large, or fields contradict each other.
    """

    if TYPE_CHECKING:  # transformers also allows lists; validate_encoder refuses them
        image_size: int = 256  # pyright: ignore[reportIncompatibleVariableOverride]
        patch_size: int = 16  # pyright: ignore[reportIncompatibleVariableOverride]

    decoder_hidden_size: int = 512
    decoder_num_hidden_layers: int = 32
    decoder_num_attention_heads: int = 16
    mask_ratio: float | int = 0.75
    mask_grid_size: int = 4
    norm_pix_loss: bool = True
    head_type: str = "dpt"
    neck_hidden_sizes: list[int] | tuple[int, ...] = (256, 512, 1024, 1024)
    fusion_hidden_size: int = 256
    min_depth: float | int = 1e-3
    max_depth: float | int = 10.0
    depth_estimation_type: str = "metric"
    depth_loss_trim: float | int = 0.0
    window_size: int | None = None
    window_stride: int | None = None
    semantic_loss_ignore_index: int = 255
    projection_size: int | None = None
    view_hidden_size: int = 768
    view_num_hidden_layers: int = 24
    view_num_attention_heads: int = 12
    view_taps: list[int] | tuple[int, ...] = (11, 17)
    reconstruction_neck_hidden_sizes: list[int] | tuple[int, ...] = (96, 192, 384, 768)
    reconstruction_fusion_hidden_size: int = 256
    pose_hidden_size: int = 1024
    scale_hidden_size: int = 196
    use_geometric_inputs: bool = False
    geometric_dense_hidden_sizes: list[int] | tuple[int, ...] = (588, 768, 1024)
    geometric_global_hidden_sizes: list[int] | tuple[int, ...] = (128, 256, 512)

    def __post_init__(self, **kwargs):
        # Lists, as JSON has no tuples: a loaded configuration must equal the saved one.
        for name in SIZE_LISTS:
            setattr(self, name, list(getattr(self, name)))
        for name, value in kwargs.items():
            check_field(name, value)
        super().__post_init__(**kwargs)
        self.check_together()

    def check_together(self) -> None:
        """Check that fields fit each other; single fields are checked whenever they are set.

        Raises:
            ValueError: fields contradict each other, or describe a model of absurd size.
        """
        self.validate_encoder()
        self.validate_masking()
        self.validate_heads()
        self.validate_reconstruction()

    @classmethod
    def get_config_dict(cls, *args, **kwargs) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read a configuration file as transformers does; one that is nested absurdly deep is a ValueError."""
        try:
            return super().get_config_dict(*args, **kwargs)
        except RecursionError as error:
            raise ValueError(f"The configuration of {args[0] if args else None!r} is nested too deeply.") from error

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs) -> Any:
        """Build a configuration from a dictionary and overriding fields, and check the result."""
        check_nesting(config_dict)
        with explain_field_errors():
            loaded: Any = super().from_dict(config_dict, **kwargs)
        config = loaded[0] if isinstance(loaded, tuple) else loaded
        config.check_together()
        return loaded

    @classmethod
    def preset(cls, name: str, **overrides) -> "PixioConfig":
        """Configuration of a named size: pixio-b16, -l16, -h16, -1b16, -5b16 (docs/specification.md 1.2) or our pixio-tiny.

        Raises:
            ValueError: unknown preset, or an override that is no field of the configuration.
        """
        if name not in PRESETS:
            raise ValueError(f"Unknown preset {name!r}; choose one of {', '.join(PRESETS)}.")
        known = {field.name for field in fields(cls)} | {"out_features", "out_indices", "num_labels"}
        if unknown := sorted(set(overrides) - known):
            raise ValueError(f"Unknown configuration fields: {', '.join(unknown)}.")
        return cls(**{**PRESETS[name], **overrides})

    @property
    def patch_grid_size(self) -> int:
        """Side of the native patch grid: image_size over patch_size."""
        return self.image_size // self.patch_size

    def drop_path_rates(self) -> list[float]:
        """Stochastic depth rate of every encoder block, linear from 0 to `drop_path_rate` (docs/specification.md 2.7)."""
        last = max(self.num_hidden_layers - 1, 1)
        return [self.drop_path_rate * block / last for block in range(self.num_hidden_layers)]

    def validate_encoder(self):
        """Sizes of the encoder fit each other."""
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} must be a multiple of patch_size {self.patch_size}.")
        if self.patch_grid_size > MAX_GRID_SIZE:
            raise ValueError(
                f"image_size {self.image_size} must be at most {MAX_GRID_SIZE} patches of {self.patch_size} pixels."
            )
        _check_heads(self, "hidden_size", "num_attention_heads")
        check_block_parameters("", self.hidden_size, self.num_hidden_layers, self.mlp_ratio)

    def validate_masking(self):
        """Sizes of the decoder fit each other; whether mask blocks tile an image is checked when there is one."""
        _check_heads(self, "decoder_hidden_size", "decoder_num_attention_heads")
        check_block_parameters("decoder_", self.decoder_hidden_size, self.decoder_num_hidden_layers, self.mlp_ratio)

    def validate_heads(self):
        """Settings of the dense heads and of the projection onto a teacher are in range."""
        if self.head_type not in HEAD_TYPES:
            raise ValueError(f"head_type must be one of {', '.join(HEAD_TYPES)}, got {self.head_type!r}.")
        if not (0 < self.min_depth < self.max_depth and math.isfinite(self.max_depth)):
            raise ValueError(
                f"Depths must satisfy 0 < min_depth < max_depth (metres), got {self.min_depth} and {self.max_depth}."
            )
        if self.depth_estimation_type not in DEPTH_ESTIMATION_TYPES:
            raise ValueError(
                f"depth_estimation_type must be one of {', '.join(DEPTH_ESTIMATION_TYPES)}, got"
                f" {self.depth_estimation_type!r}."
            )
        if self.window_size is None:
            if self.window_stride is not None:
                raise ValueError(f"window_stride {self.window_stride} needs a window_size; set it or drop the stride.")
            return
        if self.window_size % self.patch_size:
            raise ValueError(
                f"window_size {self.window_size} must be a positive multiple of patch_size {self.patch_size}."
            )
        if self.depth_estimation_type == "relative":
            raise ValueError(
                f"Relative depth has no common scale from window to window: set window_size = None, got"
                f" {self.window_size}."
            )
        if self.window_stride is not None and self.window_stride > self.window_size:
            raise ValueError(
                f"window_stride must lie between 1 and window_size {self.window_size}, got {self.window_stride}."
            )

    def validate_reconstruction(self):
        """Sizes of the multi-view transformer and of the reconstruction heads fit each other."""
        _check_heads(self, "view_hidden_size", "view_num_attention_heads")
        check_block_parameters("view_", self.view_hidden_size, self.view_num_hidden_layers, VIEW_MLP_RATIO)
        first, second = self.view_taps
        if not first < second < self.view_num_hidden_layers:
            raise ValueError(
                "view_taps must be two increasing block numbers below view_num_hidden_layers"
                f" {self.view_num_hidden_layers}, got {self.view_taps}."
            )
        if self.reconstruction_fusion_hidden_size % 2:
            raise ValueError(
                "reconstruction_fusion_hidden_size must be an even number, got"
                f" {self.reconstruction_fusion_hidden_size}."
            )


def _check_heads(config: PixioConfig, width_name: str, heads_name: str) -> None:
    width, num_heads = getattr(config, width_name), getattr(config, heads_name)
    if width % num_heads:
        raise ValueError(f"{width_name} {width} must be a multiple of {heads_name} {num_heads}.")


__all__ = ["PixioConfig"]
