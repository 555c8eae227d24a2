# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What every pixel shows: cast rays, then follow those that meet a mirror once more."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .raycasting import (
    PixelGrid,
    RayFrame,
    Rectangle,
    affine_directions,
    cast_rays,
    corners_of,
    covered_rectangles,
    part_rotation,
)
from .scenes import Primitive, Scene

# Where sky pixels are put for shading, metres; finite so that no arithmetic overflows.
_SKY_DISTANCE = 1e4


@dataclass(frozen=True)
class TracedImage:
    """What each pixel of an image sees.

    `depth` (H, W) in metres of the surface itself (a mirror's panel), infinite for the sky; `points` three (H, W)
    and `ids` (H, W) of what is seen there (in a mirror: the reflected thing); `views` the frames that see the scene,
    each with the part of the image it fills; `mirrored` (H, W) bool or None.
    """

    depth: Tensor
    ids: Tensor
    points: list[Tensor]
    views: list[tuple[RayFrame, Rectangle | None]]
    mirrored: Tensor | None


def trace_image(scene: Scene, grid: PixelGrid) -> TracedImage:
    """Cast one ray per sample of `grid`, and a second one where it meets the front of a mirror."""
    frame = RayFrame(np.array(scene.camera.position), np.array(scene.camera.rotation()))
    depth, ids = cast_rays(scene, frame, grid)
    points = _points_along(frame, grid, depth)
    views: list[tuple[RayFrame, Rectangle | None]] = [(frame, None)]
    mirrored = None
    for index, part in enumerate(scene.primitives):
        if not part.is_mirror:
            continue
        rectangle = covered_rectangles(corners_of([part]), frame, grid)[0]
        normal, front = _mirror_plane(part)
        if rectangle is None or np.dot(frame.origin - front, normal) <= 0:
            continue
        here = (slice(rectangle[0], rectangle[1]), slice(rectangle[2], rectangle[3]))
        height = sum(points[axis][here] * float(normal[axis]) for axis in range(3)) - float(normal @ front)
        seen = (ids[here] == index + 1) & (height > -1e-3)
        reflected = frame.reflect(front, normal)
        beyond, reflected_ids = cast_rays(scene, reflected, grid, behind=depth + 1e-3, window=rectangle)
        window = PixelGrid(grid.u[here[1]], grid.v[here[0]], grid.tangent, grid.tangent_v)
        for axis, coordinate in enumerate(_points_along(reflected, window, beyond[here])):
            points[axis][here] = torch.where(seen, coordinate, points[axis][here])
        ids[here] = torch.where(seen, reflected_ids[here], ids[here])
        mirrored = torch.zeros_like(ids, dtype=torch.bool) if mirrored is None else mirrored
        mirrored[here] |= seen
        views.append((reflected, rectangle))
    return TracedImage(depth, ids, points, views, mirrored)


def _points_along(frame: RayFrame, grid: PixelGrid, depth: Tensor) -> list[Tensor]:
    reach = depth.clamp(max=_SKY_DISTANCE)
    directions = affine_directions(frame.rotation, grid.u, grid.v)
    return [
        direction.mul_(reach).add_(float(start)) for direction, start in zip(directions, frame.origin, strict=True)
    ]


def _mirror_plane(part: Primitive) -> tuple[np.ndarray, np.ndarray]:
    """Normal of the front (+z) face and its centre."""
    normal = part_rotation(part).T @ np.array([0.0, 0.0, 1.0])
    return normal, np.array(part.center) + part.half[2] * normal
