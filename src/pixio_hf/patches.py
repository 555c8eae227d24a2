# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Patches and pixels: the reconstruction target of the masked autoencoder and its way back (docs/specification.md 2.5)."""

import torch
from torch import Tensor


def patchify(pixel_values: Tensor, patch_size: int) -> Tensor:
    """Cut images into row-major patches, channel fastest: (B, C, H, W) -> (B, N, P*P*C) (docs/specification.md 2.5).

    Raises:
        ValueError: a side is no multiple of the patch size.
    """
    batch_size, num_channels, height, width = pixel_values.shape
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"Image sides must be multiples of the patch size {patch_size}, got {height} x {width} pixels."
        )
    grid_height, grid_width = height // patch_size, width // patch_size
    patches = pixel_values.reshape(batch_size, num_channels, grid_height, patch_size, grid_width, patch_size)
    patches = patches.permute(0, 2, 4, 3, 5, 1)  # (B, gh, gw, P, P, C)
    return patches.reshape(batch_size, grid_height * grid_width, patch_size * patch_size * num_channels)


def unpatchify(patches: Tensor, patch_size: int, grid_height: int, grid_width: int) -> Tensor:
    """Put row-major patches back into images, the inverse of patchify: (B, N, P*P*C) -> (B, C, H, W).

    Raises:
        ValueError: the number of patches or their length does not fit the grid.
    """
    batch_size, num_patches, length = patches.shape
    if num_patches != grid_height * grid_width or length % patch_size**2:
        raise ValueError(
            f"{num_patches} patches of {length} values do not fill a grid of {grid_height} x {grid_width} patches of"
            f" {patch_size} x {patch_size} pixels."
        )
    num_channels = length // patch_size**2
    patches = patches.reshape(batch_size, grid_height, grid_width, patch_size, patch_size, num_channels)
    patches = patches.permute(0, 5, 1, 3, 2, 4)  # (B, C, gh, P, gw, P)
    return patches.reshape(batch_size, num_channels, grid_height * patch_size, grid_width * patch_size)


def patch_statistics(patches: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each patch over all of its values: (B, N, V) -> 2 x (B, N, 1).

    One mean and one unbiased variance serve the three channels together; `eps` is added to the variance. See
    docs/specification.md 2.5.
    """
    variance, mean = torch.var_mean(patches, dim=-1, correction=1, keepdim=True)
    return mean, (variance + eps).sqrt()


def normalize_patches(patches: Tensor, eps: float = 1e-6) -> Tensor:
    """Give each patch zero mean and unit variance, the target of `norm_pix_loss`: (B, N, V) -> (B, N, V).

    See docs/specification.md 2.5.
    """
    mean, std = patch_statistics(patches, eps)
    return (patches - mean) / std
