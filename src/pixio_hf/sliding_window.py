# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sliding-window prediction of images of any size: tile, predict in batches, stitch (docs/specification.md 5.6)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


def window_starts(length: int, stride: int) -> list[int]:
    """Left (or upper) edges of the windows along a side of `length` pixels: 0, stride, ... below length.

    See docs/specification.md 5.6.
    """
    if length < 1 or stride < 1:
        raise ValueError(f"The side and the window stride must be at least 1 pixel, got {length} and {stride}.")
    return list(range(0, length, stride))


def tight_window_starts(length: int, stride: int, window_size: int) -> list[int]:
    """Edges of the fewest windows that cover a side: the last one is moved inside instead of padded.

    This is not the protocol of docs/specification.md 5.6.
    """
    last = max(length - window_size, 0)
    return [start for start in window_starts(length, stride) if start < last] + [last]


def predict_sliding_window(
    predict: Callable[..., Tensor | Sequence[Tensor]],
    pixel_values: Tensor,
    window_size: int,
    window_stride: int | None = None,
    batch_size: int = 16,
    predicts_parts: bool = False,
) -> Tensor:
    """Average the predictions of overlapping windows: (B, C, H, W) -> (B, K, H, W) or (B, H, W), as `predict` returns.

    `predict` and the windows are those of `stream_sliding_windows`; windows of all images share batches. The result is
    at least float32.
    """
    if pixel_values.ndim != 4 or min(pixel_values.shape) < 1:
        raise ValueError(f"pixel_values must be (B, C, H, W) with no empty axis, got {tuple(pixel_values.shape)}.")
    predictions = stream_sliding_windows(
        predict, pixel_values, window_size, window_stride, batch_size, predicts_parts=predicts_parts
    )
    return torch.stack([*predictions])


def stream_sliding_windows(
    predict: Callable[..., Tensor | Sequence[Tensor]],
    images: Iterable[Tensor],
    window_size: int,
    window_stride: int | None = None,
    batch_size: int = 16,
    tight: bool = False,
    predicts_parts: bool = False,
) -> Iterator[Tensor]:
    """Average overlapping windows of a stream of images of any sizes: each (C, H, W) -> (K, H, W) or (H, W), in order.

    `predict` maps (n, C, window_size, window_size), n <= batch_size, to (n, K, window_size, window_size) or (n,
    window_size, window_size). Batches hold windows of several images, so that all but the last are full; only the
    images of a batch are held. A window that reaches beyond the border is cut to the image and zero padded at the
    bottom and right (zero is the mean colour after normalisation); of its prediction only the unpadded part counts.
    With `predicts_parts`, `predict` is also given the sizes [(h, w), ...] of those parts and may return a list of
    them, (K, h, w) or (h, w), so that it need not compute what is thrown away. `window_stride` None means
    int(window_size * 2 / 3). `tight` moves the last window of a row or column inside the image instead of padding it,
    which needs fewer windows and gives other numbers than the protocol (docs/specification.md 5.6).

    Raises:
        ValueError: sizes that leave pixels without a prediction, or predictions of another shape.
    """
    if window_size < 1 or batch_size < 1:
        raise ValueError(f"window_size and batch_size must be at least 1, got {window_size} and {batch_size}.")
    stride = int(window_size * 2 / 3) if window_stride is None else window_stride
    if not 1 <= stride <= window_size:
        raise ValueError(
            f"window_stride must lie between 1 and window_size={window_size}, got {stride}: "
            "a larger one would leave pixels without a prediction."
        )
    unfinished: deque[_Stitching] = deque()
    waiting: list[tuple[_Stitching, tuple[int, int]]] = []
    for image in images:
        unfinished.append(_Stitching(image, window_size, stride, tight))
        for position in unfinished[-1].positions:
            waiting.append((unfinished[-1], position))
            if len(waiting) == batch_size:
                _predict_batch(predict, waiting, window_size, predicts_parts)
                waiting = []
                while unfinished and unfinished[0].is_complete():
                    yield unfinished.popleft().average()
    if waiting:
        _predict_batch(predict, waiting, window_size, predicts_parts)
    for stitching in unfinished:
        yield stitching.average()


class _Stitching:
    """An image, the positions of its windows, and the sum of the predictions that have come so far."""

    def __init__(self, image: Tensor, window_size: int, stride: int, tight: bool):
        self.image = image
        self.window_size = window_size
        self.starts = [
            tight_window_starts(side, stride, window_size) if tight else window_starts(side, stride)
            for side in image.shape[-2:]
        ]
        self.positions = [(row, column) for row in self.starts[0] for column in self.starts[1]]
        self.num_added = 0
        self.summed: Tensor | None = None

    def cut(self, position: tuple[int, int]) -> Tensor:
        top, left = position
        return self.image[:, top : top + self.window_size, left : left + self.window_size]

    def add(self, position: tuple[int, int], prediction: Tensor) -> None:
        if self.summed is None:
            # Sums of low-precision predictions would round once per window.
            sum_dtype = torch.promote_types(prediction.dtype, torch.float32)
            self.summed = prediction.new_zeros((*prediction.shape[:-2], *self.image.shape[-2:]), dtype=sum_dtype)
        top, left = position
        target = self.summed[..., top : top + self.window_size, left : left + self.window_size]
        target += prediction[..., : target.shape[-2], : target.shape[-1]]
        self.num_added += 1

    def is_complete(self) -> bool:
        return self.num_added == len(self.positions)

    def average(self) -> Tensor:
        assert self.summed is not None, "a non-empty image has at least one window"
        assert self.is_complete(), "a non-empty image has at least one window"
        rows, columns = (
            _count_coverage(side, starts, self.window_size, self.summed)
            for side, starts in zip(self.image.shape[-2:], self.starts, strict=True)
        )
        return self.summed / (rows[:, None] * columns)


def _predict_batch(
    predict: Callable[..., Tensor | Sequence[Tensor]],
    waiting: list[tuple[_Stitching, tuple[int, int]]],
    window_size: int,
    predicts_parts: bool,
) -> None:
    image = waiting[0][0].image
    windows = image.new_zeros(len(waiting), image.shape[0], window_size, window_size)
    sizes = []
    for window, (stitching, position) in zip(windows, waiting, strict=True):
        tile = stitching.cut(position)
        window[:, : tile.shape[-2], : tile.shape[-1]] = tile
        sizes.append((tile.shape[-2], tile.shape[-1]))
    if predicts_parts:
        predictions = predict(windows, sizes)
        _check_parts(predictions, sizes, window_size)
    else:
        predictions = predict(windows)
        _check_predictions(predictions, len(waiting), window_size)
    for prediction, (stitching, position) in zip(predictions, waiting, strict=True):
        stitching.add(position, prediction)


def _count_coverage(length: int, starts: list[int], window_size: int, like: Tensor) -> Tensor:
    coverage = like.new_zeros(length)
    for start in starts:
        coverage[start : start + window_size] += 1
    return coverage


def _check_parts(parts: Any, sizes: list[tuple[int, int]], window_size: int) -> None:
    shapes = [tuple(part.shape) for part in parts]
    fits = (shape[-2:] in (size, (window_size, window_size)) for shape, size in zip(shapes, sizes, strict=False))
    if len(shapes) != len(sizes) or not all(fits):
        raise ValueError(f"predict must return parts (K, h, w) or (h, w) of the sizes {sizes}, got {shapes}.")


def _check_predictions(predictions: Any, num_windows: int, window_size: int) -> None:
    shape = tuple(predictions.shape)
    if len(shape) not in (3, 4) or shape[0] != num_windows or shape[-2:] != (window_size, window_size):
        raise ValueError(
            f"predict must return ({num_windows}, {window_size}, {window_size}) or ({num_windows}, K, {window_size}, "
            f"{window_size}) for {num_windows} windows of {window_size} pixels, got {shape}."
        )
