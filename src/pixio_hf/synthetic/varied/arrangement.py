# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Put things somewhere, heap them, stretch them, and keep them out of the camera's way."""

import math
from dataclasses import replace

import numpy as np

from ..raycasting import corners_of, part_rotation
from ..scenes import Camera, Primitive, Shape, Vector

NEAREST = 0.3
"""Nothing is nearer to the camera than this, in metres."""
# Half size over distance.
_SMALLEST = 0.004
_MAX_CASTERS = 14

Thing = list[Primitive]
"""Solids that belong together: what is in the camera's way goes as a whole."""


def put(thing: Thing, x: float, z: float, yaw: float = 0.0, y: float = 0.0) -> Thing:
    """Turn a thing about the vertical and move it. What is round about the vertical keeps its axes, as shadows need it."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    placed = []
    for part in thing:
        local_x, local_y, local_z = part.center
        center = (x + cos * local_x + sin * local_z, y + local_y, z - sin * local_x + cos * local_z)
        is_round = part.shape in (Shape.SPHERE, Shape.CYLINDER) and part.tilt == (0.0, 0.0)
        turned = 0.0 if is_round else part.yaw + yaw
        # The constructor, which is much faster than dataclasses.replace.
        placed.append(
            Primitive(
                part.shape, center, part.half, part.material, turned, part.casts_shadow, part.is_mirror, part.tilt
            )
        )
    return placed


def lay_down(part: Primitive, tilt: tuple[float, float], floor: float) -> Primitive:
    """Tilt a solid and let it down until its lowest corner is at the height `floor`."""
    tilted = replace(part, tilt=tilt)
    if part.shape == Shape.ELLIPSOID or part.shape == Shape.SPHERE:
        lowest = -float(np.linalg.norm(part_rotation(tilted)[:, 1] * part.half))
    elif part.shape == Shape.CYLINDER:
        axis = part_rotation(tilted)[1, 1]
        lowest = -(part.half[1] * abs(axis) + part.half[0] * math.sqrt(max(0.0, 1 - axis * axis)))
    else:
        lowest = float(corners_of([tilted])[0, :, 1].min()) - part.center[1]
    return replace(tilted, center=(part.center[0], floor - lowest, part.center[2]))


def stretch(thing: Thing, factors: Vector) -> Thing:
    """Scale a thing that stands around the origin; what is round keeps one radius."""
    stretched = []
    for part in thing:
        center = [value * factor for value, factor in zip(part.center, factors, strict=True)]
        half = [value * factor for value, factor in zip(part.half, factors, strict=True)]
        if part.shape == Shape.SPHERE:
            half = [min(half)] * 3
        elif part.shape == Shape.CYLINDER:
            half = [min(half[0], half[2]), half[1], min(half[0], half[2])]
        stretched.append(replace(part, center=tuple(center), half=tuple(half)))
    return stretched


def distance_to(part: Primitive, position: Vector) -> float:
    """Metres from a point to the bounding box of a solid; 0 inside."""
    local = part_rotation(part) @ (np.array(position) - np.array(part.center))
    return float(np.linalg.norm(np.maximum(np.abs(local) - np.array(part.half), 0.0)))


def clear_view(things: list[Thing], camera: Camera, limit: int, nearest: float = NEAREST) -> list[Primitive]:
    """Solids of all things that keep their distance from the camera; at most `limit`, the first ones first.

    What stands behind the camera or is smaller than a pixel is left out, and only what looks largest throws a shadow:
    the rest would cost time and hardly be seen.
    """
    forward = [row[2] for row in camera.rotation()]
    kept: list[Primitive] = []
    apparent: list[float] = []
    for thing in things:
        sizes: list[float] = []
        seen: Thing = []
        for part in thing:
            offset = [value - start for value, start in zip(part.center, camera.position, strict=True)]
            reach = math.hypot(*part.half)
            distance = math.hypot(*offset)
            ahead = sum(value * axis for value, axis in zip(offset, forward, strict=True)) > -reach
            if not ahead or max(part.half) < _SMALLEST * distance:
                continue
            if distance < reach + nearest and distance_to(part, camera.position) < nearest:
                seen, sizes = [], []
                break
            seen.append(part)
            sizes.append(max(part.half) / distance if part.casts_shadow else 0.0)
        if len(kept) + len(seen) <= limit:
            kept += seen
            apparent += sizes
    least = sorted(apparent, reverse=True)[:_MAX_CASTERS][-1:] or [0.0]
    return [
        replace(part, casts_shadow=False) if part.casts_shadow and size < least[0] else part
        for part, size in zip(kept, apparent, strict=True)
    ]
