# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Bring a reconstruction into a world that is known: the similarity that lays its cameras onto given poses.

All poses take camera coordinates to world coordinates, in OpenCV's axes: x right, y down, z forward.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation, one for each of any leading axes.

    Args:
        scale: (...) metres of the given world per metre of the reconstruction.
        rotation: (..., 3, 3).
        translation: (..., 3).
    """

    scale: Tensor
    rotation: Tensor
    translation: Tensor

    def move_points(self, points: Tensor) -> Tensor:
        """Points in the given world, of any shape behind the leading axes: (..., *, 3) -> (..., *, 3)."""
        leading = self.scale.dim()
        flat = points.flatten(leading, -2) if points.dim() > leading + 1 else points[..., None, :]
        moved = self.scale[..., None, None] * (flat @ self.rotation.mT) + self.translation[..., None, :]
        return moved.view_as(points)

    def move_poses(self, camera_to_world: Tensor) -> Tensor:
        """Cameras in the given world, rigid again: (..., V, 4, 4) -> (..., V, 4, 4). Depth has to be scaled with them."""
        moved = camera_to_world.clone()
        moved[..., :3, :3] = self.rotation[..., None, :, :] @ camera_to_world[..., :3, :3]
        moved[..., :3, 3] = self.move_points(camera_to_world[..., :3, 3])
        return moved


def align_to_poses(
    camera_to_world: Tensor, given: Tensor, known: Tensor | None = None, with_scale: bool = True
) -> Similarity:
    """The similarity that brings predicted cameras onto given ones: (..., V, 4, 4), (..., V, 4, 4).

    The rotation is the mean of those that turn each predicted camera like the given one, so that two views are enough, and
    one. The scale makes the camera centres lie equally far apart (Horn, 1987, the symmetric scale); it is 1 where they all
    lie in one place. Exact where the cameras differ by a similarity alone.

    ```python
    world = align_to_poses(scene["camera_to_world"], surveyed)
    points, cameras = world.move_points(scene["pointmaps"]), world.move_poses(scene["camera_to_world"])
    ```

    Args:
        camera_to_world: predicted poses.
        given: poses in the world to go to. They need not have metres as their unit.
        known: (..., V) bool, for which views a pose is given; None: for all.
        with_scale: False keeps the predicted metres.

    Raises:
        ValueError: other shapes, no view with a given pose, or poses that are not finite or that mirror.
    """
    if given.shape != camera_to_world.shape or given.dim() < 3 or given.shape[-2:] != (4, 4):
        raise ValueError(
            "camera_to_world and given must both have shape (..., V, 4, 4), got"
            f" {tuple(camera_to_world.shape)} and {tuple(given.shape)}."
        )
    weights = torch.ones(given.shape[:-2]) if known is None else known
    weights = weights.to(camera_to_world.device, torch.float64).expand(given.shape[:-2])
    if not (weights.sum(dim=-1) > 0).all():
        raise ValueError("Every scene needs at least one view with a given pose.")
    is_known = weights[..., None, None] > 0
    identity = torch.eye(4, dtype=torch.float64, device=camera_to_world.device)
    predicted = torch.where(is_known, camera_to_world.double(), identity)
    target = torch.where(is_known, given.to(camera_to_world.device, torch.float64), identity)
    for name, poses in (("camera_to_world", predicted), ("given", target)):
        if not torch.isfinite(poses).all():
            raise ValueError(f"{name} holds numbers that are not finite.")
        if not (torch.linalg.det(poses[..., :3, :3]) > 0).all():
            raise ValueError(
                f"{name} mirrors the scene: poses must be of OpenCV's right-handed axes, camera to world."
            )
    turns = target[..., :3, :3] @ predicted[..., :3, :3].mT
    rotation = _nearest_rotation((weights[..., None, None] * turns).sum(dim=-3))
    centres, goals = predicted[..., :3, 3], target[..., :3, 3]
    mean, goal = (_weighted_mean(points, weights) for points in (centres, goals))
    spread, goal_spread = (
        (weights[..., None] * (points - middle[..., None, :]).square()).sum(dim=(-1, -2)).sqrt()
        for points, middle in ((centres, mean), (goals, goal))
    )
    scale = torch.ones_like(spread)
    if with_scale:
        scale = torch.where((spread > 1e-9) & (goal_spread > 1e-9), goal_spread / spread.clamp(min=1e-9), scale)
    translation = goal - scale[..., None] * (rotation @ mean[..., None]).squeeze(-1)
    dtype = camera_to_world.dtype
    return Similarity(scale.to(dtype), rotation.to(dtype), translation.to(dtype))


def _nearest_rotation(matrices: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(matrices)
    signs = torch.ones_like(left[..., 0])
    signs[..., 2] = torch.sign(torch.linalg.det(left @ right))
    return (left * signs[..., None, :]) @ right


def _weighted_mean(points: Tensor, weights: Tensor) -> Tensor:
    return (weights[..., None] * points).sum(dim=-2) / weights.sum(dim=-1, keepdim=True)
