# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Geometry of a scene's views in one form, predicted or true: points, rays, depth, cameras. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .geometry import (
    invert_quaternion,
    matrix_to_quaternion,
    normalize,
    points_scale,
    quaternion_to_matrix,
    rays_of_intrinsics,
    relative_pose,
    rotate,
)


@dataclass
class ViewGeometry:
    """Geometry of V views of B scenes, in one unit; views on dim 1, points channels last.

    Args:
        world_points: (B, V, H, W, 3) in the world, the camera of view 0.
        camera_points: (B, V, H, W, 3) in each view's own camera.
        rays: (B, V, H, W, 3) unit viewing rays in the camera.
        ray_depth: (B, V, H, W) distance from the camera centre.
        quaternions: (B, V, 4) rotation from camera to world, (x, y, z, w).
        translations: (B, V, 3) camera centres in the world.
    """

    world_points: Tensor
    camera_points: Tensor
    rays: Tensor
    ray_depth: Tensor
    quaternions: Tensor
    translations: Tensor

    @classmethod
    def assemble(cls, rays: Tensor, ray_depth: Tensor, quaternions: Tensor, translations: Tensor) -> "ViewGeometry":
        """Points from rays (B, V, H, W, 3), distances along them (B, V, H, W) and poses."""
        camera_points = rays * ray_depth[..., None]
        return cls(
            world_points=place_in_world(camera_points, quaternions, translations),
            camera_points=camera_points,
            rays=rays,
            ray_depth=ray_depth,
            quaternions=quaternions,
            translations=translations,
        )

    def scaled(self, factor: Tensor) -> "ViewGeometry":
        """Everything that has a length multiplied by one factor per scene (B)."""
        per_pixel, per_view = factor[:, None, None, None], factor[:, None, None]
        return ViewGeometry(
            world_points=self.world_points * per_pixel[..., None],
            camera_points=self.camera_points * per_pixel[..., None],
            rays=self.rays,
            ray_depth=self.ray_depth * per_pixel,
            quaternions=self.quaternions,
            translations=self.translations * per_view,
        )

    def in_first_view(self) -> "ViewGeometry":
        """The same with the camera of view 0 as the world: its pose becomes the identity."""
        first_rotation, first_centre = self.quaternions[:, :1], self.translations[:, :1]
        quaternions, translations = relative_pose(first_rotation, first_centre, self.quaternions, self.translations)
        matrix = quaternion_to_matrix(invert_quaternion(first_rotation))[:, :, None]
        world_points = (self.world_points - first_centre[:, :, None, None]) @ matrix.transpose(-1, -2)
        return ViewGeometry(world_points, self.camera_points, self.rays, self.ray_depth, quaternions, translations)

    def double(self) -> "ViewGeometry":
        """The same in float64."""
        return ViewGeometry(**{field.name: getattr(self, field.name).double() for field in fields(self)})

    def scale(self, valid: Tensor) -> Tensor:
        """Mean distance of the valid world points (B, V, H, W) from the origin: (B)."""
        return points_scale(self.world_points, valid)

    @property
    def z_depth(self) -> Tensor:
        """Third coordinate of the camera points: (B, V, H, W)."""
        return self.camera_points[..., 2]


@dataclass
class ViewLabels:
    """True geometry of scenes in the camera of view 0, and which pixels count.

    Args:
        geometry: true geometry, in metres where the scene is metric.
        valid: (B, V, H, W) bool, pixels with depth.
        non_ambiguous: (B, V, H, W) bool, False where there can be no depth, such as sky.
        is_metric: (B) bool, whether the scene's unit is the metre.
        is_synthetic: (B) bool, whether the depth is exact up to edges.
    """

    geometry: ViewGeometry
    valid: Tensor
    non_ambiguous: Tensor
    is_metric: Tensor
    is_synthetic: Tensor

    @classmethod
    def read(cls, labels: Mapping[str, Tensor], size: tuple[int, int, int, int]) -> "ViewLabels":
        """Complete a dictionary of labels for (B, V, H, W).

        Args:
            labels: `depth` (B, V, H, W) z depth in metres, 0 and NaN = unknown, negative = ambiguous such as sky;
                `intrinsics` (B, V, 3, 3) in pixels; `camera_to_world` (B, V, 4, 4) in any common world; optional
                `is_metric` (B), `is_synthetic` (B) and `non_ambiguous_mask` (B, V, H, W).

        Raises:
            ValueError: a label is missing, unknown, of another shape, or an intrinsic or pose is not finite.
        """
        expected = {
            "depth": size,
            "intrinsics": (*size[:2], 3, 3),
            "camera_to_world": (*size[:2], 4, 4),
            "is_metric": size[:1],
            "is_synthetic": size[:1],
            "non_ambiguous_mask": size,
        }
        missing = [name for name in ("depth", "intrinsics", "camera_to_world") if name not in labels]
        if missing or set(labels) - set(expected):
            raise ValueError(
                f"labels must hold depth, intrinsics and camera_to_world, and may hold {', '.join(list(expected)[3:])};"
                f" got {', '.join(labels) or 'nothing'}."
            )
        for name, tensor in labels.items():
            if tuple(tensor.shape) != expected[name]:
                raise ValueError(f"labels[{name!r}] must have shape {expected[name]}, got {tuple(tensor.shape)}.")
        for name in ("intrinsics", "camera_to_world"):
            if not torch.isfinite(labels[name]).all():
                raise ValueError(f"labels[{name!r}] holds numbers that are not finite.")
        depth = torch.nan_to_num(labels["depth"].float(), nan=0.0, posinf=0.0, neginf=0.0)
        poses = labels["camera_to_world"].float()
        rays = rays_of_intrinsics(labels["intrinsics"].float(), *size[2:])
        geometry = ViewGeometry.assemble(
            rays, depth.clamp(min=0) / rays[..., 2], matrix_to_quaternion(poses[..., :3, :3]), poses[..., :3, 3]
        )
        yes = torch.ones(size[0], dtype=torch.bool, device=depth.device)
        return cls(
            geometry=geometry.in_first_view(),
            valid=depth > 0,
            non_ambiguous=labels.get("non_ambiguous_mask", depth >= 0).bool(),
            is_metric=labels.get("is_metric", yes).bool(),
            is_synthetic=labels.get("is_synthetic", ~yes).bool(),
        )


def place_in_world(camera_points: Tensor, quaternions: Tensor, translations: Tensor) -> Tensor:
    """Points of cameras in the world: (B, V, H, W, 3), (B, V, 4), (B, V, 3) -> (B, V, H, W, 3)."""
    turned = rotate(quaternions, camera_points.flatten(2, 3)).view_as(camera_points)
    return turned + translations[:, :, None, None]


@dataclass
class RawViews:
    """Raw outputs of the heads, before any activation.

    Args:
        dense: (B, V, 6, H, W): ray 3, depth, confidence, mask.
        pose: (B, V, 7): translation 3, quaternion 4.
        scale: (B): logarithm of the metric scale.
    """

    dense: Tensor
    pose: Tensor
    scale: Tensor

    def geometry(self) -> ViewGeometry:
        """Geometry in the network's own unit, before the metric scale."""
        channels = self.dense.movedim(2, -1)
        return ViewGeometry.assemble(
            rays=normalize(channels[..., :3]),
            ray_depth=channels[..., 3].exp(),
            quaternions=normalize(self.pose[..., 3:]),
            translations=self.pose[..., :3],
        )

    def metric_scale(self) -> Tensor:
        """Metres per unit of the network: (B), at least 1e-8."""
        return self.scale.exp().clamp(min=1e-8)

    def confidence(self) -> Tensor:
        """Above 1, larger is surer: (B, V, H, W)."""
        return 1 + self.dense[:, :, 4].exp()

    def mask_logits(self) -> Tensor:
        """Positive where a point is usable: (B, V, H, W)."""
        return self.dense[:, :, 5]
