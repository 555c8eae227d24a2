# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Training losses: pure functions of predictions and targets, computed in float32 whatever the model's precision."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Metres; keeps the logarithm of a predicted depth finite (docs/specification.md 5.4).
MIN_PREDICTED_DEPTH = 1e-3
SILOG_VARIANCE_FOCUS = 0.5
# Of relative depth (Yang et al., 2024, Depth Anything V2): gradients count twice as much as values, on four scales.
GRADIENT_MATCHING_WEIGHT = 2.0
GRADIENT_MATCHING_STEPS = (1, 2, 4, 8)
# Of the largest value: maps that vary less than this are constant.
MIN_RELATIVE_DEVIATION = 1e-6


def masked_pixel_loss(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over masked patches: (B, N, P*P*C), (B, N, P*P*C), (B, N) -> scalar (docs/specification.md 2.5).

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
    _check_metres(labels)
    if not labels.is_floating_point():
        labels = labels.float()  # torch compares no unsigned numbers of more than 8 bits
    return (labels > 0) & (labels >= min_depth) & (labels <= max_depth)


def silog_loss(predicted_depth: Tensor, labels: Tensor, min_depth: float, max_depth: float) -> Tensor:
    """Scale-invariant log loss of depths in metres: (B, H, W), (B, H, W) -> scalar.

    sqrt(mean(d^2) - 0.5 * mean(d)^2) with d = log(label) - log(prediction) over all valid pixels of the batch. A batch
    without a valid pixel gives a zero that still back-propagates: every gradient is exactly zero. See
    docs/specification.md 5.4 and Eigen et al., 2014.
    """
    if predicted_depth.shape != labels.shape:
        raise ValueError(
            f"predicted_depth and labels must have the same shape (B, H, W), got {tuple(predicted_depth.shape)} and "
            f"{tuple(labels.shape)}. Resize the labels (nearest) or drop the channel axis."
        )
    _check_metres(labels)
    predicted_depth, labels = predicted_depth.float(), labels.float()
    valid = valid_depth_mask(labels, min_depth, max_depth)
    # Ignored pixels are replaced before the logarithm, not after: infinity times a zero gradient would be NaN.
    prediction = torch.where(valid, predicted_depth, 1.0).clamp(min=MIN_PREDICTED_DEPTH)
    difference = torch.where(valid, labels, 1.0).log() - prediction.log()
    num_valid = valid.sum().clamp(min=1)
    mean_square = difference.square().sum() / num_valid
    mean = difference.sum() / num_valid
    return _sqrt_with_zero_gradient_at_zero(mean_square - SILOG_VARIANCE_FOCUS * mean.square())


def relative_depth_loss(
    prediction: Tensor, labels: Tensor, min_depth: float = 1e-3, trim: float = 0.0, regions: Tensor | None = None
) -> Tensor:
    """Scale- and shift-invariant loss of inverse depth with gradient matching: (B, H, W), (B, H, W) -> scalar.

    Inverse depths of both sides are normalised per image, (d - t) / s with t their median and s their mean absolute
    deviation from it; the loss is the mean absolute difference, and twice the mean absolute gradient of the difference,
    summed over four scales (Ranftl et al., 2020, MiDaS; Yang et al., 2024, Depth Anything V2). Each image counts once.
    Images without two different depths say nothing and do not count; a batch of them gives a zero that still
    back-propagates.

    Args:
        prediction: inverse depth in any scale and shift.
        labels: depth, in metres or another unit; see to_inverse_depth.
        trim: share of each image's pixels, those with the largest difference, that is left out of both terms.
        regions: (B, H, W) True in the part of a picture that CutMix took from another one: the two parts have no common
            scale, are normalised each by itself, and weighted by their numbers of labelled pixels.

    Raises:
        ValueError: shapes that differ, labels that are no numbers, or a trim outside of [0, 1).
    """
    if (
        prediction.shape != labels.shape
        or prediction.ndim != 3
        or (regions is not None and regions.shape != labels.shape)
    ):
        raise ValueError(
            f"prediction and labels must both be (B, H, W), got {tuple(prediction.shape)} and {tuple(labels.shape)}."
            " Resize the labels (nearest) or drop the channel axis."
            + ("" if regions is None else f" Regions must be alike, got {tuple(regions.shape)}.")
        )
    if not 0 <= trim < 1:
        raise ValueError(f"trim must lie in [0, 1), got {trim}.")
    target, valid = to_inverse_depth(labels, min_depth)
    prediction, weight = prediction.float(), valid.new_ones(len(valid), dtype=torch.float32)
    if regions is not None:
        regions = regions.to(valid.device, torch.bool)
        num_labelled = valid.sum(dim=(1, 2)).clamp(min=1)
        prediction, target = torch.cat([prediction, prediction]), torch.cat([target, target])
        valid = torch.cat([valid & ~regions, valid & regions])
        weight = valid.sum(dim=(1, 2)) / torch.cat([num_labelled, num_labelled])
    ours, _ = _normalize_maps(prediction, valid)
    theirs, is_constant = _normalize_maps(target, valid)
    difference = torch.where(valid, ours - theirs, 0.0)
    if trim:
        num_valid = valid.sum(dim=(1, 2))
        num_kept = num_valid - (trim * num_valid + 1e-3).floor().long()  # a tenth of 30 is 3, also in float32
        largest = _kth_smallest(difference.detach().abs(), valid, num_kept)
        valid = valid & (difference.abs() <= largest[:, None, None])
        difference = torch.where(valid, difference, 0.0)
    num_valid = valid.sum(dim=(1, 2)).clamp(min=1)
    per_map = difference.abs().sum(dim=(1, 2)) / num_valid
    per_map = per_map + GRADIENT_MATCHING_WEIGHT * _gradient_matching(difference, valid)
    weight = torch.where(is_constant, 0.0, weight)
    return (weight * torch.where(is_constant, 0.0, per_map)).sum() / weight.sum().clamp(min=1e-6)


def to_inverse_depth(depth: Tensor, min_depth: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Depth of any unit and shape -> its inverse in float32, and True where it counts, both of the same shape.

    Infinity, the sky, is 0 and counts. What is 0, negative, NaN or nearer than min_depth does not, and is 0 as well.
    """
    _check_metres(depth)
    depth = depth.float()
    valid = (depth > 0) & (depth >= min_depth)
    return torch.where(valid, 1 / torch.where(valid, depth, 1.0), 0.0), valid


def _normalize_maps(values: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Shift each map by its median, divide it by its mean absolute deviation: (B, H, W); and (B,) True where that is 0."""
    num_valid = valid.sum(dim=(1, 2))
    middle = (num_valid + 1) // 2  # the lower of the two in the middle, as torch.median
    shifted = torch.where(valid, values - _kth_smallest(values, valid, middle)[:, None, None], 0.0)
    deviation = shifted.abs().sum(dim=(1, 2)) / num_valid.clamp(min=1)
    largest = torch.where(valid, values, 0.0).detach().abs().amax(dim=(1, 2))
    smallest = (MIN_RELATIVE_DEVIATION * largest).clamp(min=1e-12)
    return shifted / torch.maximum(deviation, smallest)[:, None, None], deviation <= smallest


def _kth_smallest(values: Tensor, valid: Tensor, k: Tensor) -> Tensor:
    """The k-th smallest valid value of each map, counted from 1: (B, H, W), (B, H, W), (B,) -> (B,); 0 where k is 0."""
    # A sort, as torch's median of a GPU picks any of several equal values, and a run could not be repeated.
    ordered = torch.where(valid, values, torch.inf).flatten(1).sort(dim=1).values
    chosen = ordered.gather(1, (k - 1).clamp(min=0)[:, None])[:, 0]
    return torch.where(k > 0, chosen, 0.0)


def _gradient_matching(difference: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, summed over scales, where both are valid: (B, H, W) -> (B,)."""
    total = torch.zeros_like(difference[:, 0, 0])
    for step in GRADIENT_MATCHING_STEPS:
        values, counted = difference[:, ::step, ::step], valid[:, ::step, ::step]
        across = (values[:, :, 1:] - values[:, :, :-1]).abs() * (counted[:, :, 1:] & counted[:, :, :-1])
        down = (values[:, 1:] - values[:, :-1]).abs() * (counted[:, 1:] & counted[:, :-1])
        total = total + (across.sum(dim=(1, 2)) + down.sum(dim=(1, 2))) / counted.sum(dim=(1, 2)).clamp(min=1)
    return total


def _check_metres(labels: Tensor) -> None:
    if labels.dtype == torch.bool or labels.is_complex():
        raise ValueError(f"Depths must be numbers in metres, got a tensor of {labels.dtype}.")


def segmentation_loss(logits: Tensor, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """Cross entropy averaged over the labelled pixels of the batch: (B, C, H, W), (B, H, W) -> scalar.

    A batch without a labelled pixel gives a zero that still back-propagates: every gradient is exactly zero. See
    docs/specification.md 6.1.
    """
    labels = labels.to(logits.device, torch.int64)
    summed = F.cross_entropy(logits.float(), labels, ignore_index=ignore_index, reduction="sum")
    return summed / (labels != ignore_index).sum().clamp(min=1)


def check_class_ids(labels: Tensor, num_labels: int, ignore_index: int | None = None) -> None:
    """Refuse labels that are no class numbers; see to_class_ids."""
    to_class_ids(labels, num_labels, ignore_index)


def to_class_ids(labels: Tensor, num_labels: int, ignore_index: int | None = None) -> Tensor:
    """Class numbers of any integer type, signed or unsigned, as int64; any shape -> same shape.

    Numbers that are no class are refused here: on a GPU, torch would abort the whole process. Not under torch.compile
    and torch.export, whose graphs cannot depend on values.

    Raises:
        ValueError: labels that are no integers, or one that is neither in 0 .. num_labels - 1 nor ignore_index.
    """
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"Class labels must be integers, got a tensor of {labels.dtype}.")
    # torch compares no unsigned numbers of more than 8 bits.
    ids = labels.to(torch.int64)
    if torch.compiler.is_compiling():
        return ids
    wrong = (ids < 0) | (ids >= num_labels)
    if ignore_index is not None:
        wrong &= ids != ignore_index
    if labels.dtype == torch.uint64:
        wrong |= ids < 0  # beyond int64: it wrapped around, perhaps to ignore_index
    if wrong.any():
        beyond = 2**64 if labels.dtype == torch.uint64 else 0
        values = (value + beyond * (value < 0) for value in ids[wrong].unique()[:4].tolist())
        ignored = "" if ignore_index is None else f" or {ignore_index} (ignored)"
        raise ValueError(
            f"Class labels must lie in 0 .. {num_labels - 1}{ignored}, got {', '.join(map(str, values))}. Set num_labels of"
            " the configuration, or renumber the labels (the image processor's do_reduce_labels lowers each class by one)."
        )
    return ids


def _sqrt_with_zero_gradient_at_zero(value: Tensor) -> Tensor:
    # The result is sqrt(value) everywhere; only the derivative at zero is set to zero. A perfect prediction or an
    # empty batch gets there, and torch's derivative is infinite, which would turn the weights into NaN. The argument
    # is never negative, since mean(d)^2 <= mean(d^2).
    positive = value > 0
    return torch.where(positive, torch.where(positive, value, 1.0).sqrt(), 0.0 * value)


def feature_distance(features: Tensor, target: Tensor, distance: str) -> Tensor:
    """Mean distance of features to a target, both (B, T, D) -> float32 scalar (docs/specification.md 4.2).

    Args:
        distance: "cosine" (1 - mean cosine similarity of tokens), "l1" or "mse" (means over all elements).

    Raises:
        ValueError: another distance, or shapes that differ.
    """
    if features.shape != target.shape:
        raise ValueError(
            f"Features and target must have the same shape, got {tuple(features.shape)} and {tuple(target.shape)}."
        )
    features, target = features.float(), target.float()
    if distance == "cosine":
        return 1 - F.cosine_similarity(features, target, dim=-1).mean()
    if distance == "l1":
        return (features - target).abs().mean()
    if distance == "mse":
        return (features - target).square().mean()
    raise ValueError(f"The distance must be cosine, l1 or mse, got {distance!r}.")


def feature_alignment_loss(
    features: Tensor,
    target: Tensor,
    num_class_tokens: int,
    loss_fn_cls: str = "cosine",
    loss_fn_patch: str = "cosine",
    loss_fuse: str = "avg",
) -> tuple[Tensor, Tensor, Tensor]:
    """Distance of tokens (B, n_cls_tokens + K, D), class tokens first: fused, class and patch loss.

    See docs/specification.md 4.2.

    Args:
        loss_fn_cls, loss_fn_patch: distances, see feature_distance.
        loss_fuse: "avg" takes the mean of both losses, "sum" weighs them by their share of the tokens.

    Raises:
        ValueError: unknown distance or fusion, or shapes that differ.
    """
    if loss_fuse not in ("avg", "sum"):
        raise ValueError(f"loss_fuse must be avg or sum, got {loss_fuse!r}.")
    loss_cls = feature_distance(features[:, :num_class_tokens], target[:, :num_class_tokens], loss_fn_cls)
    loss_patch = feature_distance(features[:, num_class_tokens:], target[:, num_class_tokens:], loss_fn_patch)
    class_share = 0.5 if loss_fuse == "avg" else num_class_tokens / features.shape[1]
    return class_share * loss_cls + (1 - class_share) * loss_patch, loss_cls, loss_patch
