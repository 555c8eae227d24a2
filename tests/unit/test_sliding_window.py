# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sliding windows: exact borders, coverage, batching over images, precision, bad input."""

import pytest
import torch
from torch import Tensor

from pixio_hf.sliding_window import predict_sliding_window, window_starts


def test_starts_run_until_the_side_ends_even_for_a_thin_strip() -> None:
    assert window_starts(100, 42) == [0, 42, 84]
    assert window_starts(85, 42) == [0, 42, 84]
    assert window_starts(84, 42) == [0, 42]
    assert window_starts(5, 42) == [0]
    with pytest.raises(ValueError, match="at least 1"):
        window_starts(10, 0)


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (13, 20), (1, 30)])
def test_a_pixelwise_prediction_is_unchanged(size: tuple[int, int]) -> None:
    images = torch.randn(3, 2, *size)
    stitched = predict_sliding_window(lambda windows: 2 * windows, images, window_size=8, batch_size=5)
    torch.testing.assert_close(stitched, 2 * images)
    without_channel = predict_sliding_window(lambda windows: windows[:, 1], images, window_size=8, window_stride=3)
    torch.testing.assert_close(without_channel, images[:, 1])


def test_windows_average_where_they_overlap() -> None:
    """Windows of 4 at 0, 2, 4 of a row of 5 predict 1, 2, 3: the last two cover 3 and 1 pixels of the image."""
    seen: list[Tensor] = []

    def predict(windows: Tensor) -> Tensor:
        number = torch.arange(1, len(windows) + 1, dtype=torch.float32)
        seen.extend(windows)
        return number[:, None, None].expand(-1, 4, 4)

    image = torch.arange(1.0, 6.0).reshape(1, 1, 1, 5)
    stitched = predict_sliding_window(predict, image, window_size=4, window_stride=2)
    assert stitched[0, 0].tolist() == [1.0, 1.0, 1.5, 1.5, 2.5]
    assert [window[0, 0].tolist() for window in seen] == [[1, 2, 3, 4], [3, 4, 5, 0], [5, 0, 0, 0]]
    assert all(window[0, 1:].abs().sum() == 0 for window in seen)


def test_default_stride_is_two_thirds() -> None:
    batches: list[int] = []

    def predict(windows: Tensor) -> Tensor:
        batches.append(len(windows))
        return windows

    predict_sliding_window(predict, torch.zeros(2, 1, 64, 86), window_size=64, batch_size=4)
    # Stride 42: rows start at 0 and 42, columns at 0, 42 and 84: 6 windows an image, 12 in all.
    assert batches == [4, 4, 4]


def test_images_of_a_batch_do_not_influence_each_other() -> None:
    torch.manual_seed(0)
    kernel = torch.randn(3, 2, 3, 3)

    def predict(windows: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(windows, kernel, padding=1)

    images = torch.randn(3, 2, 19, 11)
    together = predict_sliding_window(predict, images, window_size=8, batch_size=7)
    for index in range(3):
        alone = predict_sliding_window(predict, images[index : index + 1], window_size=8, batch_size=1)
        torch.testing.assert_close(together[index : index + 1], alone)


def test_low_precision_predictions_are_averaged_in_float32() -> None:
    images = torch.randn(1, 1, 20, 20).bfloat16()
    stitched = predict_sliding_window(lambda windows: windows, images, window_size=8, window_stride=1)
    assert stitched.dtype == torch.float32
    torch.testing.assert_close(stitched, images.float(), atol=0, rtol=1e-6)


def test_bad_sizes_are_named() -> None:
    image = torch.zeros(1, 1, 8, 8)
    for options in ({"window_size": 0}, {"window_size": 4, "batch_size": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            predict_sliding_window(lambda windows: windows, image, **options)
    for stride in (0, 5):
        with pytest.raises(ValueError, match="window_stride"):
            predict_sliding_window(lambda windows: windows, image, window_size=4, window_stride=stride)
    with pytest.raises(ValueError, match="pixel_values"):
        predict_sliding_window(lambda windows: windows, image[0], window_size=4)
    with pytest.raises(ValueError, match="predict must return"):
        predict_sliding_window(lambda windows: windows[..., :2, :2], image, window_size=4)


def test_predict_may_be_told_which_parts_count() -> None:
    """The parts inside the image are enough, and whole windows are taken too."""
    images = torch.randn(2, 3, 13, 20)
    seen: list[tuple[int, int]] = []

    def predict_parts(windows: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
        seen.extend(sizes)
        return [3 * window[:, :height, :width] for window, (height, width) in zip(windows, sizes, strict=True)]

    options = {"window_size": 8, "batch_size": 5, "predicts_parts": True}
    torch.testing.assert_close(predict_sliding_window(predict_parts, images, **options), 3 * images)
    rows, columns = (8, 8, 3), (8, 8, 8, 5)
    assert seen == [(row, column) for row in rows for column in columns] * 2
    torch.testing.assert_close(predict_sliding_window(lambda windows, sizes: windows, images, **options), images)
    for wrong in (lambda windows, sizes: windows[1:], lambda windows, sizes: windows[..., :2, :2]):
        with pytest.raises(ValueError, match=r"predict must return parts .* of the sizes \[\(8, 8\)"):
            predict_sliding_window(wrong, images, **options)
