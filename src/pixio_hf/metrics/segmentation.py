# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Intersection over union of semantic segmentation from class histograms pooled over the data set.

See docs/specification.md 6.3.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
import torch
from torch import Tensor

from ..arrays import to_class_tensor
from ..losses import check_class_ids
from .stored_rows import RowMetric

ClassMaps = Tensor | np.ndarray | Sequence[Any]

_DESCRIPTION = """\
Intersection over union of every class in percent, and its mean over classes. Pixels are counted over the whole data
set, not averaged over images.
"""
_INPUTS_DESCRIPTION = """
Args:
    predictions: class maps, (B, H, W) or a list of (H, W) of any sizes, numbers 0 .. num_labels - 1.
    references: true classes, same sizes; pixels of ignore_index count nowhere.
Returns:
    mean_iou over all classes in percent, where a class without a pixel counts 0; mean_iou_present over the classes that
    occur in the references; pixel_accuracy in percent; iou_per_class in percent; num_images; num_pixels that counted.
"""


@torch.no_grad()
def segmentation_counts(
    prediction: ClassMaps, reference: ClassMaps, num_labels: int, ignore_index: int = 255
) -> Tensor:
    """Pixels per class of a map and its truth (H, W): intersection, prediction, truth -> (3, num_labels) int64.

    Pixels whose truth is `ignore_index`, or masked in a masked array, count in none of them. See
    docs/specification.md 6.3.

    Raises:
        ValueError: other shapes, or a class that does not exist (the original counts number num_labels as the last one).
    """
    prediction, reference = to_class_tensor(prediction), to_class_tensor(reference, masked=ignore_index)
    if prediction.shape != reference.shape or prediction.ndim != 2:
        raise ValueError(
            f"A prediction and its reference must both be (H, W), got {tuple(prediction.shape)} and "
            f"{tuple(reference.shape)}."
        )
    reference = reference.to(prediction.device)
    labelled = reference != ignore_index
    prediction, reference = prediction[labelled], reference[labelled]
    for classes in (prediction, reference):
        check_class_ids(classes, num_labels)
    counted = (reference[prediction == reference], prediction, reference)
    return torch.stack([torch.bincount(classes.long(), minlength=num_labels) for classes in counted]).cpu()


def intersection_over_union(counts: Tensor) -> dict[str, Any]:
    """Scores in percent from pixels (3, num_labels) summed over images: intersection, prediction, truth.

    mean_iou is the mean over all classes, absent ones with 0; mean_iou_present over those that the truth holds (NaN
    when it holds none). See docs/specification.md 6.3.
    """
    intersection, predicted, true = counts.double()
    iou = 100 * intersection / (predicted + true - intersection + 1e-6)
    return {
        "mean_iou": iou.mean().item(),
        "mean_iou_present": iou[true > 0].mean().item(),
        "pixel_accuracy": (100 * intersection.sum() / true.sum()).item(),
        "iou_per_class": iou.tolist(),
    }


class SegmentationMetrics(RowMetric):
    """Mean IoU as an `evaluate.Metric` that needs no Hub and stores class counts per image, never a map.

    Several processes can share the work as with every metric (`num_process`, `process_id`, `experiment_id`).
    """

    def __init__(
        self,
        num_labels: int,
        ignore_index: int = 255,
        **kwargs: Any,
    ) -> None:
        if num_labels < 2:
            raise ValueError(f"Segmentation needs at least 2 classes, got num_labels={num_labels}.")
        self.num_labels = num_labels
        self.ignore_index = ignore_index
        super().__init__(**kwargs)

    def _info(self) -> evaluate.MetricInfo:
        # What is stored, not what is passed: of a pair of maps, pixels per class.
        counts = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS_DESCRIPTION,
            features=datasets.Features({"predictions": counts, "references": counts}),
        )

    def add_batch(
        self, *, predictions: ClassMaps | None = None, references: ClassMaps | None = None, **kwargs: Any
    ) -> None:
        """Reduce a batch of class maps to counts and store those; nothing is stored where one of them is refused."""
        if kwargs:
            raise ValueError(f"Unknown inputs {sorted(kwargs)}: add_batch takes predictions and references.")
        if predictions is None or references is None:
            raise ValueError("predictions and references must be given together.")
        if len(predictions) != len(references):
            raise ValueError(f"Got {len(predictions)} predictions but {len(references)} references.")
        reduced = [
            segmentation_counts(prediction, reference, self.num_labels, self.ignore_index)
            for prediction, reference in zip(predictions, references, strict=True)
        ]
        if reduced:
            super().add_batch(
                predictions=[counts[:2].flatten().tolist() for counts in reduced],
                references=[counts[2].tolist() for counts in reduced],
            )

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Reduce one pair of (H, W) class maps to counts and store those."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def compute(
        self, *, predictions: ClassMaps | None = None, references: ClassMaps | None = None, **kwargs: Any
    ) -> dict[str, Any] | None:
        """Score what was added, and these maps if given; None on all but the first process, ValueError without any."""
        if kwargs:
            raise ValueError(
                f"Unknown arguments {sorted(kwargs)}: classes are set when SegmentationMetrics is created."
            )
        if (predictions is None) != (references is None):
            raise ValueError("predictions and references must be given together.")
        if predictions is not None and references is not None:
            self.add_batch(predictions=predictions, references=references)
        if self.writer is None and self.num_process == 1:
            raise ValueError("No class map was added: call add_batch first, or pass predictions and references.")
        return super().compute()

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        reduced = torch.cat((torch.as_tensor(predictions), torch.as_tensor(references)), dim=1)
        return score_counts(reduced.reshape(-1, 3, self.num_labels))


def score_counts(counts: Tensor) -> dict[str, Any]:
    """Scores of the counts (n, 3, num_labels) of n images, and how many images and pixels they come from."""
    summed = counts.sum(dim=0)
    return {**intersection_over_union(summed), "num_images": len(counts), "num_pixels": int(summed[2].sum())}
