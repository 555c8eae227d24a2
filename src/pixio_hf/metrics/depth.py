# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The nine depth metrics, per image and averaged over images (docs/specification.md 5.7)."""

import math
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
import torch
from torch import Tensor

from ..arrays import to_tensor
from ..losses import valid_depth_mask
from .stored_rows import RowMetric

DEPTH_METRIC_NAMES = (
    "delta1",
    "delta2",
    "delta3",
    "abs_rel",
    "sq_rel",
    "rmse",
    "rmse_log",
    "log10",
    "silog",
)
MIN_VALID_PIXELS = 10

DepthMaps = Tensor | np.ndarray | Sequence[Any]

_DESCRIPTION = """\
Nine metrics of monocular metric depth: the share of pixels within a factor 1.25, 1.25^2 and 1.25^3 (delta1-3), mean
absolute and squared relative error, root mean squared error in metres and of the natural logarithm, mean absolute
error of the decimal logarithm, and the scale-invariant logarithmic error. Means over images, not over pixels.
"""
_INPUTS_DESCRIPTION = """
Args:
    predictions: depth maps in metres, (B, H, W) or a list of (H, W) of any sizes.
    references: true depths in metres, same sizes; 0, NaN and what lies outside [min_depth, max_depth] is ignored.
Returns:
    delta1, delta2, delta3, abs_rel, sq_rel, rmse, rmse_log, log10, silog (NaN when every image was skipped);
    num_images that entered the means; num_skipped with fewer than 10 valid pixels.
"""


@torch.no_grad()
def depth_metrics_per_image(
    predictions: DepthMaps,
    references: DepthMaps,
    valid_mask: DepthMaps | None = None,
    min_depth: float = 1e-3,
    max_depth: float = 10.0,
) -> tuple[Tensor, Tensor]:
    """Compare depths in metres: (B, H, W), (B, H, W) -> metrics (B, 9) float64, used (B,) bool (docs/specification.md 5.7).

    Columns follow DEPTH_METRIC_NAMES. A pixel counts when `valid_mask` (if given) is non-zero and its reference is a
    valid depth (`valid_depth_mask`). Images with fewer than 10 such pixels are not used; their row is NaN. Predictions
    are not clamped, so one that is not a positive finite number at a counted pixel raises ValueError. Masked values of a
    masked array do not count.
    """
    predictions, references = to_tensor(predictions, masked=0), to_tensor(references, masked=0)
    if predictions.shape != references.shape or predictions.ndim != 3:
        raise ValueError(
            f"predictions and references must both be (B, H, W), got {tuple(predictions.shape)} and "
            f"{tuple(references.shape)}. Resize the predictions to the references' size first."
        )
    valid = valid_depth_mask(references, min_depth, max_depth)
    if valid_mask is not None:
        valid_mask = to_tensor(valid_mask, masked=0).to(references.device)
        if valid_mask.shape != references.shape:
            raise ValueError(f"valid_mask must be {tuple(references.shape)}, got {tuple(valid_mask.shape)}.")
        valid = valid & (valid_mask != 0)
    rows = []
    for prediction, reference, selected in zip(predictions, references, valid, strict=True):
        # Ground truth is often sparse: only the pixels that count are widened and compared, on the CPU, as some
        # accelerators have no float64.
        p = prediction[selected.to(prediction.device)].cpu().double()
        t = reference[selected].cpu().double()
        rows.append(_compare_depths(p, t) if t.numel() >= MIN_VALID_PIXELS else p.new_full((9,), math.nan))
    num_valid = valid.flatten(1).sum(dim=1).cpu()
    metrics = torch.stack(rows) if rows else torch.empty(0, len(DEPTH_METRIC_NAMES), dtype=torch.float64)
    return metrics, num_valid >= MIN_VALID_PIXELS


def _compare_depths(p: Tensor, t: Tensor) -> Tensor:
    bad = ~(torch.isfinite(p) & (p > 0))
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {p.numel()} predicted depths at valid pixels are not positive finite numbers (first "
            f"{p[bad][0].item()}), so their logarithm is undefined: check the model, or clamp its output to min_depth."
        )
    ratio = torch.maximum(t / p, p / t)
    error = p - t
    log_error = p.log() - t.log()
    mean_square_log = log_error.square().mean()
    return torch.stack(
        (
            *((ratio < 1.25**power).double().mean() for power in (1, 2, 3)),
            (error.abs() / t).mean(),
            (error.square() / t).mean(),
            error.square().mean().sqrt(),
            mean_square_log.sqrt(),
            log_error.abs().mean() / math.log(10.0),
            (mean_square_log - 0.5 * log_error.mean().square()).sqrt(),
        )
    )


class DepthMetrics(RowMetric):
    """The nine depth metrics as an `evaluate.Metric` that needs no Hub and stores ten numbers per image, never a map.

    `add_batch` reduces every image at once, so memory does not grow with resolution. Several processes can share the
    work as with every metric (`num_process`, `process_id`, `experiment_id`); a single one keeps its rows in memory.
    """

    def __init__(
        self,
        min_depth: float = 1e-3,
        max_depth: float = 10.0,
        **kwargs: Any,
    ) -> None:
        valid_depth_mask(torch.empty(0), min_depth, max_depth)
        self.min_depth = min_depth
        self.max_depth = max_depth
        super().__init__(**kwargs)

    def _info(self) -> evaluate.MetricInfo:
        # What is stored, not what is passed in: nine numbers of a pair of maps, and whether the image counts.
        features = datasets.Features(
            {
                "predictions": datasets.Sequence(datasets.Value("float64")),
                "references": datasets.Value("bool"),
            }
        )
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS_DESCRIPTION,
            features=features,
        )

    def add_batch(
        self, *, predictions: DepthMaps | None = None, references: DepthMaps | None = None, **kwargs: Any
    ) -> None:
        """Reduce a batch of depth maps in metres to nine numbers per image and store those.

        An image whose shapes differ or whose prediction is not positive raises ValueError and nothing is stored.
        """
        if kwargs:
            raise ValueError(f"Unknown inputs {sorted(kwargs)}: add_batch takes predictions and references.")
        if predictions is None or references is None:
            raise ValueError("predictions and references must be given together.")
        if len(predictions) != len(references):
            raise ValueError(f"Got {len(predictions)} predictions but {len(references)} references.")
        reduced = [
            depth_metrics_per_image(
                _as_map(prediction)[None],
                _as_map(reference)[None],
                None,
                self.min_depth,
                self.max_depth,
            )
            for prediction, reference in zip(predictions, references, strict=True)
        ]
        if reduced:
            super().add_batch(
                predictions=[metrics[0].tolist() for metrics, _ in reduced],
                references=[bool(used[0]) for _, used in reduced],
            )

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Reduce one pair of (H, W) depth maps in metres to nine numbers and store those."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def compute(
        self,
        *,
        predictions: DepthMaps | None = None,
        references: DepthMaps | None = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Average what was added, and these maps if given, over images; None on all but the first process.

        ValueError if there is no image at all.
        """
        if kwargs:
            raise ValueError(f"Unknown arguments {sorted(kwargs)}: depth limits are set when DepthMetrics is created.")
        if (predictions is None) != (references is None):
            raise ValueError("predictions and references must be given together.")
        if predictions is not None and references is not None:
            self.add_batch(predictions=predictions, references=references)
        if self.writer is None and self.num_process == 1:
            raise ValueError("No depth map was added: call add_batch first, or pass predictions and references.")
        return super().compute()

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return average_depth_metrics(np.asarray(predictions, dtype=np.float64), np.asarray(references, dtype=bool))


def average_depth_metrics(metrics: np.ndarray, used: np.ndarray) -> dict[str, Any]:
    """Means over the used images, by name, with their number and that of skipped ones: (n, 9) metrics, (n,) bool."""
    rows = metrics.reshape(len(used), len(DEPTH_METRIC_NAMES))[used]
    means = rows.mean(axis=0) if len(rows) else np.full(len(DEPTH_METRIC_NAMES), np.nan)
    averages = {name: float(mean) for name, mean in zip(DEPTH_METRIC_NAMES, means, strict=True)}
    return {**averages, "num_images": int(used.sum()), "num_skipped": int((~used).sum())}


def _as_map(depth: Any) -> Tensor:
    depth = to_tensor(depth, masked=0)
    if depth.ndim != 2:
        raise ValueError(f"A depth map must be (H, W), got shape {tuple(depth.shape)}.")
    return depth
