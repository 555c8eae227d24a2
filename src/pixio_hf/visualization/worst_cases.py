# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures of the best, the median and the worst images of an evaluation, predicted again: no maps are kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..evaluation.depth import predict_depth_items, read_true_depth
from ..evaluation.prediction import PredictionOptions
from ..evaluation.relative_depth import RelativeRules, predict_aligned_items
from ..evaluation.segmentation import predict_class_items, read_true_classes
from ..photos import read_photo
from ..shown_text import show_text
from .cases import Case, draw_class_cases, draw_depth_cases


def choose_cases(
    rows: Sequence[dict[str, Any]], metric: str, smaller_is_better: bool, num_cases: int
) -> dict[str, list[dict[str, Any]]]:
    """Rows of the best, median and worst images by a metric, at most num_cases each, none twice, best first.

    Rows that are not "used" are left out; equal ones stand in the order of the data set.
    """
    used = [row for row in rows if row["used"]]
    ranked = sorted(used, key=lambda row: row[metric] if smaller_is_better else -row[metric])
    best = ranked[: min(num_cases, -(-len(ranked) // 3))]
    rest = ranked[len(best) :]
    worst = rest[len(rest) - min(num_cases, -(-len(rest) // 2)) :]
    between = rest[: len(rest) - len(worst)]
    # The median of all images, where it lies between the best and the worst.
    first = max(0, min(len(ranked) // 2 - len(best) - num_cases // 2, len(between) - num_cases))
    median = between[first : first + num_cases]
    return {name: cases for name, cases in (("best", best), ("median", median), ("worst", worst)) if cases}


def draw_depth_evaluation(
    model: Any,
    processor: Any,
    items: Any,
    rows: Sequence[dict[str, Any]],
    options: PredictionOptions,
    max_depth: float,
    num_cases: int = 4,
    on_failure: Callable[[str, Exception], None] | None = None,
    rules: RelativeRules | None = None,
) -> dict[str, bytes]:
    """PNGs "best", "median" and "worst" by abs_rel: image, prediction, truth, relative error.

    With `rules`, those of relative depth, predictions are aligned with the truth before they are drawn.

    `items` can be indexed; `rows` are those of `evaluate_depth` on them. A picture that cannot be drawn is handed to
    `on_failure` with its name, where there is one, and is left out.
    """

    def draw(kind: str, chosen: list[dict[str, Any]]) -> bytes:
        titles = [
            f"{_name(row)}: abs_rel {row['abs_rel']:.3f}, delta1 {row['delta1']:.3f}, rmse {row['rmse']:.2f} m"
            for row in chosen
        ]
        numbered = _numbered(items, chosen)
        if rules is None:
            predicted = predict_depth_items(model, processor, numbered, options)
        else:
            predicted = predict_aligned_items(model, processor, numbered, options, rules)
        cases = pair_with_truth(titles, predicted, read_true_depth)
        heading = f"{kind.capitalize()} of {len(rows)} images by abs_rel"
        least = model.config.min_depth if rules is None else rules.min_depth
        return draw_depth_cases(heading, cases, (least, max_depth))

    return _draw_each(choose_cases(rows, "abs_rel", True, num_cases), draw, on_failure)


def draw_segmentation_evaluation(
    model: Any,
    processor: Any,
    items: Any,
    rows: Sequence[dict[str, Any]],
    options: PredictionOptions,
    class_names: Sequence[str],
    num_cases: int = 4,
    on_failure: Callable[[str, Exception], None] | None = None,
) -> dict[str, bytes]:
    """PNGs "best", "median" and "worst" by mean IoU over present classes: image, prediction, truth, wrong pixels.

    `items` can be indexed; `rows` are those of `evaluate_segmentation` on them. `on_failure` as for depth.
    """

    def draw(kind: str, chosen: list[dict[str, Any]]) -> bytes:
        titles = [
            f"{_name(row)}: mIoU {row['mean_iou_present']:.1f} %, {row['pixel_accuracy']:.1f} % of pixels right"
            for row in chosen
        ]
        predicted = predict_class_items(model, processor, _numbered(items, chosen), options)
        cases = pair_with_truth(titles, predicted, read_true_classes)
        heading = f"{kind.capitalize()} of {len(rows)} images by mIoU over the classes they show"
        return draw_class_cases(heading, cases, class_names, model.config.semantic_loss_ignore_index)

    return _draw_each(choose_cases(rows, "mean_iou_present", False, num_cases), draw, on_failure)


def _draw_each(
    chosen: dict[str, list[dict[str, Any]]],
    draw: Callable[[str, list[dict[str, Any]]], bytes],
    on_failure: Callable[[str, Exception], None] | None,
) -> dict[str, bytes]:
    pictures = {}
    for kind, rows in chosen.items():
        try:
            pictures[kind] = draw(kind, rows)
        except Exception as error:  # fonts, backends and files that changed meanwhile: each has errors of its own
            if on_failure is None:
                raise
            on_failure(kind, error)
    return pictures


def _numbered(items: Any, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    return ((row["index"], items[row["index"]]) for row in rows)


def pair_with_truth(
    titles: Sequence[str],
    predicted: Iterable[tuple[int, dict[str, Any], Tensor]],
    read_truth: Callable[[dict[str, Any], tuple[int, int]], Tensor],
) -> list[Case]:
    """Predictions of `predict_depth_items` or `predict_class_items` beside the truth of their items."""
    cases = []
    for title, (_, item, prediction) in zip(titles, predicted, strict=True):
        truth = read_truth(item, (prediction.shape[-2], prediction.shape[-1]))
        photo = np.moveaxis(read_photo(item["image"]), 0, -1)
        cases.append(Case(title, photo, prediction.cpu().numpy(), truth.numpy()))
    return cases


def _name(row: dict[str, Any]) -> str:
    return f"{row['index']} ({show_text(row['name'], 60)})" if row["name"] else str(row["index"])
