# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Predict only the upper left part of an image: the same numbers as in the whole prediction, with less work.

A window that reaches beyond an image's border is padded at the bottom and right, and that part of its prediction is
thrown away. The encoder needs the padding, since attention sees it; the convolutions of a head do not. On a CPU this
saves about a seventh of windowed evaluation (docs/performance.md). All of this is in this file: the heads do not know
about it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from .heads import NUM_TAPS, DPTHead, LinearHead, check_features, resize

Size = tuple[int, int]


class LevelRegion(NamedTuple):
    """Sizes (height, width) of one level of the DPT head; all but the first are upper left parts.

    size: the level's whole map.
    needed: part of the level's resized map that is needed; read: part of its map that this resize reads.
    path: part of the running path that `read` depends on; lateral: the same of the map before its 3x3 convolution.
    patches: part of the patch grid that `lateral` depends on.
    """

    size: Size
    needed: Size
    read: Size
    path: Size
    lateral: Size
    patches: Size


def predict_parts(
    head: DPTHead | LinearHead, features: Sequence[Tensor], output_size: Size, needed_sizes: Sequence[Size]
) -> list[Tensor]:
    """Upper left part of each prediction, of the needed size: maps (B, C_in, h, w) -> B x (num_labels, h', w')."""
    images_of_size = defaultdict(list)
    for image, needed_size in enumerate(needed_sizes):
        images_of_size[needed_size].append(image)
    parts: dict[int, Tensor] = {}
    for needed_size, images in images_of_size.items():
        selected = features if len(images_of_size) == 1 else [feature[images] for feature in features]
        parts |= zip(images, predict_part(head, selected, output_size, needed_size), strict=True)
    return [parts[image] for image in range(len(needed_sizes))]


def predict_part(
    head: DPTHead | LinearHead, features: Sequence[Tensor], output_size: Size, needed_size: Size
) -> Tensor:
    """Upper left part of a head's prediction: maps (B, C_in, h, w) -> (B, num_labels, h', w') of (B, num_labels, H, W).

    Raises:
        ValueError: a part that does not lie within the output.
    """
    if not all(1 <= needed <= full for needed, full in zip(needed_size, output_size, strict=True)):
        raise ValueError(f"needed_size must lie within output_size {tuple(output_size)}, got {tuple(needed_size)}.")
    # By its parts, not by its class: adapters of peft wrap a head that is trained beside them.
    if needed_size == output_size or not hasattr(head, "fusions"):
        return _crop(head(features, output_size), needed_size)
    dpt: Any = head
    check_features(features, NUM_TAPS, dpt.in_channels, output_size)
    height, width = features[0].shape[-2:]
    targets = [(scale * height, scale * width) for scale in (8, 4, 2, 1)]
    regions = plan_regions((height, width), output_size, needed_size)
    path = None
    for level in reversed(range(NUM_TAPS)):
        region = regions[level]
        fusion = dpt.fusions[level]
        lateral = dpt.resamplers[level](dpt.projections[level](_crop(features[level], region.patches)))
        lateral = dpt.lateral_convs[level](_crop(lateral, region.lateral))
        if path is not None:
            lateral = path + _crop(fusion.residual_unit1(lateral), region.path)
        refined = fusion.out_conv(_crop(fusion.residual_unit2(_crop(lateral, region.path)), region.read))
        path = _resize_part(refined, region.size, targets[level], region.needed)
    return _resize_part(dpt.output_convs(path), targets[0], output_size, needed_size)


def _crop(features: Tensor, size: Size) -> Tensor:
    return features[..., : size[0], : size[1]]


def _resize_part(features: Tensor, size: Size, output_size: Size, needed_size: Size) -> Tensor:
    """Resize the upper left part of a map of `size`, and keep the part that is needed."""
    # Aligned corners take their scale from the sizes of whole maps, hence the padding; it is never read.
    padded = F.pad(features, (0, size[1] - features.shape[-1], 0, size[0] - features.shape[-2]))
    return _crop(resize(padded, output_size), needed_size)


def plan_regions(grid: Sequence[int], output_size: Size, needed_size: Size) -> list[LevelRegion]:
    """Regions of the four levels, finest first, for a patch grid (h, w) and the needed part of the output.

    See docs/specification.md 5.2.
    """
    height, width = (
        _plan_axis(patches, output, needed)
        for patches, output, needed in zip(grid, output_size, needed_size, strict=True)
    )
    return [LevelRegion(*zip(*pair, strict=True)) for pair in zip(height, width, strict=True)]


def _plan_axis(patches: int, output: int, needed: int) -> list[tuple[int, ...]]:
    sizes = (4 * patches, 2 * patches, patches, (patches + 1) // 2)
    targets = (8 * patches, *sizes[:3])
    # The first output convolution reads one pixel more.
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
    """How many rows a bilinear resize with aligned corners reads to make the first `needed` rows of its result."""
    if target == 1:
        return 1
    # The last needed row lies between two rows. Integers, as a rounding error could miss one of them.
    return min((needed - 1) * (size - 1) // (target - 1) + 2, size)
