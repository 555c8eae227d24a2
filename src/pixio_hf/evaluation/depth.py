# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluate metric depth: windows at native size, nine metrics per image, their means (docs/specification.md 5.6, 5.7)."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..heads import depth_output
from ..label_maps import DEPTH_MODES, check_map_size, read_map, to_metres
from ..metrics.depth import DEPTH_METRIC_NAMES, average_depth_metrics, depth_metrics_per_image
from .prediction import PredictionOptions, predict_items
from .processes import gather_rows, share_items


@dataclass(frozen=True)
class DepthEvaluation:
    """Means over images, with counts; index, name, whether used, and nine numbers of every image; and the time."""

    metrics: dict[str, Any]
    rows: list[dict[str, Any]]
    seconds: float


@torch.inference_mode()
def evaluate_depth(
    model: Any,
    processor: Any,
    items: Iterable[dict[str, Any]],
    options: PredictionOptions | None = None,
    *,
    max_depth: float | None = None,
    progress: bool = True,
) -> DepthEvaluation:
    """Compare predicted with true depth at native size (docs/specification.md 5.6, 5.7).

    Items hold "image" and "depth" (H, W) in metres. Pixels count whose truth is valid and within
    [model.config.min_depth, max_depth]; images with fewer than 10 of them are skipped and counted. Predictions are not
    clamped. Nothing larger than nine numbers per image is kept. Several processes share the items, and each returns
    the whole result.

    Args:
        model: PixioForDepthEstimation, or anything with its `predict_logits`, `config`, `device` and `dtype`.
        max_depth: metres beyond which truth is ignored; None: the model's. Give the data set's where they differ.

    Raises:
        ValueError: no items, maps of another size than their image, options or predictions that make no sense.
    """
    started = time.perf_counter()
    limits = (model.config.min_depth, max_depth or model.config.max_depth)
    rows = []
    shared = share_items(items, "depth", progress)
    for index, item, prediction in predict_depth_items(model, processor, shared, options or PredictionOptions()):
        try:
            truth = read_true_depth(item, (prediction.shape[-2], prediction.shape[-1]))
            metrics, used = depth_metrics_per_image(prediction[None], truth[None], None, *limits)
        except ValueError as error:
            raise ValueError(f"item {index}: {error}") from error
        values = dict(zip(DEPTH_METRIC_NAMES, metrics[0].tolist(), strict=True))
        rows.append({"index": index, "name": item.get("name", ""), "used": bool(used[0]), **values})
    rows = gather_rows(rows)
    values = np.array([[row[name] for name in DEPTH_METRIC_NAMES] for row in rows])
    averages = average_depth_metrics(values, np.array([row["used"] for row in rows]))
    return DepthEvaluation(averages, rows, time.perf_counter() - started)


def predict_depth_items(
    model: Any, processor: Any, items: Iterable[tuple[int, dict[str, Any]]], options: PredictionOptions
) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
    """Number, item and predicted depth (H, W) float32 at native size, for numbered items with an "image".

    In metres, or inverse depth up to scale and shift where the model's depth_estimation_type is "relative".
    """
    activation, unit = depth_output(model.config)
    for index, item, activated in predict_items(model, processor, items, activation, options):
        yield index, item, unit * activated[0]


def read_true_depth(item: dict[str, Any], size: tuple[int, int]) -> Tensor:
    """The "depth" of an item as (H, W) float32 metres.

    Raises:
        ValueError: there is none, or it is no depth map of that size.
    """
    if item.get("depth") is None:
        raise ValueError('there is no "depth" to compare with.')
    values = read_map(item["depth"], DEPTH_MODES, "depth map")
    check_map_size(values, size, "depth map")
    return torch.from_numpy(to_metres(values, 1.0))
