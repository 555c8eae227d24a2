# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The protocol of table T3 over sets of views: batches, averages, baselines, and what is refused."""

import math

import pytest
import torch

from pixio_hf import PixioForDepthEstimation, PixioForReconstruction
from pixio_hf.data.labelled.view_dataset import ViewDataset
from pixio_hf.evaluation.reconstruction import (
    average_rows,
    evaluate_reconstruction,
    format_metrics,
    model_predictor,
)
from pixio_hf.evaluation.reconstruction_baselines import MeanScene, depth_model_predictor
from pixio_hf.metrics.reconstruction import RECONSTRUCTION_METRIC_NAMES, ReconstructionMetrics
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.view_geometry import ViewLabels
from tests.tiny_models import tiny_config, tiny_view_config


@pytest.fixture(scope="module")
def sets() -> ViewDataset:
    return ViewDataset(SyntheticViewSet(5, 3, image_size=32), 3, views_in_turn=True)


def predict_truth(batch):
    """The true geometry, in units of half a metre, as a prediction."""
    size = (*batch["pixel_values"].shape[:2], *batch["labels"]["depth"].shape[-2:])
    geometry = ViewLabels.read(batch["labels"], size).geometry
    return {
        "ray_directions": geometry.rays,
        "ray_depth": geometry.ray_depth,
        "camera_quaternions": geometry.quaternions,
        "camera_translations": geometry.translations,
        "metric_scale": torch.full((size[0],), 2.0),
    }


def test_the_truth_scores_perfectly_in_any_batch(sets):
    for batch_size in (1, 2, 10):
        result = evaluate_reconstruction(predict_truth, sets, batch_size, progress=False)
        assert [row["index"] for row in result.rows] == list(range(5))
        metrics = result.metrics
        assert metrics["num_scenes"] == 5
        for name in ("scale_rel", "points_rel", "depth_rel", "pose_ate", "ray_error"):
            assert metrics[name] < 2e-3, name
        for name in ("points_tau", "depth_tau", "pose_auc_5"):
            assert metrics[name] > 99.9, name


def test_agrees_with_the_metric_class(sets):
    torch.manual_seed(0)
    model = PixioForReconstruction(tiny_view_config(image_size=32))
    model.train()
    result = evaluate_reconstruction(model_predictor(model), sets, 2, progress=False)
    assert model.training
    metric = ReconstructionMetrics()
    batch = torch.utils.data.default_collate([sets[index] for index in range(5)])
    with torch.no_grad():
        metric.add_batch(predictions=model.eval()(pixel_values=batch["pixel_values"]), references=batch["labels"])
    expected = metric.compute()
    assert expected is not None
    for name in RECONSTRUCTION_METRIC_NAMES:
        assert result.metrics[name] == pytest.approx(expected[name], rel=1e-3), name


def test_sets_without_depth_are_skipped_and_counted(sets):
    samples = [sets[0], sets[1]]
    samples[1] = {**samples[1], "labels": {**samples[1]["labels"], "depth": torch.zeros(3, 32, 32)}}
    result = evaluate_reconstruction(predict_truth, samples, progress=False)
    assert (result.metrics["num_scenes"], result.metrics["num_skipped"]) == (1, 1)
    assert math.isfinite(result.metrics["points_rel"])


def test_averages_leave_out_what_a_set_has_not():
    row = dict.fromkeys(RECONSTRUCTION_METRIC_NAMES, 1.0) | {"used": True}
    averages = average_rows([row, {**row, "scale_rel": math.nan, "points_rel": 3.0}, {**row, "used": False}])
    assert averages["scale_rel"] == 1.0
    assert averages["points_rel"] == 2.0
    assert (averages["num_scenes"], averages["num_skipped"]) == (2, 1)


def test_baselines_know_no_poses_but_the_mean_and_the_depth(sets):
    mean = MeanScene.measure(sets[index] for index in range(5))
    assert (mean.depth > 0).all()
    assert mean.intrinsics[0, 2] == pytest.approx(15.5)
    result = evaluate_reconstruction(mean.predict, sets, progress=False)
    assert result.metrics["pose_auc_5"] == 0
    assert result.metrics["ray_error"] < 6
    depth_model = PixioForDepthEstimation(tiny_config(image_size=32))
    per_view = evaluate_reconstruction(depth_model_predictor(depth_model, mean.intrinsics), sets, progress=False)
    assert per_view.metrics["num_scenes"] == 5
    assert per_view.metrics["ray_error"] == pytest.approx(result.metrics["ray_error"])
    with pytest.raises(ValueError, match="no scene"):
        MeanScene.measure([])


def test_a_table_has_a_row_per_result(sets):
    result = evaluate_reconstruction(predict_truth, sets, progress=False)
    table = format_metrics({"truth": result.metrics, "again": result.metrics})
    assert table.count("\n") == 3
    assert "| truth | 0.000 | 0.000 | 100.0 | 100.0 |" in table


def test_what_cannot_be_evaluated_is_refused(sets):
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        evaluate_reconstruction(predict_truth, sets, 0)
    with pytest.raises(ValueError, match="empty"):
        evaluate_reconstruction(predict_truth, [], progress=False)
    smaller = {**sets[1], "pixel_values": sets[1]["pixel_values"][:2]}
    with pytest.raises(ValueError, match="must have one shape"):
        evaluate_reconstruction(predict_truth, [sets[0], smaller], progress=False)
