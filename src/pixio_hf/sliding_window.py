# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sliding-window prediction of images of any size: tile, predict in batches, stitch (SPEC 5.6)."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor


def window_starts(length: int, stride: int) -> list[int]:
    """Left (or upper) edges of the windows along a side of `length` pixels: 0, stride, ... below length (SPEC 5.6)."""
    if length < 1 or stride < 1:
        raise ValueError(f"The side and the window stride must be at least 1 pixel, got {length} and {stride}.")
    return list(range(0, length, stride))


def predict_sliding_window(
    predict: Callable[[Tensor], Tensor],
    pixel_values: Tensor,
    window_size: int,
    window_stride: int | None = None,
    batch_size: int = 16,
) -> Tensor:
    """Average the predictions of overlapping windows: (B, C, H, W) -> (B, K, H, W) or (B, H, W), as `predict` returns.

    `predict` maps (n, C, window_size, window_size), n <= batch_size, to (n, K, window_size, window_size) or (n,
    window_size, window_size). Windows of all images share batches. One that reaches beyond the border is cut to the
    image and zero padded at the bottom and right (zero is the mean colour after normalisation); of its prediction only
    the unpadded part counts. `window_stride` None means int(window_size * 2 / 3). The result is at least float32.
    """
    if pixel_values.ndim != 4 or min(pixel_values.shape) < 1:
        raise ValueError(f"pixel_values must be (B, C, H, W) with no empty axis, got {tuple(pixel_values.shape)}.")
    if window_size < 1 or batch_size < 1:
        raise ValueError(f"window_size and batch_size must be at least 1, got {window_size} and {batch_size}.")
    stride = int(window_size * 2 / 3) if window_stride is None else window_stride
    if not 1 <= stride <= window_size:
        raise ValueError(
            f"window_stride must lie between 1 and window_size={window_size}, got {stride}: "
            "a larger one would leave pixels without a prediction."
        )
    num_images, num_channels, height, width = pixel_values.shape
    row_starts, column_starts = (
        window_starts(height, stride),
        window_starts(width, stride),
    )
    # Image-major, so that each image's windows are summed in the same order whatever else is in the batch.
    positions = list(product(range(num_images), row_starts, column_starts))

    summed: Tensor | None = None
    for first in range(0, len(positions), batch_size):
        batch_positions = positions[first : first + batch_size]
        windows = pixel_values.new_zeros(len(batch_positions), num_channels, window_size, window_size)
        for window, (image, top, left) in zip(windows, batch_positions, strict=True):
            tile = pixel_values[image, :, top : top + window_size, left : left + window_size]
            window[:, : tile.shape[-2], : tile.shape[-1]] = tile
        predictions = predict(windows)
        _check_predictions(predictions, len(batch_positions), window_size)
        if summed is None:
            # Sums of low-precision predictions would round once per window.
            sum_dtype = torch.promote_types(predictions.dtype, torch.float32)
            summed = predictions.new_zeros((num_images, *predictions.shape[1:-2], height, width), dtype=sum_dtype)
        for prediction, (image, top, left) in zip(predictions, batch_positions, strict=True):
            target = summed[image, ..., top : top + window_size, left : left + window_size]
            target += prediction[..., : target.shape[-2], : target.shape[-1]]

    assert summed is not None, "a non-empty image has at least one window"
    rows = _count_coverage(height, row_starts, window_size, summed)
    columns = _count_coverage(width, column_starts, window_size, summed)
    return summed / (rows[:, None] * columns)


def _count_coverage(length: int, starts: list[int], window_size: int, like: Tensor) -> Tensor:
    coverage = like.new_zeros(length)
    for start in starts:
        coverage[start : start + window_size] += 1
    return coverage


def _check_predictions(predictions: Tensor, num_windows: int, window_size: int) -> None:
    shape = tuple(predictions.shape)
    if len(shape) not in (3, 4) or shape[0] != num_windows or shape[-2:] != (window_size, window_size):
        raise ValueError(
            f"predict must return ({num_windows}, {window_size}, {window_size}) or ({num_windows}, K, {window_size}, "
            f"{window_size}) for {num_windows} windows of {window_size} pixels, got {shape}."
        )
