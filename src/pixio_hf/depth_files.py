# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth maps as files: a PNG of 16-bit millimetres, or .npy of metres; and what of a map the PNG cannot hold.

Relative depth, which has no unit, has files of other names.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from .files import file_in_progress

MAX_MILLIMETRES = 65535
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class DepthStorage:
    """How the depth that a model predicts goes into files."""

    suffix: str
    """Files are called NAME, suffix, ending; colour pictures NAME, suffix, _color.png."""
    png_holds: str
    """For people: the numbers of a PNG."""
    npy_holds: str
    write_png: Callable[[Path, np.ndarray], None]
    describe_lost: Callable[[np.ndarray], str]
    """What of a map (H, W) the PNG cannot hold, in words; empty if nothing."""
    is_metric: bool = True
    """Whether the numbers are metres."""


def choose_storage(config: Any) -> DepthStorage:
    """The storage for a depth model's configuration: millimetres are written only where the model predicts metres."""
    if getattr(config, "depth_estimation_type", "metric") == "relative":
        return RELATIVE_STORAGE
    return METRIC_STORAGE


def write_relative_png(path: Path, inverse_depth: np.ndarray) -> None:
    """Write relative inverse depth (H, W) as a 16-bit PNG: 65535 is the nearest of this photo, 0 its farthest."""
    _write_png(path, np.rint(65535 * stretch(inverse_depth)).astype(np.uint16))


def stretch(values: np.ndarray) -> np.ndarray:
    """(H, W) -> (H, W) float64 from 0 (the least) to 1 (the greatest); 0 everywhere in a constant map, and for NaN."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(values.shape)
    low, high = float(values[known].min()), float(values[known].max())
    return np.where(known, (np.where(known, values, low).astype(np.float64) - low) / (high - low or 1.0), 0.0)


def describe_not_finite(inverse_depth: np.ndarray) -> str:
    """How many numbers of a map (H, W) are none, in words; empty if all are."""
    num_wrong = int((~np.isfinite(inverse_depth)).sum())
    if not num_wrong:
        return ""
    reason = "not finite numbers: does --dtype float32 help?"
    return f"{num_wrong:,} of {inverse_depth.size:,} pixels ({reason}) are 0 = farthest"


def write_depth_png(path: Path, depth: np.ndarray) -> None:
    """Write depth (H, W) in metres as a PNG of 16-bit millimetres, 0 = unknown (`to_millimetres`)."""
    _write_png(path, to_millimetres(depth))


def _write_png(path: Path, values: np.ndarray) -> None:
    """Write integers (H, W) of 16 bits."""
    with file_in_progress(path) as partial:
        # Pillow's own choice takes five times as long, for files that are a quarter smaller: writing would be slower than
        # a small model. Levels differ little with runs alone.
        PIL.Image.fromarray(values).save(partial, format="PNG", compress_type=zlib.Z_RLE)


def write_npy(path: Path, values: np.ndarray) -> None:
    """Write an array in NumPy's own format."""
    with file_in_progress(path) as partial, partial.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def write_npz(path: Path, **arrays: Any) -> None:
    """Write arrays by name in one compressed file of NumPy's."""
    with file_in_progress(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def to_millimetres(depth: np.ndarray) -> np.ndarray:
    """(H, W) metres -> (H, W) uint16 millimetres, rounded.

    0 means unknown: what is not finite, nearer than half a millimetre, or beyond 65.535 m, the most that 16 bits hold.
    """
    millimetres = np.zeros(depth.shape, np.uint16)
    for band in _row_bands(depth):
        rounded = np.rint(1000 * depth[band].astype(np.float64))
        np.copyto(millimetres[band], rounded, casting="unsafe", where=_fits(rounded))
    return millimetres


def describe_unknown(depth: np.ndarray) -> str:
    """Which depths of a map (H, W) in metres `to_millimetres` cannot hold, in words; empty if none."""
    num_far = num_near = num_wrong = 0
    for band in _row_bands(depth):
        rounded = np.rint(1000 * depth[band].astype(np.float64))
        lost = rounded[~_fits(rounded)]
        far = int((np.isfinite(lost) & (lost > 0)).sum())
        near = int((lost == 0).sum())
        num_far, num_near, num_wrong = num_far + far, num_near + near, num_wrong + lost.size - far - near
    reasons = [
        f"{count:,} {reason}"
        for count, reason in (
            (num_far, "beyond 65.535 m, the most that 16 bits hold"),
            (num_near, "nearer than half a millimetre"),
            (num_wrong, "not positive finite numbers: does --dtype float32 help?"),
        )
        if count
    ]
    if not reasons:
        return ""
    return f"{num_far + num_near + num_wrong:,} of {depth.size:,} pixels ({'; '.join(reasons)}) are 0 = unknown"


METRIC_STORAGE = DepthStorage(
    "_depth", "millimetres, 0 = unknown", "float32 metres", write_depth_png, describe_unknown
)
RELATIVE_STORAGE = DepthStorage(
    "_relative_depth",
    "65535 = nearest, 0 = farthest of this photo; inverse depth without scale and shift, no metres",
    "float32 inverse depth without scale and shift, no metres",
    write_relative_png,
    describe_not_finite,
    is_metric=False,
)


def _fits(rounded: np.ndarray) -> np.ndarray:
    """True where millimetres fit into 16 bits and are not 0, which means unknown; NaN does not fit."""
    return (rounded >= 1) & (rounded <= MAX_MILLIMETRES)


def _row_bands(values: np.ndarray) -> list[slice]:
    """Slices of 512 rows: a large map in double precision would take a gigabyte."""
    return [slice(top, top + _ROWS_AT_ONCE) for top in range(0, len(values), _ROWS_AT_ONCE)]
