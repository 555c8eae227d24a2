# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Metrics of relative depth: alignment, order and pairs, against formulas written out."""

import numpy as np
import pytest
import torch

from pixio_hf.metrics.relative_depth import (
    RELATIVE_METRIC_NAMES,
    align_inverse_depth,
    count_right_pairs,
    order_correlation,
    relative_depth_metrics_per_image,
)


def test_scale_and_shift_are_found():
    depth = np.random.default_rng(0).uniform(0.5, 8, 200)
    aligned = align_inverse_depth(3.5 / depth + 0.7, depth)
    np.testing.assert_allclose(aligned, depth, rtol=1e-9)
    # Twice as steep as the truth, but the other way round: the fit is better than any constant, and never mirrored depth.
    assert np.corrcoef(align_inverse_depth(-1 / depth, depth), depth)[0, 1] == pytest.approx(1)
    np.testing.assert_allclose(align_inverse_depth(np.full(200, 4.0), depth), 1 / (1 / depth).mean())


def test_aligned_depth_is_clipped():
    depth = np.array([1.0, 1.0, 1.0, 2.0])
    inverse = np.array([1.0, 1.1, 0.9, -5.0])
    aligned = align_inverse_depth(inverse, depth, (0.99, 1.9))
    assert aligned.min() >= 0.99
    assert aligned.max() == pytest.approx(1.9)


def test_order_is_spearmans_correlation():
    generator = np.random.default_rng(1)
    depth = generator.uniform(1, 5, 500)
    assert order_correlation(1 / depth, depth) == pytest.approx(1)
    assert order_correlation(-(np.log(depth) ** 3), depth) > 0.9
    assert order_correlation(depth, depth) == pytest.approx(-1)
    assert order_correlation(np.ones(500), depth) == 0
    assert order_correlation(1 / depth, np.ones(500)) == 0
    noisy = 1 / depth + generator.normal(0, 0.1, 500)
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (-noisy, depth)]
    differences = ((ranks[0] - ranks[1]) ** 2).sum()
    assert order_correlation(noisy, depth) == pytest.approx(1 - 6 * differences / (500 * (500**2 - 1)))


def judge(prediction: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Affine delta1, abs_rel and order of zero-shot depth on photographs, written out: truth in 0.3 to 10 m."""
    valid = (truth > 0.3) & (truth < 10)
    disparity, truth = prediction[valid], truth[valid]
    system = np.stack([disparity, np.ones_like(disparity)], 1)
    fitted = system @ np.linalg.lstsq(system, 1 / truth, rcond=None)[0]
    aligned = 1 / np.clip(fitted, 1 / 20, 1 / 0.1)
    delta1 = float((np.maximum(aligned / truth, truth / aligned) < 1.25).mean())
    chosen = np.random.default_rng(0).choice(len(truth), min(3000, len(truth)), replace=False)
    ranks = [values[chosen].argsort().argsort() for values in (-disparity, truth)]
    return delta1, float((abs(aligned - truth) / truth).mean()), float(np.corrcoef(*ranks)[0, 1])


def test_made_up_frames_score_as_written_out():
    generator = np.random.default_rng(2)
    frames = []
    for _ in range(3):
        truth = generator.uniform(0.2, 12, (80, 60))
        truth[generator.random(truth.shape) < 0.3] = 0
        prediction = 4 / np.maximum(truth, 0.5) + generator.normal(0, 1, truth.shape)
        frames.append((prediction, truth))
    predictions, references = (torch.from_numpy(np.stack(side)) for side in zip(*frames, strict=True))
    metrics, used = relative_depth_metrics_per_image(predictions, references, 0.3, 10.0, clip=(0.1, 20.0))
    assert used.all()
    columns = [RELATIVE_METRIC_NAMES.index(name) for name in ("delta1", "abs_rel", "order")]
    for row, frame in zip(metrics[:, columns], frames, strict=True):
        np.testing.assert_allclose(row.numpy(), judge(*frame), rtol=1e-9)
    assert metrics[:, 0].min() > 0.2


def test_images_without_truth_are_skipped_and_nonsense_is_refused():
    predictions, references = torch.rand(2, 8, 8), torch.rand(2, 8, 8) + 1
    references[1] = 0
    metrics, used = relative_depth_metrics_per_image(predictions, references)
    assert used.tolist() == [True, False]
    assert torch.isnan(metrics[1]).all()
    assert torch.isfinite(metrics[0]).all()
    assert relative_depth_metrics_per_image(predictions[:0], references[:0])[0].shape == (0, 10)
    with pytest.raises(ValueError, match="must both be"):
        relative_depth_metrics_per_image(predictions[0], references[0])
    with pytest.raises(ValueError, match="not finite"):
        relative_depth_metrics_per_image(predictions.fill_(float("nan")), references)
    with pytest.raises(ValueError, match="above 0"):
        relative_depth_metrics_per_image(predictions, references, 0.0, 10.0)


def test_nearer_points():
    inverse = np.array([[1.0, 2.0], [3.0, 3.0]])
    pairs = np.array([[[0, 1], [0, 0]], [[0, 0], [1, 1]], [[1, 0], [1, 1]]])
    assert count_right_pairs(inverse, pairs) == 1
    with pytest.raises(ValueError, match="outside"):
        count_right_pairs(inverse, np.array([[[0, 0], [2, 0]]]))
