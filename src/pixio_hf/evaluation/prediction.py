# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Maps that a dense model predicts for a stream of images: in windows at native size, or from the whole image."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..photos import read_photo
from ..sliding_window import stream_sliding_windows


@dataclass(frozen=True)
class PredictionOptions:
    """How images are predicted; the defaults are the protocol of docs/specification.md 5.6.

    window_size: side of the windows at native size; None: the whole image, resized as the image processor says, and the
        prediction resized back bilinearly.
    window_stride: None means int(window_size * 2 / 3).
    batch_size: windows, or whole images, per forward pass.
    flip_test: average with the prediction of the mirrored image; not part of the protocol.
    tight_windows: move the last window inside the image instead of padding it; not part of the protocol.
    """

    window_size: int | None = 256
    window_stride: int | None = None
    batch_size: int = 16
    flip_test: bool = False
    tight_windows: bool = False

    def check(self, patch_size: int) -> None:
        """Raise ValueError for options that do not fit together or to the model's patch size."""
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}.")
        if self.window_size is None:
            if self.tight_windows or self.window_stride is not None:
                raise ValueError("tight_windows and window_stride need windows: set window_size.")
        elif self.window_size < patch_size or self.window_size % patch_size:
            raise ValueError(
                f"window_size must be a positive multiple of the patch size {patch_size}, got {self.window_size}."
            )

    def describe(self) -> str:
        """One line for reports."""
        if self.window_size is None:
            text = "whole image, resized for the model"
        else:
            stride = self.window_stride or int(self.window_size * 2 / 3)
            borders = "last window moved inside" if self.tight_windows else "zero padded at the border"
            text = f"native size, windows of {self.window_size}, stride {stride}, {borders}"
        return text + (", averaged with the mirrored image" if self.flip_test else "")


@torch.inference_mode()
def predict_items(
    model: Any,
    processor: Any,
    items: Iterable[tuple[int, dict[str, Any]]],
    activation: Callable[[Tensor], Tensor],
    options: PredictionOptions,
) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
    """Predict numbered items with an "image": number, item, and activated logits (K, H, W) at the image's native size.

    Overlapping windows are averaged after the activation, as is the mirrored image. Only as many items are held as
    share a batch. The model is put into eval mode.
    """
    options.check(model.config.patch_size)
    model.eval()
    waiting: deque[tuple[int, dict[str, Any], tuple[int, int]]] = deque()

    def images() -> Iterator[Tensor]:
        for index, item in items:
            try:
                pixel_values, native_size = _prepare(processor, item["image"], options)
            except ValueError as error:
                raise ValueError(f"item {index}: {error}") from error
            waiting.append((index, item, native_size))
            image = pixel_values.to(model.device, model.dtype)
            yield image
            if options.flip_test:
                yield image.flip(-1)

    def predict(pixel_values: Tensor) -> Tensor:
        return activation(model.predict_logits(pixel_values)[0])

    def predict_parts(windows: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
        return [activation(part[None])[0] for part in model.predict_parts(windows, sizes)]

    if options.window_size is None:
        predictions = _predict_whole(predict, images(), options.batch_size)
    else:
        predicts_parts = hasattr(model, "predict_parts")
        predictions = stream_sliding_windows(
            predict_parts if predicts_parts else predict,
            images(),
            options.window_size,
            options.window_stride,
            options.batch_size,
            options.tight_windows,
            predicts_parts,
        )
    for prediction in predictions:
        if options.flip_test:
            prediction = (prediction + next(predictions).flip(-1)) / 2
        index, item, native_size = waiting.popleft()
        if tuple(prediction.shape[-2:]) != native_size:
            prediction = F.interpolate(prediction[None], size=native_size, mode="bilinear", align_corners=False)[0]
        yield index, item, prediction


def _prepare(processor: Any, image: Any, options: PredictionOptions) -> tuple[Tensor, tuple[int, int]]:
    """Normalised (3, h, w), at native size for windows, and the native size (H, W)."""
    photo = read_photo(image)
    resizing = {} if options.window_size is None else {"do_resize": False, "size_divisor": 1}
    batch = processor(photo, input_data_format="channels_first", return_tensors="pt", **resizing)
    return batch["pixel_values"][0], (photo.shape[-2], photo.shape[-1])


def _predict_whole(predict: Callable[[Tensor], Tensor], images: Iterable[Tensor], batch_size: int) -> Iterator[Tensor]:
    batch: list[Tensor] = []
    for image in images:
        if batch and (len(batch) == batch_size or image.shape != batch[0].shape):
            yield from predict(torch.stack(batch))
            batch = []
        batch.append(image)
    if batch:
        yield from predict(torch.stack(batch))
