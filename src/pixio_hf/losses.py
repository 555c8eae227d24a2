# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Training losses: pure functions of predictions and targets, computed in float32 whatever the model's precision."""

import math

import torch
from torch import Tensor

# Metres; keeps the logarithm of a predicted depth finite (SPEC 5.4).
MIN_PREDICTED_DEPTH = 1e-3
SILOG_VARIANCE_FOCUS = 0.5


def masked_pixel_loss(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over masked patches: (B, N, P*P*C), (B, N, P*P*C), (B, N) -> scalar (SPEC 2.5).

    `mask` is 1 (or True) where a patch was removed and has to be predicted; the others contribute nothing. A batch
    without any removed patch gives zero.
    """
    if pred.shape != target.shape or pred.ndim != 3:
        raise ValueError(
            f"pred and target must both be (B, N, P*P*C), got {tuple(pred.shape)} and {tuple(target.shape)}."
        )
    if mask.shape != pred.shape[:2]:
        raise ValueError(f"mask must be (B, N) = {tuple(pred.shape[:2])}, got {tuple(mask.shape)}.")
    error_per_patch = (pred.float() - target.float()).square().mean(dim=-1)
    mask = mask.float()
    return (error_per_patch * mask).sum() / mask.sum().clamp(min=1.0)


def valid_depth_mask(labels: Tensor, min_depth: float, max_depth: float) -> Tensor:
    """True where a depth in metres counts: not 0, not NaN, and in [min_depth, max_depth]; any shape -> same shape."""
    if not (math.isfinite(max_depth) and 0.0 <= min_depth < max_depth):
        raise ValueError(
            f"Depth limits in metres must satisfy 0 <= min_depth < max_depth < inf, got {min_depth} and {max_depth}."
        )
    return (labels > 0) & (labels >= min_depth) & (labels <= max_depth)


def silog_loss(predicted_depth: Tensor, labels: Tensor, min_depth: float, max_depth: float) -> Tensor:
    """Scale-invariant log loss of depths in metres: (B, H, W), (B, H, W) -> scalar (SPEC 5.4; Eigen et al., 2014).

    sqrt(mean(d^2) - 0.5 * mean(d)^2) with d = log(label) - log(prediction) over all valid pixels of the batch.
    A batch without a valid pixel gives a zero that still back-propagates: every gradient is exactly zero.
    """
    if predicted_depth.shape != labels.shape:
        raise ValueError(
            f"predicted_depth and labels must have the same shape (B, H, W), got {tuple(predicted_depth.shape)} and "
            f"{tuple(labels.shape)}. Resize the labels (nearest) or drop the channel axis."
        )
    predicted_depth, labels = predicted_depth.float(), labels.float()
    valid = valid_depth_mask(labels, min_depth, max_depth)
    # Ignored pixels are replaced before the logarithm, not after: infinity times a zero gradient would be NaN.
    prediction = torch.where(valid, predicted_depth, 1.0).clamp(min=MIN_PREDICTED_DEPTH)
    difference = torch.where(valid, labels, 1.0).log() - prediction.log()
    num_valid = valid.sum().clamp(min=1)
    mean_square = difference.square().sum() / num_valid
    mean = difference.sum() / num_valid
    return _sqrt_with_zero_gradient_at_zero(mean_square - SILOG_VARIANCE_FOCUS * mean.square())


def _sqrt_with_zero_gradient_at_zero(value: Tensor) -> Tensor:
    # The value is sqrt(value) everywhere. Only the derivative is defined where mathematics leaves it open: at zero,
    # reached by a perfect prediction or an empty batch, torch's would be infinite and turn the weights into NaN. The
    # argument cannot be negative: mean(d)^2 <= mean(d^2), of which at most a half is taken away.
    positive = value > 0
    return torch.where(positive, torch.where(positive, value, 1.0).sqrt(), 0.0 * value)
