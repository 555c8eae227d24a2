# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which predicted points to keep: by the model's mask, confidence, edges and agreement of views. Pure functions."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .geometry import world_to_camera

DEPTH_EDGE_RATIO = 0.03
NORMAL_EDGE_DEGREES = 5.0
MIN_PROJECTED_DEPTH = 0.04  # metres
AGREEMENT_ABSOLUTE, AGREEMENT_RELATIVE = 0.02, 0.02  # metres, and share of the depth


def keep_mask(
    points: Tensor,
    depth: Tensor,
    confidence: Tensor,
    mask_logits: Tensor,
    confidence_percentile: float | None = None,
    mask_edges: bool = True,
) -> Tensor:
    """True for the points of V views of a scene that are worth keeping: (V, H, W) bool.

    Those that the model calls usable, then those above a percentile of their view's confidence, then those that are at
    no edge, as seen through the mask so far (docs/specification_reconstruction.md 12).

    Args:
        points: (V, H, W, 3) world points; all others (V, H, W).
        confidence_percentile: None: whatever the confidence.

    Raises:
        ValueError: percentile outside of [0, 100).
    """
    mask = mask_logits > 0
    if confidence_percentile is not None:
        mask = mask & confident_mask(confidence, confidence_percentile)
    return mask & ~edge_mask(points, depth, mask) if mask_edges else mask


def confident_mask(confidence: Tensor, percentile: float) -> Tensor:
    """True where confidence is above that percentile of its own view: (..., H, W) -> (..., H, W).

    Raises:
        ValueError: percentile outside of [0, 100).
    """
    if not 0 <= percentile < 100:
        raise ValueError(f"confidence_percentile must lie in [0, 100), got {percentile}.")
    sorted_pixels = confidence.flatten(-2).sort(dim=-1).values
    position = (sorted_pixels.shape[-1] - 1) * percentile / 100
    lower = int(position)
    upper = min(lower + 1, sorted_pixels.shape[-1] - 1)
    limit = torch.lerp(sorted_pixels[..., lower], sorted_pixels[..., upper], position - lower)
    return confidence > limit[..., None, None]


def edge_mask(points: Tensor, depth: Tensor, mask: Tensor) -> Tensor:
    """True at edges, where depth jumps and the surface turns: points (V, H, W, 3), depth and mask (V, H, W) -> (V, H, W).

    Points there often hang between a near and a far surface and belong to neither.
    """
    return depth_edges(depth, mask) & normal_edges(points, mask)


def depth_edges(depth: Tensor, mask: Tensor) -> Tensor:
    """True where depth varies by more than 3 % over the masked pixels of a 3x3 window: (V, H, W) -> (V, H, W)."""
    largest = _window_max(torch.where(mask, depth, -torch.inf))
    smallest = -_window_max(torch.where(mask, -depth, -torch.inf))
    return (largest - smallest) / depth > DEPTH_EDGE_RATIO


def normal_edges(points: Tensor, mask: Tensor) -> Tensor:
    """True where surface normals differ by more than 5 degrees nearby: (V, H, W, 3), (V, H, W) -> (V, H, W).

    A pixel without a normal differs by 90 degrees from any that has one.
    """
    normals, exists = surface_normals(points, mask)
    height, width = mask.shape[-2:]
    padded = F.pad(normals.movedim(-1, 1), (1, 1, 1, 1), mode="replicate").movedim(1, -1)
    padded_exists = F.pad(exists[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0] > 0
    angles = torch.zeros_like(points[..., 0])
    for row in range(3):
        for column in range(3):
            window = (slice(None), slice(row, row + height), slice(column, column + width))
            # Clamped, because rounding can give a product above 1, whose arccosine is NaN.
            cosine = (normals * padded[window]).sum(dim=-1).clamp(-1, 1)
            angles = torch.maximum(angles, torch.where(padded_exists[window], cosine.acos(), 0))
    return torch.rad2deg(_window_max(angles)) > NORMAL_EDGE_DEGREES


def surface_normals(points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals from a pixel's neighbours, and where there is one: (V, H, W, 3), (V, H, W) -> the same shapes."""
    padded = F.pad(points.movedim(-1, 1), (1, 1, 1, 1)).movedim(1, -1)
    padded_mask = F.pad(mask, (1, 1, 1, 1))
    height, width = mask.shape[-2:]
    around = []
    for row, column in ((0, 1), (1, 0), (2, 1), (1, 2)):  # up, left, down, right
        window = (slice(None), slice(row, row + height), slice(column, column + width))
        around.append((padded[window] - points, padded_mask[window] & mask))
    total = torch.zeros_like(points)
    exists = torch.zeros_like(mask)
    for (first, first_known), (second, second_known) in zip(around, around[1:] + around[:1], strict=True):
        known = first_known & second_known
        normal = F.normalize(torch.linalg.cross(first, second, dim=-1), dim=-1)
        total = total + torch.where(known[..., None], normal, 0)
        exists = exists | known
    return F.normalize(total, dim=-1), exists


def multi_view_confidence(points: Tensor, depth: Tensor, poses: Tensor, intrinsics: Tensor, mask: Tensor) -> Tensor:
    """For each point: of the other views that look at its place, the share that agrees with it, in [0, 1].

    A view agrees where its own depth at the projected point is within 2 cm and 2 % of the point's. Points that no other
    view looks at get 0; a scene of one view, or whose views share nothing, gets ones.

    Args:
        points: (V, H, W, 3) world points.
        depth: (V, H, W) z depth.
        poses: (V, 4, 4) camera to world.
        intrinsics: (V, 3, 3) in pixels.
        mask: (V, H, W) points that count.
    """
    num_views, height, width = depth.shape
    cameras = world_to_camera(poses)
    confidence = torch.ones_like(depth)
    for view in range(num_views):
        inliers, outliers = torch.zeros_like(depth[view]), torch.zeros_like(depth[view])
        for other in range(num_views):
            if other == view:
                continue
            seen = points[view] @ cameras[other, :3, :3].T + cameras[other, :3, 3]
            pixels = seen @ intrinsics[other].T
            columns, rows = pixels[..., 0] / pixels[..., 2], pixels[..., 1] / pixels[..., 2]
            # Up to width, not width - 1, as in the original; beyond that the last pixel is the nearest.
            inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
            looked_at = inside & (seen[..., 2] > MIN_PROJECTED_DEPTH) & mask[view] & (depth[view] > 0)
            nearest = (
                torch.where(looked_at, rows, 0).round().long().clamp(max=height - 1),
                torch.where(looked_at, columns, 0).round().long().clamp(max=width - 1),
            )
            difference = (seen[..., 2] - depth[other][nearest]).abs()
            agrees = difference < AGREEMENT_ABSOLUTE + AGREEMENT_RELATIVE * seen[..., 2]
            inliers += looked_at & agrees
            outliers += looked_at & ~agrees
        if (inliers + outliers).any():
            confidence[view] = inliers / (inliers + outliers + 1e-10)
    return confidence


def _window_max(values: Tensor) -> Tensor:
    """Largest value of each 3x3 window, smaller at the border: (V, H, W) -> (V, H, W)."""
    return F.max_pool2d(values[:, None], 3, stride=1, padding=1)[:, 0]
