# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluate segmentation: softmax over windows at native size, IoU from pooled counts (docs/specification.md 6.3)."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..label_maps import SEGMENTATION_MODES, check_map_size, read_map, to_class_ids
from ..metrics.segmentation import intersection_over_union, score_counts, segmentation_counts
from .prediction import PredictionOptions, predict_items
from .processes import gather_rows, share_items


@dataclass(frozen=True)
class SegmentationEvaluation:
    """Scores of the data set and of every image, and the time.

    `rows` hold "index", "name", "used" (it has labelled pixels), "mean_iou_present" and "pixel_accuracy" of an image.
    """

    metrics: dict[str, Any]
    rows: list[dict[str, Any]]
    seconds: float


@torch.inference_mode()
def evaluate_segmentation(
    model: Any,
    processor: Any,
    items: Iterable[dict[str, Any]],
    options: PredictionOptions | None = None,
    *,
    progress: bool = True,
) -> SegmentationEvaluation:
    """Compare predicted with true classes at native size (docs/specification.md 6.3).

    Items hold "image" and "segmentation_map" (H, W).
    Pixels of `model.config.semantic_loss_ignore_index` do not count. Nothing larger than three histograms per image is
    kept. Several processes share the items, and each returns the whole result.

    Args:
        model: PixioForSemanticSegmentation, or anything with its `predict_logits`, `config`, `device` and `dtype`.

    Raises:
        ValueError: no items, maps of another size than their image, classes or options that make no sense.
    """
    started = time.perf_counter()
    rows = []
    shared = share_items(items, "segmentation", progress)
    for index, item, prediction in predict_class_items(model, processor, shared, options or PredictionOptions()):
        try:
            truth = read_true_classes(item, (prediction.shape[-2], prediction.shape[-1]))
            ignored = model.config.semantic_loss_ignore_index
            counts = segmentation_counts(prediction, truth, model.config.num_labels, ignored)
        except ValueError as error:
            raise ValueError(f"item {index}: {error}") from error
        rows.append({"index": index, "name": item.get("name", ""), "counts": counts.numpy()})
    rows = gather_rows(rows)
    counts = torch.stack([torch.from_numpy(row["counts"]) for row in rows])
    return SegmentationEvaluation(
        score_counts(counts),
        [_score_image(row["index"], row["name"], image) for row, image in zip(rows, counts, strict=True)],
        time.perf_counter() - started,
    )


def _score_image(index: int, name: str, counts: Tensor) -> dict[str, Any]:
    scores = intersection_over_union(counts)
    kept = {key: scores[key] for key in ("mean_iou_present", "pixel_accuracy")}
    return {"index": index, "name": name, "used": bool(counts[2].any()), **kept}


def predict_class_items(
    model: Any, processor: Any, items: Iterable[tuple[int, dict[str, Any]]], options: PredictionOptions
) -> Iterator[tuple[int, dict[str, Any], Tensor]]:
    """Number, item and predicted classes (H, W) int64 at native size, for numbered items with an "image".

    The windows' softmax is averaged, not summed as in docs/specification.md 6.3; dividing by the coverage of a pixel leaves
    its argmax.
    """

    def softmax(logits: Tensor) -> Tensor:
        return logits.softmax(dim=1)

    for index, item, probabilities in predict_items(model, processor, items, softmax, options):
        yield index, item, probabilities.argmax(dim=0)


def read_true_classes(item: dict[str, Any], size: tuple[int, int]) -> Tensor:
    """The "segmentation_map" of an item as (H, W) int64 class numbers.

    Raises:
        ValueError: there is none, or it is no class map of that size.
    """
    if item.get("segmentation_map") is None:
        raise ValueError('there is no "segmentation_map" to compare with.')
    values = read_map(item["segmentation_map"], SEGMENTATION_MODES, "segmentation map")
    check_map_size(values, size, "segmentation map")
    return torch.from_numpy(to_class_ids(values, do_reduce_labels=False))
