# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluate feed-forward reconstruction: eight metrics per set of views, means over sets (the paper's table T3)."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from ..metrics.reconstruction import RECONSTRUCTION_METRIC_NAMES, reconstruction_metrics_per_scene
from ..view_geometry import ViewLabels
from .processes import gather_rows, share_items

Predict = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a batch of samples to a dictionary with ray_directions, ray_depth, camera_quaternions, camera_translations and
metric_scale, as PixioForReconstruction gives them."""


@dataclass(frozen=True)
class ReconstructionEvaluation:
    """Means over sets of views with their counts; of every set its number, whether used, and eight numbers; the time."""

    metrics: dict[str, Any]
    rows: list[dict[str, Any]]
    seconds: float


@torch.inference_mode()
def evaluate_reconstruction(
    predict: Predict,
    samples: Any,
    batch_size: int = 10,
    *,
    progress: bool = True,
) -> ReconstructionEvaluation:
    """Compare predicted with true geometry of sets of views, all of one size and number (the protocol of table T3).

    Predictions and truth are put into their own view 0 and divided by their own mean distance; nothing else is aligned.
    Sets without a valid pixel are skipped and counted. Only eight numbers per set are kept. Several processes share the
    sets, and each returns the whole result.

    Args:
        predict: see `model_predictor` for a model, and `evaluation.reconstruction_baselines`.
        samples: a data set, or any iterable, of `{"pixel_values": (V, 3, H, W), "labels": {...}}` each, as ViewDataset
            yields them.
        batch_size: sets per forward pass; 10 in the protocol.

    Raises:
        ValueError: no set, a batch size below 1, or sets that do not fit together.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    started, rows = time.perf_counter(), []
    for numbers, batch in batch_items(share_items(samples, "sets of views", progress), batch_size):
        size = (*batch["pixel_values"].shape[:2], *batch["labels"]["depth"].shape[-2:])
        labels = ViewLabels.read(batch["labels"], size)
        metrics = reconstruction_metrics_per_scene(predict(batch), labels)
        used = labels.valid.flatten(1).any(dim=1)
        for number, values, is_used in zip(numbers, metrics.tolist(), used.tolist(), strict=True):
            named = dict(zip(RECONSTRUCTION_METRIC_NAMES, values, strict=True))
            rows.append({"index": number, "used": is_used, **named})
    rows = gather_rows(rows)
    return ReconstructionEvaluation(average_rows(rows), rows, time.perf_counter() - started)


def batch_items(items: Iterable[tuple[int, Any]], batch_size: int) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Numbered samples as collated batches with their numbers."""
    iterator = iter(items)
    while chunk := list(islice(iterator, batch_size)):
        numbers, samples = zip(*chunk, strict=True)
        shapes = {tuple(sample["pixel_values"].shape) for sample in samples}
        if len(shapes) > 1:
            raise ValueError(f"Sets of views of one evaluation must have one shape, got {sorted(shapes)}.")
        yield list(numbers), default_collate(list(samples))


def average_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of each metric over the sets that have it, NaN where none has; `num_scenes` used and `num_skipped`."""
    averages: dict[str, Any] = {}
    for name in RECONSTRUCTION_METRIC_NAMES:
        column = np.array([row[name] for row in rows if row["used"]], dtype=np.float64)
        known = column[np.isfinite(column)]
        averages[name] = float(known.mean()) if len(known) else float("nan")
    used = sum(bool(row["used"]) for row in rows)
    return {**averages, "num_scenes": used, "num_skipped": len(rows) - used}


def model_predictor(model: Any, bfloat16: bool = False) -> Predict:
    """Predictions of a PixioForReconstruction in eval mode; with `bfloat16` under autocast, as in the protocol."""

    def predict(batch: Mapping[str, Any]) -> Mapping[str, Any]:
        was_training = model.training
        model.eval()
        pixel_values = batch["pixel_values"].to(model.device)
        with torch.autocast(pixel_values.device.type, torch.bfloat16, enabled=bfloat16):
            outputs = model(pixel_values=pixel_values)
        model.train(was_training)
        return {
            name: outputs[name].cpu()
            for name in ("ray_directions", "ray_depth", "camera_quaternions", "camera_translations", "metric_scale")
        }

    return predict


_HEADINGS = {
    "scale_rel": ("scale rel", 3),
    "points_rel": ("points rel", 3),
    "points_tau": ("points tau", 1),
    "pose_auc_5": ("auc@5", 1),
    "depth_rel": ("depth rel", 3),
    "depth_tau": ("depth tau", 1),
    "pose_ate": ("ate", 3),
    "ray_error": ("rays (deg)", 2),
}


def format_metrics(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of named results, one a row; shares and auc in percent."""
    heads = [heading for heading, _ in _HEADINGS.values()]
    lines = [f"| | {' | '.join(heads)} | sets |", f"|---|{'---:|' * (len(heads) + 1)}"]
    for name, metrics in results.items():
        numbers = [f"{metrics[key]:.{digits}f}" for key, (_, digits) in _HEADINGS.items()]
        lines.append(f"| {name} | {' | '.join(numbers)} | {metrics['num_scenes']} |")
    return "\n".join(lines)
