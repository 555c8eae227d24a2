# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a prediction that looks at no image scores: the mean or median training depth, the most frequent training class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..metrics.depth import average_depth_metrics, depth_metrics_per_image
from ..metrics.segmentation import score_counts, segmentation_counts
from .processes import gather_rows, share_items

NUM_SAMPLES = 512
PIXELS_PER_SAMPLE = 4096

Baselines = dict[str, dict[str, Any]]


def sample_labels(items: Any, key: str) -> list[np.ndarray]:
    """Labels of up to NUM_SAMPLES items, evenly spread over the set, each thinned to about PIXELS_PER_SAMPLE pixels."""
    indices = np.unique(np.linspace(0, len(items) - 1, min(len(items), NUM_SAMPLES)).astype(int))
    labels = (np.asarray(items[int(index)][key]).reshape(-1) for index in indices)
    return [label[:: max(label.size // PIXELS_PER_SAMPLE, 1)] for label in labels]


def depth_baselines(train: Any, val: Any, min_depth: float, max_depth: float) -> Baselines:
    """Metrics over `val` of the mean and the median valid depth of `train`, with the "constant" in metres.

    Raises:
        ValueError: no training depth lies within [min_depth, max_depth].
    """
    depths = np.concatenate(sample_labels(train, "depth"))
    depths = depths[(depths >= min_depth) & (depths <= max_depth)]
    if not depths.size:
        raise ValueError(
            f"No training depth lies between {min_depth:g} and {max_depth:g} m: check --depth_scale and --max_depth."
        )
    constants = {"mean training depth": float(depths.mean()), "median training depth": float(np.median(depths))}
    rows = []
    for index, item in share_items(val, progress=False):
        truth = torch.as_tensor(np.asarray(item["depth"], dtype=np.float32))[None]
        values = [
            depth_metrics_per_image(torch.full_like(truth, constant), truth, None, min_depth, max_depth)
            for constant in constants.values()
        ]
        rows.append(
            {"index": index, "values": torch.cat([metrics for metrics, _ in values]), "used": bool(values[0][1])}
        )
    rows = gather_rows(rows)
    used = np.array([row["used"] for row in rows])
    return {
        name: {
            "constant": constant,
            **average_depth_metrics(np.array([row["values"][number].numpy() for row in rows]), used),
        }
        for number, (name, constant) in enumerate(constants.items())
    }


def segmentation_baseline(train: Any, val: Any, class_names: Sequence[str], ignore_index: int) -> Baselines:
    """Metrics over `val` of the class that most pixels of `train` have, with its name as "constant".

    Raises:
        ValueError: no training pixel has a class.
    """
    classes = np.concatenate(sample_labels(train, "segmentation_map")).astype(np.int64)
    classes = classes[classes != ignore_index]
    if not classes.size:
        raise ValueError("No training pixel has a class: check --do_reduce_labels and the masks.")
    constant = int(np.bincount(classes).argmax())
    rows = []
    for index, item in share_items(val, progress=False):
        truth = torch.as_tensor(np.asarray(item["segmentation_map"]).astype(np.int64))
        counts = segmentation_counts(torch.full_like(truth, constant), truth, len(class_names), ignore_index)
        rows.append({"index": index, "counts": counts.numpy()})
    counts = torch.stack([torch.from_numpy(row["counts"]) for row in gather_rows(rows)])
    return {"most frequent class": {"constant": class_names[constant], **score_counts(counts)}}


def describe_baselines(baselines: Baselines, metric: str) -> str:
    """Their scores in a few words, such as "mean training depth 0.400, median training depth 0.412"."""
    return ", ".join(f"{name} {values[metric]:.3f}" for name, values in baselines.items())


def warn_unless_better(metrics: dict[str, Any], baselines: Baselines, metric: str) -> str:
    """A sentence where a model does not score above all baselines (higher is better), else nothing."""
    if all(metrics[metric] > values[metric] for values in baselines.values()):
        return ""
    return (
        f"The saved model is no better than a constant: {metric} {metrics[metric]:.3f}, against"
        f" {describe_baselines(baselines, metric)}. Train for more steps, at another rate, or on more images."
    )
