# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Losses of feed-forward reconstruction: predicted views against true ones, term by term.

The terms are MapAnything's (Keetha et al., arXiv 2509.13414). Prediction and truth are each divided by the mean
distance of their valid points first, so that only the scale term sees the metric scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from .geometry import log_length, points_scale, relative_pose
from .view_geometry import RawViews, ViewGeometry, ViewLabels

ROBUST_WIDTH = 0.05
CONFIDENCE_WEIGHT = 0.2
KEPT_PERCENT = 95  # of a real scene's pixels; the worst are left out
MIN_ANGLE, MAX_ANGLE, ANGLE_BETA = (torch.pi / 180 * degrees for degrees in (1, 90, 3))
GRADIENT_STEPS = (1, 2, 4, 8)
MAX_GRADIENT = 100.0

GEOMETRY_TERMS = ("pts3d", "cam_pts3d", "depth_along_ray", "ray_directions", "pose_quats", "pose_trans")


@dataclass(frozen=True)
class ReconstructionLossWeights:
    """Weight of each term, and how points and poses are compared.

    Args:
        terms: weight by name of the term.
        pairwise_poses: compare the poses of all pairs of views too, not only those in the world.
    """

    terms: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {**dict.fromkeys(GEOMETRY_TERMS, 1.0), "scale": 1.0, "normal": 3.0, "gradient_matching": 3.0, "mask": 0.3}
        )
    )
    pairwise_poses: bool = False


def _v11_terms() -> Mapping[str, float]:
    overall = ReconstructionLossWeights().terms
    return MappingProxyType({name: weight * (1 if name == "pts3d" else 0.1) for name, weight in overall.items()})


LOSS_PRESETS: Mapping[str, ReconstructionLossWeights] = MappingProxyType(
    {
        "overall": ReconstructionLossWeights(),
        "v1.1": ReconstructionLossWeights(_v11_terms(), pairwise_poses=True),
        "pm_higher": ReconstructionLossWeights(_v11_terms()),
    }
)


def reconstruction_loss(
    raw: RawViews, labels: ViewLabels, preset: str = "overall", use_confidence: bool = True
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss, a scalar, and its weighted terms by name, each summed over views.

    Pixels of a view are pooled over the batch; terms and views are summed, as in the original. A term without any valid
    pixel is 0 and still back-propagates.

    Args:
        use_confidence: weight world points by the predicted confidence, as in training; else trim them, as in validation.

    Raises:
        ValueError: unknown preset.
    """
    terms = view_terms(raw, labels, preset, use_confidence)
    summed: dict[str, Tensor] = {}
    for (name, _), term in terms.items():
        summed[name] = summed[name] + term if name in summed else term
    return torch.stack(list(summed.values())).sum(), summed


def view_terms(
    raw: RawViews, labels: ViewLabels, preset: str = "overall", use_confidence: bool = True
) -> dict[tuple[str, int | None], Tensor]:
    """The weighted terms of `reconstruction_loss` by name and view; the view of `scale` is None."""
    if preset not in LOSS_PRESETS:
        raise ValueError(f"Unknown loss preset {preset!r}; choose one of {', '.join(LOSS_PRESETS)}.")
    weights, pairwise = LOSS_PRESETS[preset].terms, LOSS_PRESETS[preset].pairwise_poses
    valid = labels.valid
    predicted, true = raw.geometry(), labels.geometry
    predicted_scale, true_scale = predicted.scale(valid), true.scale(valid)
    metric_points_scale = points_scale(predicted.world_points.detach(), valid) * raw.metric_scale()
    predicted, true = predicted.scaled(1 / predicted_scale), true.scaled(1 / true_scale)
    pixels = pixel_losses(predicted, true)
    confidence, mask_logits = raw.confidence(), raw.mask_logits()
    exact = valid & labels.is_synthetic[:, None, None, None]

    terms: dict[tuple[str, int | None], Tensor] = {}
    for view in range(valid.shape[1]):
        mask = valid[:, view]
        for name in ("pts3d", "cam_pts3d", "depth_along_ray"):
            losses = weights[name] * pixels[name][:, view]
            if name == "pts3d" and use_confidence:
                sure = confidence[:, view]
                terms[name, view] = masked_mean(losses * sure - CONFIDENCE_WEIGHT * sure.log(), mask)
            else:
                terms[name, view] = trimmed_mean(losses, mask, labels.is_synthetic)
        terms["ray_directions", view] = weights["ray_directions"] * pixels["ray_directions"][:, view].mean()
        rotation, translation = pose_losses(predicted, true, valid, view, pairwise)
        terms["pose_quats", view] = weights["pose_quats"] * rotation
        terms["pose_trans", view] = weights["pose_trans"] * translation
        points, true_points = predicted.camera_points[:, view], true.camera_points[:, view]
        terms["normal", view] = weights["normal"] * normal_loss(points, true_points, exact[:, view])
        depth, true_depth = (log_length(cloud[..., 2:]).squeeze(-1) for cloud in (points, true_points))
        terms["gradient_matching", view] = weights["gradient_matching"] * gradient_loss(
            depth, true_depth, exact[:, view]
        )
        terms["mask", view] = weights["mask"] * F.binary_cross_entropy_with_logits(
            mask_logits[:, view], labels.non_ambiguous[:, view].to(mask_logits)
        )
    scale_losses = robust_loss(log_length(metric_points_scale[:, None]), log_length(true_scale[:, None]))
    terms["scale", None] = weights["scale"] * masked_mean(scale_losses, labels.is_metric & (true_scale > 1e-8))
    return terms


def robust_loss(predicted: Tensor, true: Tensor) -> Tensor:
    """General robust loss with alpha 0.5 and width 0.05 (Barron, 2019): (..., C), (..., C) -> (...)."""
    squares = ((predicted - true) / ROBUST_WIDTH).square().sum(dim=-1)
    return 3 * ((squares / 1.5 + 1) ** 0.25 - 1)


def pixel_losses(predicted: ViewGeometry, true: ViewGeometry) -> dict[str, Tensor]:
    """Robust losses of every pixel before weights and masks: name -> (B, V, H, W)."""
    return {
        "pts3d": robust_loss(log_length(predicted.world_points), log_length(true.world_points)),
        "cam_pts3d": robust_loss(log_length(predicted.camera_points), log_length(true.camera_points)),
        "depth_along_ray": robust_loss(
            log_length(predicted.ray_depth[..., None]), log_length(true.ray_depth[..., None])
        ),
        "ray_directions": robust_loss(predicted.rays, true.rays),
    }


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Mean of the losses where the mask is True; 0 if it is True nowhere: (...), (...) -> scalar."""
    # torch.where and not a product: an infinite loss outside of the mask must not become NaN.
    return torch.where(mask, losses, 0).sum() / mask.sum().clamp(min=1)


def trimmed_mean(losses: Tensor, mask: Tensor, is_synthetic: Tensor) -> Tensor:
    """Mean over the valid pixels of all scenes, in real ones without the worst 5 %: (B, H, W), (B, H, W), (B) -> scalar."""
    kept = mask.flatten(1)
    losses = losses.flatten(1)
    num_valid = kept.sum(dim=1)
    num_kept = torch.where(is_synthetic, num_valid, num_valid * KEPT_PERCENT // 100)
    order = torch.where(kept, losses.detach(), torch.inf).argsort(dim=1, stable=True)
    ranks = order.argsort(dim=1)
    return masked_mean(losses, kept & (ranks < num_kept[:, None]))


def pose_losses(
    predicted: ViewGeometry, true: ViewGeometry, valid: Tensor, view: int, pairwise: bool
) -> tuple[Tensor, Tensor]:
    """Rotation and translation loss of one view's pose; with `pairwise` also of the other views as seen from it.

    A translation counts if the view, and in a pair the other view too, has a valid pixel.
    """
    has_pixels = valid.flatten(2).any(dim=2)
    poses = [
        (side.quaternions[:, view : view + 1], side.translations[:, view : view + 1]) for side in (predicted, true)
    ]
    counted = has_pixels[:, view : view + 1]
    if pairwise:
        others = [other for other in range(valid.shape[1]) if other != view]
        sides = []
        for side, (quaternion, translation) in zip((predicted, true), poses, strict=True):
            seen = relative_pose(quaternion, translation, side.quaternions[:, others], side.translations[:, others])
            sides.append((torch.cat((quaternion, seen[0]), dim=1), torch.cat((translation, seen[1]), dim=1)))
        poses = sides
        counted = torch.cat((counted, counted & has_pixels[:, others]), dim=1)
    (quaternions, translations), (true_quaternions, true_translations) = poses
    rotation = torch.minimum(
        robust_loss(quaternions, true_quaternions), robust_loss(quaternions, -true_quaternions)
    ).mean()
    return rotation, masked_mean(robust_loss(translations, true_translations), counted)


def normal_loss(points: Tensor, true_points: Tensor, mask: Tensor) -> Tensor:
    """Angle between the surfaces of two clouds at the four corners of every 2x2 cell: (B, H, W, 3) twice -> scalar.

    Angles are clamped to [1, 90] degrees and pass through a Huber loss of 3 degrees. Divided by the longer side of the
    picture, as in the original, which makes the term small.
    """

    def corners(values: Tensor) -> list[Tensor]:
        # Clockwise, so that each corner's neighbours are the one before and the one after it.
        return [values[:, :-1, :-1], values[:, :-1, 1:], values[:, 1:, 1:], values[:, 1:, :-1]]

    clouds, masks = [corners(cloud) for cloud in (points, true_points)], corners(mask)
    total, covered = points.new_zeros(()), torch.zeros_like(masks[0])
    for corner in range(4):
        following, previous = (corner + 1) % 4, (corner + 3) % 4
        normals = [
            torch.linalg.cross(cloud[following] - cloud[corner], cloud[previous] - cloud[corner], dim=-1)
            for cloud in clouds
        ]
        sine = torch.linalg.cross(*normals, dim=-1).norm(dim=-1) + 1e-12
        cosine = (normals[0] * normals[1]).sum(dim=-1)
        angles = torch.atan2(sine, cosine).clamp(MIN_ANGLE, MAX_ANGLE)
        counted = masks[corner] & masks[following] & masks[previous]
        losses = F.smooth_l1_loss(angles, torch.zeros_like(angles), reduction="none", beta=ANGLE_BETA)
        total = total + torch.where(counted, losses, 0).sum()
        covered = covered | counted
    return total / (covered.sum().clamp(min=1) * 4 * max(points.shape[1:3]))


def gradient_loss(values: Tensor, true_values: Tensor, mask: Tensor) -> Tensor:
    """Difference of the slopes of two maps at four scales, summed over scales: (B, H, W) twice -> scalar."""
    total = values.new_zeros(())
    for step in GRADIENT_STEPS:
        kept = mask[:, ::step, ::step]
        difference = torch.where(kept, values[:, ::step, ::step] - true_values[:, ::step, ::step], 0)
        slopes = values.new_zeros(())
        for axis in (1, 2):
            length = difference.shape[axis] - 1
            both = kept.narrow(axis, 0, length) & kept.narrow(axis, 1, length)
            slope = difference.diff(dim=axis).abs().clamp(max=MAX_GRADIENT)
            slopes = slopes + torch.where(both, slope, 0).sum()
        total = total + slopes / kept.sum().clamp(min=1)
    return total
