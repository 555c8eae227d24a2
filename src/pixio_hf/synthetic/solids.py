# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Upright solids of which synthetic furniture and streets are put together; all sizes in metres."""

import math
from dataclasses import replace

from .scenes import Material, Primitive, Shape


def box(
    x: float,
    bottom: float,
    z: float,
    width: float,
    height: float,
    depth: float,
    material: Material,
    **kwargs,
) -> Primitive:
    """A box that stands at height `bottom`, centred at (x, z); sizes in metres."""
    return Primitive(
        Shape.BOX,
        (x, bottom + height / 2, z),
        (width / 2, height / 2, depth / 2),
        material,
        **kwargs,
    )


def cylinder(
    x: float,
    bottom: float,
    z: float,
    radius: float,
    height: float,
    material: Material,
    **kwargs,
) -> Primitive:
    """Upright cylinder that stands at `bottom`; lengths in metres."""
    return Primitive(
        Shape.CYLINDER,
        (x, bottom + height / 2, z),
        (radius, height / 2, radius),
        material,
        **kwargs,
    )


def sphere(x: float, y: float, z: float, radius: float, material: Material, **kwargs) -> Primitive:
    """Sphere around a point; lengths in metres."""
    return Primitive(Shape.SPHERE, (x, y, z), (radius, radius, radius), material, **kwargs)


def place(parts: list[Primitive], x: float, z: float, yaw: float, y: float = 0.0) -> list[Primitive]:
    """Turn `parts` about the vertical by `yaw` and move them to (x, y, z)."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    placed = []
    for part in parts:
        local_x, local_y, local_z = part.center
        center = (
            x + cos * local_x + sin * local_z,
            y + local_y,
            z - sin * local_x + cos * local_z,
        )
        placed.append(replace(part, center=center, yaw=part.yaw + yaw))
    return placed
