# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Masking in square blocks of patches, from noise (docs/specification.md 2.2). Pure functions of tensors."""

from typing import NamedTuple

import torch
from torch import Tensor


class BlockMask(NamedTuple):
    """Which patches stay: `ids_keep` (B, K) int64, `ids_restore` (B, N) int64, `mask` (B, N) float, 1 = masked."""

    ids_keep: Tensor
    ids_restore: Tensor
    mask: Tensor


def num_mask_blocks(grid_height: int, grid_width: int, mask_grid_size: int) -> int:
    """Number of mask blocks in an image: blocks of side mask_grid_size in a grid_height x grid_width patch grid.

    Raises:
        ValueError: the block side does not divide the patch grid (the original drops the remainder and then fails).
    """
    if mask_grid_size < 1 or grid_height % mask_grid_size or grid_width % mask_grid_size:
        raise ValueError(
            f"mask_grid_size {mask_grid_size} must divide both sides of the patch grid {grid_height} x {grid_width};"
            " choose another mask_grid_size or image size."
        )
    return (grid_height // mask_grid_size) * (grid_width // mask_grid_size)


def num_kept_blocks(num_blocks: int, mask_ratio: float) -> int:
    """Number of blocks that stay visible: int(num_blocks * (1 - mask_ratio)), truncated in double precision.

    See docs/specification.md 2.2.

    Raises:
        ValueError: mask_ratio is outside [0, 1), or so high that no block would stay.
    """
    if not 0 <= mask_ratio < 1:
        raise ValueError(f"mask_ratio must lie in [0, 1), got {mask_ratio}.")
    num_kept = int(num_blocks * (1 - mask_ratio))
    if num_kept == 0:
        raise ValueError(
            f"mask_ratio {mask_ratio} keeps none of the {num_blocks} mask blocks of an image; lower mask_ratio, use a"
            " smaller mask_grid_size or larger images."
        )
    return num_kept


def expand_blocks(block_ids: Tensor, grid_width: int, mask_grid_size: int) -> Tensor:
    """Patch ids of mask blocks, row-major within each block and in the blocks' order: (B, M) -> (B, M*g*g).

    See docs/specification.md 2.2.
    """
    blocks_per_row = grid_width // mask_grid_size
    offset = torch.arange(mask_grid_size, device=block_ids.device)
    first_row = block_ids // blocks_per_row * mask_grid_size
    first_column = block_ids % blocks_per_row * mask_grid_size
    rows = first_row[:, :, None, None] + offset[None, None, :, None]
    columns = first_column[:, :, None, None] + offset[None, None, None, :]
    return (rows * grid_width + columns).flatten(1)


def random_block_mask(
    noise: Tensor, grid_height: int, grid_width: int, mask_grid_size: int, mask_ratio: float
) -> BlockMask:
    """Keep the blocks of lowest noise, (B, M) uniform numbers with one per mask block -> BlockMask.

    Kept patches are ordered by the noise of their block, then row-major within the block. See
    docs/specification.md 2.2.

    Raises:
        ValueError: noise of the wrong shape, blocks that do not tile the grid, or no block kept.
    """
    num_blocks = num_mask_blocks(grid_height, grid_width, mask_grid_size)
    if noise.dim() != 2 or noise.shape[1] != num_blocks:
        raise ValueError(
            f"noise must have shape (batch_size, {num_blocks}), one number per mask block of {mask_grid_size} x"
            f" {mask_grid_size} patches, got {tuple(noise.shape)}."
        )
    num_kept = num_kept_blocks(num_blocks, mask_ratio)
    patch_order = expand_blocks(noise.argsort(dim=1), grid_width, mask_grid_size)
    return mask_from_order(patch_order, num_kept * mask_grid_size**2)


def mask_from_order(patch_order: Tensor, num_kept: int) -> BlockMask:
    """Mask everything but the first num_kept patches of a permutation: (B, N) -> BlockMask."""
    ids_restore = patch_order.argsort(dim=1)
    # A patch is masked when its place in the order comes after the kept ones.
    mask = (ids_restore >= num_kept).to(torch.float32)
    return BlockMask(patch_order[:, :num_kept], ids_restore, mask)


def order_from_bool_mask(bool_masked_pos: Tensor) -> tuple[Tensor, int]:
    """Visible patches first, each part in raster order: (B, N) bool, True = masked -> ((B, N) permutation, K).

    Raises:
        ValueError: rows keep different numbers of patches, so that they cannot form one batch.
    """
    num_kept = (~bool_masked_pos).sum(dim=1)
    if not bool((num_kept == num_kept[0]).all()):
        raise ValueError(
            "bool_masked_pos must mask the same number of patches in every row, got"
            f" {bool_masked_pos.sum(dim=1).tolist()}."
        )
    return bool_masked_pos.to(torch.uint8).argsort(dim=1, stable=True), int(num_kept[0])


def resolve_ids_keep(
    pixel_values: Tensor, patch_size: int, bool_masked_pos: Tensor | None, ids_keep: Tensor | None
) -> Tensor | None:
    """Turn either form of mask into patch ids to keep: (B, K), or None if nothing is masked.

    Raises:
        ValueError: both masks given, or one of a wrong shape.
    """
    if bool_masked_pos is None and ids_keep is None:
        return None
    if bool_masked_pos is not None and ids_keep is not None:
        raise ValueError("Give at most one of bool_masked_pos and ids_keep.")
    batch_size, _, height, width = pixel_values.shape
    num_patches = (height // patch_size) * (width // patch_size)
    if ids_keep is not None:
        if ids_keep.dim() != 2 or ids_keep.shape[0] != batch_size or ids_keep.shape[1] > num_patches:
            raise ValueError(
                f"ids_keep must have shape ({batch_size}, K) with K at most {num_patches}, got {tuple(ids_keep.shape)}."
            )
        if ids_keep.is_floating_point() or ids_keep.dtype == torch.bool:
            raise ValueError(f"ids_keep must hold whole numbers, the ids of patches, got {ids_keep.dtype}.")
        return ids_keep.long()
    assert bool_masked_pos is not None
    if bool_masked_pos.shape != (batch_size, num_patches):
        raise ValueError(
            f"bool_masked_pos must have shape ({batch_size}, {num_patches}), one entry per patch, got"
            f" {tuple(bool_masked_pos.shape)}."
        )
    order, num_kept = order_from_bool_mask(bool_masked_pos.bool())
    return order[:, :num_kept]
