# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How much views of a scene see of each other, from their depth and cameras. Pure."""

import torch
from torch import Tensor

MIN_DEPTH = 0.04  # metres in front of the other camera
AGREEMENT_ABSOLUTE, AGREEMENT_RELATIVE = 0.02, 0.05  # metres, and share of the depth


def seen_shares(depth: Tensor, intrinsics: Tensor, camera_to_world: Tensor) -> Tensor:
    """Share of each view's pixels with depth that another view sees: (V, H, W), (V, 3, 3), (V, 4, 4) -> (V, V).

    Row i, column j: of the points of view i, those that lie inside the picture of view j and are not hidden there. The
    diagonal is 1, and 0 for a view without depth. OpenCV axes, z depth in metres, anything not above 0 is no depth.
    """
    num_views, height, width = depth.shape
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=depth.dtype, device=depth.device),
        torch.arange(width, dtype=depth.dtype, device=depth.device),
        indexing="ij",
    )
    pixels = torch.stack((columns, rows, torch.ones_like(rows)), dim=-1)
    shares = torch.zeros(num_views, num_views, dtype=depth.dtype, device=depth.device)
    for view in range(num_views):
        valid = depth[view] > 0
        if not valid.any():
            continue
        points = (pixels[valid] @ torch.linalg.inv(intrinsics[view]).T) * depth[view][valid][:, None]
        points = points @ camera_to_world[view, :3, :3].T + camera_to_world[view, :3, 3]
        for other in range(num_views):
            local = (points - camera_to_world[other, :3, 3]) @ camera_to_world[other, :3, :3]
            in_front = local[:, 2] > MIN_DEPTH
            projected = local @ intrinsics[other].T
            places = (projected[:, :2] / local[:, 2:].clamp(min=MIN_DEPTH)).round().long()
            inside = in_front & (places >= 0).all(dim=1) & (places[:, 0] < width) & (places[:, 1] < height)
            column, row = places[inside].unbind(dim=1)
            expected, found = local[inside, 2], depth[other][row, column]
            seen = (found > 0) & ((expected - found).abs() < AGREEMENT_ABSOLUTE + AGREEMENT_RELATIVE * expected)
            shares[view, other] = seen.sum() / valid.sum()
    return shares


def covisibility(depth: Tensor, intrinsics: Tensor, camera_to_world: Tensor) -> Tensor:
    """Mean of what two views see of each other, for all pairs: the same arguments -> (V, V), symmetric."""
    shares = seen_shares(depth, intrinsics, camera_to_world)
    return (shares + shares.T) / 2
