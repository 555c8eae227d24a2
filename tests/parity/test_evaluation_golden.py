# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Whole evaluations against golden vectors of the original protocols: depth, segmentation, k-NN.

See docs/specification.md 5-7.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from pixio_hf.evaluation.depth import evaluate_depth, predict_depth_items
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.evaluation.segmentation import evaluate_segmentation, predict_class_items
from pixio_hf.metrics import DEPTH_METRIC_NAMES, KNNMetrics, SegmentationMetrics, segmentation_counts
from pixio_hf.metrics.segmentation import score_counts
from tests.golden import Case, load_case
from tests.parity.test_depth_model_golden import build_depth_model
from tests.parity.test_segmentation_golden import build_segmentation_model

pytestmark = pytest.mark.parity


class AsGiven:
    """Image processor for golden inputs, which are normalised already."""

    def __call__(self, image, **kwargs):
        return {"pixel_values": torch.as_tensor(image)[None]}


def segmentation_items(case: Case) -> list[dict[str, Tensor]]:
    return [
        {"image": case.tensors[f"image{index}"][0], "segmentation_map": case.tensors[f"mask{index}"][0]}
        for index in range(3)
    ]


@pytest.mark.parametrize("batch_size", [5, 16])
def test_sliding_segmentation(batch_size):
    case = load_case("sliding_seg")
    model = build_segmentation_model(case, semantic_loss_ignore_index=case.config["ignore_label"])
    options = PredictionOptions(window_size=case.config["crop_size"], batch_size=batch_size)
    items = segmentation_items(case)
    result = evaluate_segmentation(model, AsGiven(), items, options, progress=False)
    assert result.metrics["mean_iou"] == pytest.approx(case.values["miou_percent"], abs=0.02)
    np.testing.assert_allclose(result.metrics["iou_per_class"], case.values["iou_percent"], atol=0.02)
    if batch_size == 5:
        return
    agreeing = 0
    for index, item, predicted in predict_class_items(model, AsGiven(), enumerate(items), options):
        agreeing += int((predicted == case.tensors[f"pred{index}"][0]).sum())
        counts = segmentation_counts(predicted, item["segmentation_map"], case.config["nclass"])
        union = counts[1] + counts[2] - counts[0]
        assert (counts[0] - case.tensors["intersection"][index]).abs().max() <= 5  # pixels
        assert (union - case.tensors["union"][index]).abs().max() <= 5
    assert agreeing / case.values["total_pixels"] >= 0.9995


def test_iou_protocol():
    case = load_case("iou_protocol")
    outputs, targets = case.tensors["output"][:, 0], case.tensors["target"][:, 0]
    num_labels, ignored = case.config["nclass"], case.config["ignore_label"]
    counts = torch.stack(
        [segmentation_counts(o, t, num_labels, ignored) for o, t in zip(outputs, targets, strict=True)]
    )
    assert torch.equal(counts[:, 0], case.tensors["intersection"])
    assert torch.equal(counts[:, 1] + counts[:, 2] - counts[:, 0], case.tensors["union"])
    assert torch.equal(counts[:, 2], case.tensors["target_area"])
    result = SegmentationMetrics(num_labels, ignored).compute(predictions=outputs, references=targets)
    assert result == score_counts(counts)
    np.testing.assert_allclose(result["iou_per_class"], case.tensors["iou_class"], atol=1e-6)
    assert result["mean_iou"] == pytest.approx(case.values["miou_percent"], abs=1e-6)
    assert result["iou_per_class"][4] == 0
    assert result["mean_iou_present"] == pytest.approx(case.values["miou_percent"] * 6 / 5, abs=1e-6)


@pytest.mark.parametrize("num_classes", [10, 1000])
def test_knn(num_classes):
    case = load_case("knn")
    train, test = ((case.tensors[f"{s}_features"], case.tensors[f"{s}_labels"]) for s in ("train", "test"))
    vote = KNNMetrics(*train, case.config["k"], num_classes=num_classes, temperature=case.config["temperature"])
    vote.add_batch(predictions=test[0][:37], references=test[1][:37])  # fewer than 100: the original fails
    result = vote.compute(predictions=test[0][37:], references=test[1][37:])
    for k in case.config["k"]:
        expected = case.values[f"k{k}_numclasses{num_classes}"]
        assert (result[f"k{k}_top1"], result[f"k{k}_top5"]) == (expected["top1"], expected["top5"])
    assert result["num_images"] == 100


class GivenDepth(torch.nn.Module):
    """Stands for a model whose prediction is the first channel of its input, in units of max_depth."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, max_depth: float):
        super().__init__()
        self.config = SimpleNamespace(min_depth=1e-3, max_depth=max_depth, patch_size=1)

    def predict_logits(self, pixel_values: Tensor) -> tuple[Tensor, None]:
        return torch.logit(pixel_values[:, :1].double()), None


def test_depth_protocol():
    case = load_case("depth_metrics_protocol")
    prediction, target, valid = (case.tensors[name] for name in ("pred", "target", "valid_mask"))
    scale = 100.0  # above every prediction, which are not clamped at max_depth
    assert prediction.min() > 0
    assert prediction.max() < scale
    items = [
        {"image": (p / scale).expand(3, -1, -1), "depth": torch.where(v > 0, t, 0.0)}
        for p, t, v in zip(prediction, target, valid, strict=True)
    ]
    options = PredictionOptions(window_size=8, batch_size=7)
    max_depth = case.config["max_depth"]
    result = evaluate_depth(GivenDepth(scale), AsGiven(), items, options, max_depth=max_depth, progress=False)
    assert [row["used"] for row in result.rows] == case.tensors["used"].bool().tolist()
    rows = torch.tensor([[row[name] for name in DEPTH_METRIC_NAMES] for row in result.rows], dtype=torch.float64)
    case.assert_close("per_image", rows.nan_to_num(-1.0))
    means = torch.tensor([result.metrics[name] for name in DEPTH_METRIC_NAMES], dtype=torch.float64)
    case.assert_close("aggregate", means)
    assert (result.metrics["num_images"], result.metrics["num_skipped"]) == (4, 1)


def test_sliding_depth():
    case = load_case("sliding_depth")
    model = build_depth_model(case, max_depth=case.config["max_depth"])
    image = case.tensors["image"][0]
    items = [{"image": image[:, :70, :90]}, {"image": image}]  # windows of both share batches
    options = PredictionOptions(window_size=case.config["crop_size"], batch_size=5)
    *_, (index, _, depth) = predict_depth_items(model, AsGiven(), enumerate(items), options)
    assert index == 1
    case.assert_close("depth", depth[None])
