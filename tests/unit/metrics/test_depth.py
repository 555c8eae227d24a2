# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth metrics: numbers by hand, skipped images, streaming, independence of instances, bad input."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from pixio_hf.metrics import DEPTH_METRIC_NAMES, DepthMetrics, depth_metrics_per_image


def make_maps(num_images: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    references = torch.rand(num_images, 6, 8, generator=generator) * 8 + 0.5
    predictions = references * torch.exp(0.3 * torch.randn(num_images, 6, 8, generator=generator))
    return predictions, references


def test_a_constant_factor_by_hand() -> None:
    reference = torch.full((1, 4, 4), 2.0)
    metrics, used = depth_metrics_per_image(1.5 * reference, reference)
    log = math.log(1.5)
    expected = [0.0, 1.0, 1.0, 0.5, 0.5, 1.0, log, math.log10(1.5), math.sqrt(0.5) * log]
    assert used.tolist() == [True]
    np.testing.assert_allclose(metrics[0].numpy(), expected, rtol=1e-12)


def test_thresholds_are_strict() -> None:
    reference = torch.full((1, 4, 4), 2.0)
    for prediction in (2.5, 1.6):
        metrics, _ = depth_metrics_per_image(
            torch.full((1, 4, 4), prediction, dtype=torch.float64), reference.double()
        )
        assert metrics[0, :2].tolist() == [0.0, 1.0]


def test_ten_valid_pixels_are_enough_and_nine_are_not() -> None:
    predictions, references = make_maps(2)
    references[0].view(-1)[10:] = 0
    references[1].view(-1)[9:] = float("nan")
    metrics, used = depth_metrics_per_image(predictions, references)
    assert used.tolist() == [True, False]
    assert metrics[0].isfinite().all()
    assert metrics[1].isnan().all()
    mask = torch.zeros(2, 6, 8)
    mask.view(2, -1)[:, :9] = 1
    assert not depth_metrics_per_image(predictions, references, mask)[1].any()


def test_numpy_and_torch_agree_and_ignored_pixels_may_hold_anything() -> None:
    predictions, references = make_maps(2)
    references[:, 0] = 0
    expected, _ = depth_metrics_per_image(predictions, references)
    predictions[:, 0] = float("nan")
    actual, _ = depth_metrics_per_image(predictions.numpy(), references.numpy())
    assert torch.equal(actual, expected)


def test_metric_averages_images_not_pixels() -> None:
    predictions, references = make_maps(3)
    references[1, 2:] = 0
    references[2] = 0
    per_image, used = depth_metrics_per_image(predictions, references)
    result = DepthMetrics().compute(predictions=list(predictions.numpy()), references=list(references.numpy()))
    assert result is not None
    assert list(result) == [*DEPTH_METRIC_NAMES, "num_images", "num_skipped"]
    assert (result["num_images"], result["num_skipped"]) == (2, 1)
    np.testing.assert_allclose([result[name] for name in DEPTH_METRIC_NAMES], per_image[used].mean(dim=0).numpy())


@pytest.mark.parametrize("keep_in_memory", [True, False])
def test_streaming_repeated_and_parallel_use_give_the_same_numbers(keep_in_memory: bool) -> None:
    predictions, references = make_maps(5)
    expected = DepthMetrics().compute(predictions=predictions, references=references)
    first, second = DepthMetrics(keep_in_memory=keep_in_memory), DepthMetrics(keep_in_memory=keep_in_memory)
    for _ in range(2):
        for index in range(5):
            first.add_batch(predictions=predictions[index : index + 1], references=references[index : index + 1])
            second.add(prediction=2 * predictions[index], reference=references[index].numpy())
        assert len(first) == 5
        assert first.compute() == expected
        other = second.compute()
        assert other is not None
        assert other != expected


def test_maps_of_different_sizes_and_nested_lists_are_taken() -> None:
    predictions, references = make_maps(2)
    expected = DepthMetrics().compute(
        predictions=[predictions[0], predictions[1][:4]], references=[references[0], references[1][:4]]
    )
    as_lists = DepthMetrics().compute(
        predictions=[predictions[0].tolist(), predictions[1][:4].tolist()],
        references=[references[0].tolist(), references[1][:4].tolist()],
    )
    assert expected == as_lists


def test_ten_numbers_an_image_are_stored_whatever_the_size_of_the_maps() -> None:
    stored: dict[str, np.ndarray] = {}

    class Recorder(DepthMetrics):
        def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
            stored.update(predictions=np.asarray(predictions), references=np.asarray(references))
            return super()._compute(predictions=predictions, references=references)

    metric = Recorder()
    reference = np.full((2, 128, 96), 2.0, dtype=np.float32)
    for _ in range(3):
        metric.add_batch(predictions=reference, references=reference)
    result = metric.compute()
    assert stored["predictions"].shape == (6, 9)
    assert stored["references"].shape == (6,)
    assert result is not None
    assert result["delta1"] == 1.0
    assert result["num_images"] == 6


def test_depth_limits_belong_to_the_instance() -> None:
    predictions, references = make_maps(2)
    references[0] += 100
    indoor = DepthMetrics().compute(predictions=predictions, references=references)
    outdoor = DepthMetrics(max_depth=200.0).compute(predictions=predictions, references=references)
    assert indoor is not None
    assert outdoor is not None
    assert (indoor["num_images"], outdoor["num_images"]) == (1, 2)
    with pytest.raises(ValueError, match="Depth limits"):
        DepthMetrics(min_depth=5.0, max_depth=1.0)


def test_all_skipped_is_nan_and_counted() -> None:
    result = DepthMetrics().compute(predictions=torch.ones(2, 4, 4), references=torch.zeros(2, 4, 4))
    assert result is not None
    assert (result["num_images"], result["num_skipped"]) == (0, 2)
    assert all(math.isnan(result[name]) for name in DEPTH_METRIC_NAMES)


def test_bad_input_is_named_and_leaves_the_metric_usable() -> None:
    metric = DepthMetrics()
    with pytest.raises(ValueError, match="No depth map"):
        metric.compute()
    with pytest.raises(ValueError, match="positive finite"):
        metric.add_batch(predictions=torch.zeros(1, 4, 4), references=torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="2 predictions but 1"):
        metric.add_batch(predictions=torch.ones(2, 4, 4), references=torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="Resize the predictions"):
        metric.add_batch(predictions=torch.ones(1, 4, 5), references=torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="given together"):
        metric.compute(predictions=torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match=r"must be \(H, W\)"):
        metric.add_batch(predictions=torch.ones(1, 1, 4, 4), references=torch.ones(1, 1, 4, 4))
    result = metric.compute(predictions=torch.ones(1, 4, 4), references=torch.ones(1, 4, 4))
    assert result is not None
    assert result["num_images"] == 1
