# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth and segmentation maps as labels: read, check against the photo, resize by index. Pure functions of arrays."""

from typing import Any

import numpy as np
import PIL.Image
from transformers.utils import logging

from .arrays import to_array
from .map_files import open_map
from .photo_files import load_upright
from .photos import flatten_inputs

logger = logging.get_logger(__name__)

DEPTH_MODES = ("F", "I")
SEGMENTATION_MODES = ("1", "L", "P", "I")
IGNORED_CLASS = 255
_UNKNOWN = {DEPTH_MODES: 0, SEGMENTATION_MODES: IGNORED_CLASS}


def read_map(source: Any, modes: tuple[str, ...], name: str) -> np.ndarray:
    """One map -> (H, W) array of its own dtype; PIL images are turned upright like their photos.

    Masked values of a masked array become 0 in depth maps and the ignored class in segmentation maps.

    Raises:
        ValueError: a PIL mode that holds no such map, or an array that is not 2-D.
    """
    if isinstance(source, PIL.Image.Image):
        if source.mode not in modes and not source.mode.startswith("I;16"):
            raise ValueError(
                f"a {name} must be a PIL image of mode {', '.join(modes)} or I;16, or a 2-D array, got mode"
                f" {source.mode}."
            )
        source = load_upright(source)
    values = to_array(source, _UNKNOWN.get(modes))
    if values.ndim != 2:
        raise ValueError(f"a {name} must be 2-D (height, width), got shape {values.shape}.")
    return values


def check_map_size(values: np.ndarray, photo_size: tuple[int, int], name: str) -> None:
    """Raise ValueError unless a map (H, W) is as large as its photo."""
    if values.shape != photo_size:
        raise ValueError(
            f"the {name} is {values.shape[0]} x {values.shape[1]} (height x width) but its photo is {photo_size[0]} x"
            f" {photo_size[1]}; they must have one size."
        )


def resize_nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (H, W) to size (height, width) by index: output i takes input floor((i + 0.5) * in / out).

    No value is mixed with another, so invalid depths and class numbers stay what they are.
    """
    rows, columns = (
        # In integers, so that no rounding of a float can move an index.
        (2 * np.arange(out) + 1) * side // (2 * out)
        for side, out in zip(values.shape, size, strict=True)
    )
    return values[rows[:, None], columns[None, :]]


def read_maps(
    maps: Any, modes: tuple[str, ...], photo_sizes: list[tuple[int, int]], sizes: list[tuple[int, int]], name: str
) -> list[np.ndarray]:
    """Read one map (H, W) per photo, check its size and resize it by index to the size its photo gets."""
    sources = flatten_inputs(maps, (2,), f"{name}s", open_map)
    if len(sources) != len(sizes):
        raise ValueError(f"got {len(sources)} {name}s for {len(sizes)} photos; pass one per photo.")
    resized = []
    for index, (source, photo_size, size) in enumerate(zip(sources, photo_sizes, sizes, strict=True)):
        try:
            values = read_map(source, modes, name)
            check_map_size(values, photo_size, name)
        except ValueError as error:
            raise ValueError(f"{name} {index}: {error}") from error
        resized.append(resize_nearest(values, size))
    return resized


def to_metres(values: np.ndarray, depth_scale: float) -> np.ndarray:
    """Depth of any real dtype -> float32 metres; depth_scale is metres per unit. 0 and NaN (invalid) stay."""
    if values.dtype == np.bool_ or not np.issubdtype(values.dtype, np.number):
        raise ValueError(f"a depth map must hold numbers, got dtype {values.dtype}.")
    if np.issubdtype(values.dtype, np.complexfloating):
        raise ValueError("a depth map must hold real numbers, got complex ones.")
    if np.issubdtype(values.dtype, np.integer) and depth_scale == 1 and values.size and values.max() > 1000:
        logger.warning_once(
            f"A depth map of whole numbers reaches {values.max()} and is taken as metres; pass depth_scale=0.001 if it"
            " is in millimetres."
        )
    # The product in double precision: 1234 mm must become the float32 nearest to 1.234 m.
    return (values.astype(np.float64) * depth_scale).astype(np.float32)


def to_class_ids(values: np.ndarray, do_reduce_labels: bool) -> np.ndarray:
    """Segmentation map -> int64 class numbers; do_reduce_labels makes 0 the ignored 255 and lowers the others by 1.

    Raises:
        ValueError: no whole numbers; or, with do_reduce_labels, numbers above 255: 256 would become the ignored 255.
    """
    if np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values).all() and (values == np.floor(values)).all()):
            raise ValueError("a segmentation map must hold whole class numbers, got fractions, NaN or infinity.")
    elif values.dtype != np.bool_ and not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"a segmentation map must hold whole class numbers, got dtype {values.dtype}.")
    largest = values.max() if values.size else 0
    if largest >= 2**63:
        raise ValueError(f"class numbers must be below 2^63, got {largest}.")
    class_ids = values.astype(np.int64)
    if do_reduce_labels:
        if largest > IGNORED_CLASS:
            raise ValueError(
                f"do_reduce_labels holds for at most {IGNORED_CLASS} classes, since {IGNORED_CLASS} is the ignored"
                f" number, but a map holds {largest}; lower the numbers yourself, mark what is ignored with another"
                " number, and set the model's semantic_loss_ignore_index to it."
            )
        class_ids = np.where((class_ids == 0) | (class_ids == IGNORED_CLASS), IGNORED_CLASS, class_ids - 1)
    elif largest > IGNORED_CLASS and (class_ids == IGNORED_CLASS).any():
        logger.warning_once(
            f"A segmentation map holds class numbers up to {largest} and also {IGNORED_CLASS}, which models ignore"
            " unless their semantic_loss_ignore_index is another number."
        )
    return class_ids
