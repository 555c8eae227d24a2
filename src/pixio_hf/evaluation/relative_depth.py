# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluate relative depth: aligned per image by least squares in inverse depth, then judged; and pairs of points.

The protocol of zero-shot relative depth (Ranftl et al., 2020, MiDaS; Yang et al., 2024, Depth Anything V2). A metric model
can be judged too: by the inverse of its depth.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..metrics.relative_depth import (
    RELATIVE_METRIC_NAMES,
    count_right_pairs,
    fit_inverse_depth,
    relative_depth_metrics_per_image,
)
from .baselines import Baselines
from .depth import DepthEvaluation, predict_depth_items, read_true_depth
from .prediction import PredictionOptions
from .processes import gather_rows, share_items


@dataclass(frozen=True)
class RelativeRules:
    """What counts, in metres: truth in [min_depth, max_depth], aligned depth clipped to `clip`."""

    min_depth: float = 1e-3
    max_depth: float = 10.0
    clip: tuple[float, float] | None = None
    """None: the range of the truth."""
    crop: tuple[float, float, float, float] | None = None
    """Top, bottom, left, right, as shares of the sides, of the part that counts; None: all."""

    def select(self, truth: Tensor) -> Tensor:
        """Truth (H, W) with 0 outside of the crop, and where it is no finite number."""
        truth = torch.where(torch.isfinite(truth), truth, 0.0)
        if self.crop is None:
            return truth
        height, width = truth.shape
        top, bottom, left, right = (
            int(share * side) for share, side in zip(self.crop, (height, height, width, width), strict=True)
        )
        kept = torch.zeros_like(truth)
        kept[top:bottom, left:right] = truth[top:bottom, left:right]
        return kept


@torch.inference_mode()
def evaluate_relative_depth(
    model: Any,
    processor: Any,
    items: Iterable[dict[str, Any]],
    options: PredictionOptions | None = None,
    rules: RelativeRules | None = None,
    *,
    by_source: bool = False,
    progress: bool = True,
) -> DepthEvaluation:
    """Compare depth up to scale and shift with true depth at native size: the nine metrics and the order.

    Items hold "image" and "depth" (H, W); images with fewer than 10 pixels that count are skipped and counted. Several
    processes share the items, and each returns the whole result.

    Args:
        by_source: also the means over sources, each of which counts once (average_by_source).
        options: None: the whole image; windows have no common scale.
        rules: None: those of the model's configuration.

    Raises:
        ValueError: no items, windows, maps of another size than their image, or predictions that are no numbers.
    """
    started = time.perf_counter()
    rules = rules or RelativeRules(model.config.min_depth, model.config.max_depth)
    predictions = predict_inverse_items(model, processor, share_items(items, "depth", progress), options, rules)
    rows = []
    for index, item, prediction in predictions:
        try:
            truth = rules.select(read_true_depth(item, (prediction.shape[-2], prediction.shape[-1])))
            metrics, used = relative_depth_metrics_per_image(
                prediction[None], truth[None], rules.min_depth, rules.max_depth, rules.clip
            )
        except ValueError as error:
            raise ValueError(f"item {index}: {error}") from error
        values = dict(zip(RELATIVE_METRIC_NAMES, metrics[0].tolist(), strict=True))
        rows.append({"index": index, "name": item.get("name", ""), "used": bool(used[0]), **values})
    rows = gather_rows(rows)
    averages = average_relative(rows) | (average_by_source(rows) if by_source else {})
    return DepthEvaluation(averages, rows, time.perf_counter() - started)


def predict_inverse_items(
    model: Any,
    processor: Any,
    items: Iterable[tuple[int, dict[str, Any]]],
    options: PredictionOptions | None,
    rules: RelativeRules,
) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
    """Number, item and predicted inverse depth (H, W) float32 in any scale and shift, for numbered items."""
    options = options or PredictionOptions(window_size=None)
    if options.window_size is not None:
        raise ValueError(
            "Relative depth has no common scale from window to window: predict whole images (--window none)."
        )
    is_relative = getattr(model.config, "depth_estimation_type", "metric") == "relative"
    nearest = (rules.clip or (rules.min_depth, rules.max_depth))[0]
    for index, item, depth in predict_depth_items(model, processor, items, options):
        yield index, item, depth if is_relative else 1 / depth.clamp(min=nearest)


def predict_aligned_items(
    model: Any,
    processor: Any,
    items: Iterable[tuple[int, dict[str, Any]]],
    options: PredictionOptions | None,
    rules: RelativeRules,
) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
    """Number, item and predicted depth (H, W) in metres once it is aligned with the item's true depth, to be drawn."""
    near, far = rules.clip or (rules.min_depth, rules.max_depth)
    for index, item, prediction in predict_inverse_items(model, processor, items, options, rules):
        truth = rules.select(read_true_depth(item, (prediction.shape[-2], prediction.shape[-1]))).numpy()
        counted = (truth >= rules.min_depth) & (truth <= rules.max_depth)
        inverse = prediction.cpu().double().numpy()
        scale, shift = fit_inverse_depth(inverse[counted], truth[counted])
        aligned = 1 / np.clip(scale * inverse + shift, 1 / far, 1 / near)
        yield index, item, torch.from_numpy(aligned).float()


def average_relative(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the used rows, and counts."""
    used = [row for row in rows if row["used"]]
    averages: dict[str, Any] = {
        name: float(np.mean([row[name] for row in used])) if used else float("nan") for name in RELATIVE_METRIC_NAMES
    }
    return averages | {"num_images": len(used), "num_skipped": len(rows) - len(used)}


def average_by_source(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """delta1, abs_rel and order over sources, each of which counts once, and their number.

    A source is the part of a file's name before its first underscore: frames of one place are alike.
    """
    sources: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["used"]:
            sources[row["name"].rpartition("/")[2].partition("_")[0]].append(row)
    means = {
        f"{name}_of_sources": float(np.mean([np.mean([row[name] for row in group]) for group in sources.values()]))
        for name in ("delta1", "abs_rel", "order")
        if sources
    }
    return means | {"num_sources": len(sources)}


def relative_depth_baselines(items: Any, rules: RelativeRules | None = None) -> Baselines:
    """Metrics of two predictions that look at no image: a constant, and one that is near at the bottom."""
    rules = rules or RelativeRules()
    rows: dict[str, list[dict[str, Any]]] = {"a constant": [], "near at the bottom": []}
    gathered = []
    for index, item in share_items(items, progress=False):
        truth = rules.select(torch.as_tensor(np.asarray(item["depth"], dtype=np.float32)))
        ramp = torch.linspace(0.25, 1 / 1.2, len(truth))[:, None].expand(truth.shape)
        values = [
            relative_depth_metrics_per_image(
                prediction[None], truth[None], rules.min_depth, rules.max_depth, rules.clip
            )
            for prediction in (torch.ones_like(truth), ramp)
        ]
        gathered.append({"index": index, "used": bool(values[0][1]), "values": [row[0].tolist() for row, _ in values]})
    for row in gather_rows(gathered):
        for name, numbers in zip(rows, row["values"], strict=True):
            metrics = dict(zip(RELATIVE_METRIC_NAMES, numbers, strict=True))
            rows[name].append({"used": row["used"], **metrics})
    return {name: {"constant": name, **average_relative(group)} for name, group in rows.items()}


@torch.inference_mode()
def evaluate_point_pairs(
    model: Any, processor: Any, items: Iterable[dict[str, Any]], options: PredictionOptions | None = None
) -> DepthEvaluation:
    """Share of pairs of points whose nearer one is predicted nearer (DA-2K; Yang et al., 2024), over all pairs.

    Items are those of `PointPairs`.
    """
    started = time.perf_counter()
    rows = []
    for index, item, inverse in predict_inverse_items(
        model, processor, share_items(items, "pairs"), options, RelativeRules()
    ):
        try:
            right = count_right_pairs(inverse.cpu().numpy(), item["pairs"])
        except ValueError as error:
            raise ValueError(f"{item['name']}: {error}") from error
        rows.append({"index": index, "name": item["name"], "right": right, "pairs": len(item["pairs"])})
    rows = gather_rows(rows)
    num_pairs = sum(row["pairs"] for row in rows)
    accuracy = sum(row["right"] for row in rows) / num_pairs if num_pairs else float("nan")
    metrics = {"accuracy": accuracy, "num_pairs": num_pairs, "num_images": len(rows)}
    return DepthEvaluation(metrics, rows, time.perf_counter() - started)
