# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which part of each level of the DPT head the upper left part of its prediction depends on; pure arithmetic."""

from collections.abc import Sequence
from typing import NamedTuple

Size = tuple[int, int]


class LevelRegion(NamedTuple):
    """Sizes (height, width) of one level of the DPT head; all but the first are upper left parts.

    size: the level's whole map.
    needed: part of what the level's fusion resizes its map to; read: part of the map that this resize reads.
    path: part of the running path, and lateral: of the map before its 3x3 convolution, that `read` depends on.
    patches: part of the patch grid that `lateral` depends on.
    """

    size: Size
    needed: Size
    read: Size
    path: Size
    lateral: Size
    patches: Size


def plan_regions(grid: Sequence[int], output_size: Size, needed_size: Size) -> list[LevelRegion]:
    """Regions of the four levels, finest first, for a patch grid (h, w) and the needed part of the output (SPEC 5.2)."""
    height, width = (
        _plan_axis(patches, output, needed)
        for patches, output, needed in zip(grid, output_size, needed_size, strict=True)
    )
    return [LevelRegion(*zip(*pair, strict=True)) for pair in zip(height, width, strict=True)]


def _plan_axis(patches: int, output: int, needed: int) -> list[tuple[int, ...]]:
    sizes = (4 * patches, 2 * patches, patches, (patches + 1) // 2)
    targets = (8 * patches, *sizes[:3])
    # The first of the output convolutions looks one pixel beyond.
    needed = min(rows_read(targets[0], output, needed) + 1, targets[0])
    regions = []
    for level, (size, target) in enumerate(zip(sizes, targets, strict=True)):
        read = rows_read(size, target, needed)
        path = min(read + 2, size)  # the two convolutions of the second residual unit
        lateral = min(path + 3, size)  # those of the first one, and the lateral convolution
        # Transposed convolutions of stride 4 and 2, nothing, a 3x3 convolution of stride 2.
        read_patches = (-(-lateral // 4), -(-lateral // 2), lateral, 2 * lateral)[level]
        regions.append((size, needed, read, path, lateral, min(read_patches, patches)))
        needed = path
    return regions


def rows_read(size: int, target: int, needed: int) -> int:
    """Leading rows that a bilinear resize with aligned corners reads for the first `needed` rows of its result."""
    if target == 1:
        return 1
    # The last needed row lies between two rows; integers, since a rounding error could leave one out.
    return min((needed - 1) * (size - 1) // (target - 1) + 2, size)
