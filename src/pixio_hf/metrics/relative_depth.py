# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Metrics of relative depth: aligned by least squares in inverse depth, then compared; order; pairs of points.

The protocol of zero-shot relative depth (Ranftl et al., 2020, MiDaS; Yang et al., 2024, Depth Anything V2).
"""

import math

import numpy as np
import torch
from torch import Tensor

from ..arrays import to_tensor
from ..losses import valid_depth_mask
from .depth import DEPTH_METRIC_NAMES, MIN_VALID_PIXELS, DepthMaps, depth_metrics_per_image

RELATIVE_METRIC_NAMES = (*DEPTH_METRIC_NAMES, "order")
MAX_ORDERED_PIXELS = 3000
_CONSTANT = 1e-9  # standard deviation of inverse depth


def align_inverse_depth(
    inverse_depth: np.ndarray, depth: np.ndarray, clip: tuple[float, float] = (1e-3, 10.0)
) -> np.ndarray:
    """Relative inverse depth and true depth of the same pixels, (n,) each -> aligned depth (n,) float64, in metres.

    The scale and the shift that fit 1 / depth best in the sense of least squares; back to depth, clipped to `clip`
    (metres). A constant becomes the depth whose inverse is the mean of 1 / depth.
    """
    scale, shift = fit_inverse_depth(inverse_depth, depth)
    near, far = clip
    return 1 / np.clip(scale * inverse_depth.astype(np.float64) + shift, 1 / far, 1 / near)


def fit_inverse_depth(inverse_depth: np.ndarray, depth: np.ndarray) -> tuple[float, float]:
    """The scale and shift of (n,) relative inverse depth that fit 1 / depth best; of a constant 0 and the mean."""
    inverse_depth, target = inverse_depth.astype(np.float64), 1 / depth.astype(np.float64)
    if inverse_depth.std() < _CONSTANT:
        return 0.0, float(target.mean())
    system = np.stack([inverse_depth, np.ones_like(inverse_depth)], axis=1)
    scale, shift = np.linalg.lstsq(system, target, rcond=None)[0]
    return float(scale), float(shift)


def order_correlation(inverse_depth: np.ndarray, depth: np.ndarray) -> float:
    """Spearman correlation of predicted and true order, (n,) each: 1 if all is in order, 0 for a constant.

    Over at most 3,000 pixels, the same ones for every model.
    """
    chosen = np.random.default_rng(0).choice(len(depth), min(MAX_ORDERED_PIXELS, len(depth)), replace=False)
    ours, theirs = -inverse_depth[chosen], depth[chosen]
    if ours.std() < _CONSTANT or theirs.std() < _CONSTANT:
        return 0.0
    ranks = [values.argsort().argsort() for values in (ours, theirs)]
    matrix = np.asarray(np.corrcoef(np.stack(ranks)))
    return float(matrix[0, 1])


@torch.no_grad()
def relative_depth_metrics_per_image(
    predictions: DepthMaps,
    references: DepthMaps,
    min_depth: float = 1e-3,
    max_depth: float = 10.0,
    clip: tuple[float, float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Compare relative inverse depth with depth in metres: (B, H, W) each -> metrics (B, 10) float64, used (B,) bool.

    Columns follow RELATIVE_METRIC_NAMES: the nine of `depth_metrics_per_image` after alignment, and the order. Images with
    fewer than 10 valid pixels are not used; their row is NaN.

    Args:
        references: metres; what is 0, NaN or outside [min_depth, max_depth] does not count.
        clip: range of aligned depth in metres; None: that of the references.

    Raises:
        ValueError: shapes that differ, limits that make no sense, or predictions that are no finite numbers.
    """
    predictions, references = to_tensor(predictions, masked=0), to_tensor(references, masked=0)
    if predictions.shape != references.shape or predictions.ndim != 3:
        raise ValueError(
            f"predictions and references must both be (B, H, W), got {tuple(predictions.shape)} and"
            f" {tuple(references.shape)}. Resize the predictions to the references' size first."
        )
    near, far = clip or (min_depth, max_depth)
    valid_depth_mask(torch.empty(0), near, far)
    if not near > 0:
        raise ValueError(f"Aligned depth needs a least depth above 0, got {near}.")
    rows, used = [], []
    for prediction, reference, selected in zip(
        predictions, references, valid_depth_mask(references, min_depth, max_depth), strict=True
    ):
        ours = prediction[selected.to(prediction.device)].cpu().double().numpy()
        theirs = reference[selected].cpu().double().numpy()
        used.append(len(theirs) >= MIN_VALID_PIXELS)
        if not used[-1]:
            rows.append(torch.full((len(RELATIVE_METRIC_NAMES),), math.nan, dtype=torch.float64))
            continue
        if not np.isfinite(ours).all():
            raise ValueError(f"{int((~np.isfinite(ours)).sum())} predicted inverse depths are not finite numbers.")
        aligned = torch.from_numpy(align_inverse_depth(ours, theirs, (near, far)))
        truth = torch.from_numpy(theirs)
        metrics, _ = depth_metrics_per_image(aligned[None, None], truth[None, None], None, 0.0, 2 * max_depth)
        order = torch.tensor([order_correlation(ours, theirs)], dtype=torch.float64)
        rows.append(torch.cat([metrics[0], order]))
    metrics = torch.stack(rows) if rows else torch.empty(0, len(RELATIVE_METRIC_NAMES), dtype=torch.float64)
    return metrics, torch.tensor(used, dtype=torch.bool)


def count_right_pairs(inverse_depth: np.ndarray, pairs: np.ndarray) -> int:
    """Pairs of points whose first is predicted nearer: inverse depth (H, W), (n, 2, 2) rows and columns -> number.

    Equal predictions are wrong.

    Raises:
        ValueError: a point outside of the picture.
    """
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2, 2)
    if (pairs < 0).any() or (pairs >= inverse_depth.shape).any():
        raise ValueError(f"A point lies outside of the picture of {' x '.join(map(str, inverse_depth.shape))} pixels.")
    first, second = (inverse_depth[pairs[:, side, 0], pairs[:, side, 1]] for side in (0, 1))
    return int((first > second).sum())
