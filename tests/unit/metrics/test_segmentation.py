# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Intersection over union: numbers by hand, ignored pixels, absent classes, streaming, bad input."""

import numpy as np
import pytest
import torch

from pixio_hf.metrics import SegmentationMetrics, segmentation_counts


def test_by_hand() -> None:
    truth = torch.tensor([[0, 0, 1, 1], [2, 2, 2, 255]])
    prediction = torch.tensor([[0, 1, 1, 1], [2, 2, 0, 0]])  # the last pixel does not count
    counts = segmentation_counts(prediction, truth, num_labels=4)
    assert counts.tolist() == [[1, 2, 2, 0], [2, 3, 2, 0], [2, 2, 3, 0]]
    result = SegmentationMetrics(4).compute(predictions=prediction[None], references=truth[None])
    assert result is not None
    np.testing.assert_allclose(result["iou_per_class"], [100 / 3, 200 / 3, 200 / 3, 0], rtol=1e-6)
    assert result["mean_iou"] == pytest.approx(500 / 3 / 4)
    assert result["mean_iou_present"] == pytest.approx(500 / 9)
    assert result["pixel_accuracy"] == pytest.approx(500 / 7)
    assert (result["num_images"], result["num_pixels"]) == (1, 7)


def test_pixels_are_pooled_over_images_of_any_size_in_one_or_several_batches() -> None:
    generator = np.random.default_rng(0)
    shapes = [(3, 4), (7, 5), (2, 9), (6, 6)]
    predictions = [generator.integers(0, 5, shape) for shape in shapes]
    references = [generator.choice([0, 1, 2, 3, 4, 255], shape) for shape in shapes]
    at_once = SegmentationMetrics(5).compute(predictions=predictions, references=references)
    stepwise = SegmentationMetrics(5)
    for prediction, reference in zip(predictions, references, strict=True):
        stepwise.add(prediction=prediction, reference=reference)
    assert stepwise.compute() == at_once
    joined, true = (np.concatenate([m.ravel() for m in maps])[None] for maps in (predictions, references))
    pooled = SegmentationMetrics(5).compute(predictions=[joined], references=[true])
    assert at_once is not None
    assert pooled is not None
    assert at_once["iou_per_class"] == pooled["iou_per_class"]


def test_another_ignored_number_and_an_image_without_labels() -> None:
    truth = torch.full((2, 2), 7)
    result = SegmentationMetrics(3, ignore_index=7).compute(predictions=[torch.zeros(2, 2).long()], references=[truth])
    assert result is not None
    assert result["num_pixels"] == 0
    assert result["mean_iou"] == 0
    assert np.isnan(result["mean_iou_present"])
    assert np.isnan(result["pixel_accuracy"])


def test_bad_input() -> None:
    metric = SegmentationMetrics(3)
    zeros = torch.zeros(1, 2, 2, dtype=torch.int64)
    with pytest.raises(ValueError, match="No class map"):
        metric.compute()
    for predictions, references, message in (
        (zeros, zeros + 3, "got 3"),  # the original counts it as class 2
        (zeros - 1, zeros, "got -1"),
        (zeros.float(), zeros, "must be integers"),
        (zeros[:, :1], zeros, r"must both be \(H, W\)"),
        (zeros, zeros.repeat(2, 1, 1), "1 predictions but 2"),
        (zeros, None, "given together"),
    ):
        with pytest.raises(ValueError, match=message):
            metric.add_batch(predictions=predictions, references=references)
    with pytest.raises(ValueError, match="at least 2 classes"):
        SegmentationMetrics(1)
    result = metric.compute(predictions=zeros, references=zeros)
    assert result is not None
    assert result["num_images"] == 1
