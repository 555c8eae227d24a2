# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Exact intersection of pinhole rays with boxes, spheres and upright cylinders.

A pixel (u, v) looks along `rotation @ (u, v, 1)`, so the ray parameter *is* the depth along the optical axis in metres
and every local ray direction is an affine function of u and v: a primitive costs a few element-wise operations over
the rectangle of the image that its bounding box covers, and nothing elsewhere.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .scenes import Primitive, Scene, Shape

NEAR = 0.05
SKY_ID, SHELL_ID = 255, 0

# Keeps 1 / direction finite: it vanishes in any direction component that is not exactly zero.
_TINY = 1e-20

Rectangle = tuple[int, int, int, int]
"""(top, bottom, left, right) in pixels, half open."""

_CORNER_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)


@dataclass(frozen=True)
class PixelGrid:
    """Tangents of the viewing angles at the sampled image columns `u` (W,) and rows `v` (H,), and at the borders."""

    u: Tensor
    v: Tensor
    tangent: float
    tangent_v: float

    @classmethod
    def at_centers(cls, size: int, fov: float, device: torch.device, aspect: float = 1.0) -> "PixelGrid":
        tangent = math.tan(fov / 2)
        centers = (torch.arange(size, dtype=torch.float64) + 0.5) * (2 / size) - 1
        u, v = ((centers * reach).float().to(device) for reach in (tangent, tangent / aspect))
        return cls(u, v, tangent, tangent / aspect)

    @property
    def shape(self) -> tuple[int, int]:
        return self.v.shape[0], self.u.shape[0]


@dataclass(frozen=True)
class RayFrame:
    """Where the rays start and how pixels map to directions (float64, world axes)."""

    origin: np.ndarray
    rotation: np.ndarray

    def reflect(self, point: np.ndarray, normal: np.ndarray) -> "RayFrame":
        """The camera behind a mirror through `point`: it sees at the same pixels what the mirror shows."""
        householder = np.eye(3) - 2 * np.outer(normal, normal)
        return RayFrame(
            self.origin - 2 * np.dot(self.origin - point, normal) * normal,
            householder @ self.rotation,
        )


def local_rotation(yaw: float) -> np.ndarray:
    """World to local axes of a primitive turned by `yaw`."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])


def part_rotation(part: Primitive) -> np.ndarray:
    """World to local axes of a primitive."""
    turn = local_rotation(part.yaw)
    if part.tilt == (0.0, 0.0):
        return turn
    (cos_x, cos_z), (sin_x, sin_z) = np.cos(part.tilt), np.sin(part.tilt)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos_x, sin_x], [0.0, -sin_x, cos_x]])
    about_z = np.array([[cos_z, sin_z, 0.0], [-sin_z, cos_z, 0.0], [0.0, 0.0, 1.0]])
    return about_x @ about_z @ turn


def corners_of(primitives: list[Primitive], margin: float = 0.0) -> np.ndarray:
    """World corners of the bounding boxes, grown by `margin` metres: (N, 8, 3)."""
    half = np.array([part.half for part in primitives]) + margin
    yaw = np.array([part.yaw for part in primitives])
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    local = _CORNER_SIGNS[None] * half[:, None]
    world = np.stack(
        [
            cos * local[..., 0] + sin * local[..., 2],
            local[..., 1],
            -sin * local[..., 0] + cos * local[..., 2],
        ],
        axis=-1,
    )
    for index, part in enumerate(primitives):
        if part.tilt != (0.0, 0.0):
            world[index] = local[index] @ part_rotation(part)
    return world + np.array([part.center for part in primitives])[:, None]


def covered_rectangles(hulls: np.ndarray, frame: RayFrame, grid: PixelGrid) -> list[Rectangle | None]:
    """Image rectangles that contain the convex hulls of (N, K, 3) world points; None where nothing is in view."""
    points = (hulls - frame.origin) @ frame.rotation
    first, second = np.triu_indices(points.shape[1], k=1)
    start, end = points[:, first], points[:, second]
    crosses = (start[..., 2] - NEAR) * (end[..., 2] - NEAR) < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(crosses, (NEAR - start[..., 2]) / (end[..., 2] - start[..., 2]), 0.0)[..., None]
    clipped = start + fraction * (end - start)
    candidates = np.concatenate([points, clipped], axis=1)
    visible = np.concatenate([points[..., 2] >= NEAR, crosses], axis=1)
    scale = np.where(visible, 1 / np.maximum(candidates[..., 2], NEAR), 0.0)[..., None]
    height, width = grid.shape
    size = np.array([width, height])
    pixels = (candidates[..., :2] * scale / (grid.tangent, grid.tangent_v) + 1) * size / 2
    low = np.where(visible[..., None], pixels, np.inf).min(axis=1)
    high = np.where(visible[..., None], pixels, -np.inf).max(axis=1)
    low = np.clip(np.floor(low - 1), 0, size)
    high = np.clip(np.ceil(high + 1), 0, size)
    rectangles: list[Rectangle | None] = []
    for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
        empty = left >= right or top >= bottom
        rectangles.append(None if empty else (int(top), int(bottom), int(left), int(right)))
    return rectangles


def shadow_hulls(corners: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Points whose hull holds every spot above y = 0 that (N, 8, 3) corners can keep from the light: (N, 16, 3).

    The light must stand above the corners; those that reach its height are pushed far away instead.
    """
    drop = np.maximum(light[1] - corners[..., 1:2], 1e-3)
    on_ground = light + (corners - light) * np.maximum(light[1] / drop, 1.0)
    return np.concatenate([corners, on_ground], axis=1)


def box_interval(origin: list, direction: list, half: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """Ray parameters where rays enter and leave a centred box; entry > exit where they miss it."""
    near = far = None
    for axis in range(3):
        inverse = direction[axis].add(_TINY).reciprocal_()
        middle = inverse * -origin[axis]
        reach = inverse.abs_().mul_(half[axis])
        enter, leave = middle - reach, middle.add_(reach)
        near = enter if near is None else torch.maximum(near, enter, out=near)
        far = leave if far is None else torch.minimum(far, leave, out=far)
    assert near is not None
    assert far is not None
    return near, far


def sphere_interval(origin: list, direction: list, radius: float) -> tuple[Tensor, Tensor]:
    """Ray parameters where rays enter and leave a centred sphere; NaN where they miss it."""
    return _round_interval(origin, direction, (0, 1, 2), radius)


def cylinder_interval(origin: list, direction: list, half: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """Ray parameters where rays enter and leave a centred upright cylinder; NaN or entry > exit: a miss."""
    near, far = _round_interval(origin, direction, (0, 2), half[0])
    inverse = direction[1].add(_TINY).reciprocal_()
    middle = inverse * -origin[1]
    reach = inverse.abs_().mul_(half[1])
    return torch.maximum(near, middle - reach), torch.minimum(far, middle + reach)


def _round_interval(origin: list, direction: list, axes: tuple[int, ...], radius: float) -> tuple[Tensor, Tensor]:
    length, along = _TINY, 0.0
    for axis in axes:
        length = direction[axis] * direction[axis] + length
        along = direction[axis] * origin[axis] + along
    assert isinstance(length, Tensor)
    inverse = length.reciprocal()
    closest = inverse * -along
    # The squared distance of the nearest point to the axis, not b^2 - 4ac, which cancels badly at 80 m.
    missed: float | Tensor = 0.0
    for axis in axes:
        offset = closest * direction[axis] + origin[axis]
        missed = offset * offset + missed
    reach = ((radius * radius - missed) * inverse).sqrt_()
    return closest - reach, closest + reach


def primitive_interval(part: Primitive, origin: list, direction: list) -> tuple[Tensor, Tensor]:
    """Entry and exit of rays given in the local frame of `part`; a miss is entry > exit or NaN."""
    if part.shape == Shape.BOX:
        return box_interval(origin, direction, part.half)
    if part.shape == Shape.SPHERE:
        return sphere_interval(origin, direction, part.half[0])
    if part.shape == Shape.ELLIPSOID:
        start, step = (
            [value * (1 / size) for value, size in zip(vector, part.half, strict=True)]
            for vector in (origin, direction)
        )
        return sphere_interval(start, step, 1.0)
    return cylinder_interval(origin, direction, part.half)


def affine_directions(matrix: np.ndarray, u: Tensor, v: Tensor) -> list[Tensor]:
    """`matrix @ (u, v, 1)` for all pixels of a grid: three (H, W) tensors."""
    rows = matrix.tolist()
    return [torch.add((u * row[0]).add_(row[2])[None, :], (v * row[1])[:, None]) for row in rows]


def cast_rays(
    scene: Scene,
    frame: RayFrame,
    grid: PixelGrid,
    behind: Tensor | None = None,
    window: Rectangle | None = None,
) -> tuple[Tensor, Tensor]:
    """Nearest hits: depth along the optical axis (H, W) in metres and what was hit (H, W) uint8.

    Ids: 0 the room or the ground, i + 1 the i-th primitive, 255 the sky (depth infinite). `behind` (H, W) ignores
    everything nearer than that depth; `window` limits the work to a part of the image, the rest stays unset.
    """
    height, width = grid.shape
    top, bottom, left, right = window or (0, height, 0, width)
    depth = torch.empty(height, width, device=grid.u.device)
    ids = torch.zeros(height, width, dtype=torch.uint8, device=grid.u.device)
    inner = (slice(top, bottom), slice(left, right))
    u, v = grid.u[left:right], grid.v[top:bottom]
    if scene.room_size is not None:
        half = np.array(scene.room_size) / 2
        origin = (frame.origin - half).tolist()
        _, far = box_interval(origin, affine_directions(frame.rotation, u, v), tuple(half.tolist()))
        depth[inner] = far
    else:
        falling = affine_directions(frame.rotation[1:2], u, v)[0]
        distance = torch.where(falling < -1e-9, -float(frame.origin[1]) / falling, torch.inf)
        depth[inner] = distance
        ids[inner].masked_fill_(distance == torch.inf, SKY_ID)
    if not scene.primitives:
        return depth, ids
    for index, (part, rectangle) in enumerate(
        zip(
            scene.primitives,
            covered_rectangles(corners_of(scene.primitives), frame, grid),
            strict=True,
        )
    ):
        if rectangle is None:
            continue
        top_, bottom_ = max(top, rectangle[0]), min(bottom, rectangle[1])
        left_, right_ = max(left, rectangle[2]), min(right, rectangle[3])
        if top_ >= bottom_ or left_ >= right_:
            continue
        turn = part_rotation(part)
        origin = (turn @ (frame.origin - np.array(part.center))).tolist()
        direction = affine_directions(turn @ frame.rotation, grid.u[left_:right_], grid.v[top_:bottom_])
        near, far = primitive_interval(part, origin, direction)
        here = (slice(top_, bottom_), slice(left_, right_))
        hit = (near <= far).logical_and_(near < depth[here])
        hit.logical_and_(near > (NEAR if behind is None else behind[here]))
        depth[here] = torch.where(hit, near, depth[here])
        ids[here].masked_fill_(hit, index + 1)
    return depth, ids
