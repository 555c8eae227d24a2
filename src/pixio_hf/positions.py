# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Resize position embeddings to other image sizes (docs/specification.md 1.4)."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from .configuration_pixio import PixioConfig

# Arguments of from_pretrained that say where a configuration comes from.
SOURCE_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")


def interpolate_positions(
    positions: Tensor, n_cls_tokens: int, grid_height: int, grid_width: int
) -> tuple[Tensor, Tensor]:
    """Resample square position embeddings to a grid, (1, n_cls_tokens + N0, D) -> class part and (1, N, D).

    Bicubic with half-pixel centres, without antialiasing, in float32; the native grid is returned as stored. See
    docs/specification.md 1.4.
    """
    class_positions, patch_positions = positions[:, :n_cls_tokens], positions[:, n_cls_tokens:]
    side = math.isqrt(patch_positions.shape[1])
    # A graph that is exported holds for every size; resampled to their own size, positions stay the same.
    if not torch.compiler.is_exporting() and grid_height == side and grid_width == side:
        return class_positions, patch_positions
    grid = patch_positions.reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    grid = nn.functional.interpolate(grid, size=(grid_height, grid_width), mode="bicubic", align_corners=False)
    return class_positions, grid.flatten(2).transpose(1, 2).to(positions.dtype)


@torch.no_grad()
def resize_position_embeddings(model: Any, image_size: int) -> None:
    """Give a model position embeddings of another native image size, interpolated from those it has.

    Predictions for images of that size do not change. Configurations and patch embeddings are updated too.

    Raises:
        ValueError: the embeddings are not in memory.
    """
    side = image_size // model.config.patch_size
    for module in model.modules():
        if (config := getattr(module, "config", None)) is not None:
            config.image_size = image_size
        if isinstance(getattr(module, "num_patches", None), int):
            module.image_size, module.num_patches = (image_size, image_size), side**2
        positions = getattr(module, "position_embeddings", None)
        if isinstance(positions, nn.Parameter):
            if positions.is_meta:
                raise ValueError(
                    "Position embeddings that are offloaded cannot be resized. Load without offloading, or without"
                    " image_size: images of any size can be given to the model all the same."
                )
            resized = torch.cat(interpolate_positions(positions, module.n_cls_tokens, side, side), dim=1)
            module.position_embeddings = nn.Parameter(resized, requires_grad=positions.requires_grad)


def take_image_size(source: Any, kwargs: dict[str, Any]) -> int | None:
    """Replace the image size in the arguments of from_pretrained by the stored one; return the one that was asked for.

    None if both are the same, or if the source has no configuration.
    """
    config = kwargs.get("config")
    wanted = config.image_size if isinstance(config, PixioConfig) else kwargs.get("image_size")
    if wanted is None or source is None:
        return None
    try:
        stored = PixioConfig.from_pretrained(
            source, **{name: kwargs[name] for name in SOURCE_ARGUMENTS if name in kwargs}
        )
    except OSError:
        return None  # transformers says what is wrong with the source when it loads it
    if stored.image_size == wanted:
        return None
    patch_size = config.patch_size if isinstance(config, PixioConfig) else kwargs.get("patch_size", stored.patch_size)
    if not isinstance(wanted, int) or patch_size != stored.patch_size or wanted % patch_size:
        return None  # interpolation cannot help; later checks of configuration or weights refuse it
    if isinstance(config, PixioConfig):
        kwargs["config"] = copy.deepcopy(config)
        kwargs["config"].image_size = stored.image_size
    else:
        kwargs["image_size"] = stored.image_size
    return wanted
