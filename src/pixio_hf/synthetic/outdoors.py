# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Random streets at one fixed world scale: a road along z, pavements, buildings, trees, poles, cars and people."""

import math

from .scenes import (
    Camera,
    Material,
    Primitive,
    Scene,
    Texture,
    Vector,
)
from .seeds import SeededDraws
from .solids import box, cylinder, place, sphere

OUTDOOR_MAX_DEPTH = 80.0
"""Outdoor pixels further away than this (metres), and the sky, have depth 0, that is no depth."""

_SUN_DISTANCE = 300.0
_HOUSE_COLORS: tuple[Vector, ...] = (
    (0.72, 0.5, 0.4),
    (0.8, 0.74, 0.62),
    (0.62, 0.62, 0.62),
    (0.82, 0.8, 0.76),
    (0.7, 0.62, 0.5),
)
_CAR_COLORS: tuple[Vector, ...] = (
    (0.75, 0.12, 0.1),
    (0.15, 0.25, 0.5),
    (0.85, 0.85, 0.86),
    (0.12, 0.12, 0.13),
    (0.55, 0.57, 0.6),
    (0.2, 0.4, 0.25),
)


def build_street(draws: SeededDraws) -> Scene:
    """A street seen from eye height; the sun casts the shadows and the sky has no depth."""
    camera = Camera(
        position=(draws.uniform(-4.6, 4.6), draws.uniform(1.55, 1.65), 0.0),
        yaw=math.radians(draws.uniform(-28, 28)),
        pitch=math.radians(draws.uniform(-12, 5)),
        roll=math.radians(draws.uniform(-1, 1)),
        fov=math.radians(draws.uniform(55, 75)),
    )
    primitives: list[Primitive] = []
    for side in (-1, 1):
        primitives += build_row(draws, side) if draws.chance(0.8) else build_trees_row(draws, side)
        primitives += build_pavement(draws, side)
    primitives += build_cars(draws)
    primitives = [part for part in primitives if _is_clear_of(part, camera.position)]
    bearing, elevation = (
        draws.uniform(-math.pi, math.pi),
        math.radians(draws.uniform(28, 60)),
    )
    sun = (
        _SUN_DISTANCE * math.cos(elevation) * math.sin(bearing),
        _SUN_DISTANCE * math.sin(elevation),
        _SUN_DISTANCE * math.cos(elevation) * math.cos(bearing),
    )
    return Scene(
        camera=camera,
        shell=_choose_ground(draws),
        light_position=sun,
        light_strength=draws.uniform(0.75, 0.95),
        ambient=draws.uniform(0.36, 0.46),
        light_falloff=math.inf,
        max_depth=OUTDOOR_MAX_DEPTH,
        sky_colors=(
            draws.color((0.82, 0.88, 0.94), 0.04),
            draws.color((0.42, 0.6, 0.88), 0.06),
        ),
        primitives=primitives,
    )


def _choose_ground(draws: SeededDraws) -> list[Material]:
    phase = draws.uniform(0, 60)
    grass, gray = draws.color((0.38, 0.5, 0.26), 0.05), draws.uniform(0.3, 0.42)
    darker: Vector = (grass[0] * 0.75, grass[1] * 0.8, grass[2] * 0.75)
    slab = draws.uniform(0.55, 0.68)
    return [
        Material(grass, darker, Texture.NOISE, (0.4, 0.4), phase),
        Material(
            (gray, gray, gray + 0.01),
            (gray * 0.85, gray * 0.85, gray * 0.86),
            Texture.NOISE,
            (0.5, 0.5),
            phase,
        ),
        Material(
            (slab, slab * 0.98, slab * 0.94),
            (slab * 0.6, slab * 0.6, slab * 0.6),
            Texture.TILES,
            (0.5, 0.5),
            0.3,
        ),
        Material((0.88, 0.88, 0.85)),
    ]


def _is_clear_of(part: Primitive, position: Vector) -> bool:
    reach = math.hypot(part.half[0], part.half[2])
    away = math.hypot(part.center[0] - position[0], part.center[2] - position[2])
    if reach < 3.5:
        return away > reach + 1.2
    return abs(part.center[0] - position[0]) > part.half[0] + 0.5


def build_row(draws: SeededDraws, side: int) -> list[Primitive]:
    """Houses along one side; storeys are 3 m high, windows 1.2 m wide."""
    parts, z = [], draws.uniform(-12, 4)
    setback = draws.uniform(6.2, 9.5)
    while z < 95 and len(parts) < 9:
        length, deep = draws.uniform(8, 18), draws.uniform(8, 12)
        height = 3.0 * draws.integer(2, 6) + 0.4
        color = draws.color(draws.choice(_HOUSE_COLORS), 0.05)
        texture = Material(
            color,
            (0.25, 0.32, 0.4),
            Texture.FACADE,
            (2.5, 3.0),
            float(draws.integer(0, 1)),
        )
        x = side * (setback + deep / 2 + draws.uniform(0, 0.6))
        parts.append(box(x, 0, z + length / 2, deep, height, length, texture))
        z += length + (draws.uniform(2, 8) if draws.chance(0.4) else 0.0)
    return parts


def build_tree(draws: SeededDraws, x: float, z: float) -> list[Primitive]:
    """A tree with a round crown, at (x, z)."""
    leaves = draws.color((0.24, 0.42, 0.18), 0.07)
    light: Vector = (leaves[0] + 0.14, leaves[1] + 0.16, leaves[2] + 0.08)
    radius, trunk = draws.uniform(1.1, 1.9), draws.uniform(2.2, 3.2)
    bark = Material(
        (0.36, 0.27, 0.2),
        (0.26, 0.19, 0.14),
        Texture.NOISE,
        (0.08, 0.4),
        draws.uniform(0, 60),
    )
    crown = Material(leaves, light, Texture.NOISE, (0.35, 0.35), draws.uniform(0, 60))
    return [
        cylinder(x, 0, z, draws.uniform(0.12, 0.22), trunk + 0.5, bark),
        sphere(x, trunk + radius * 0.8, z, radius, crown),
    ]


def build_trees_row(draws: SeededDraws, side: int) -> list[Primitive]:
    """Trees along one side (-1 or 1) of the road, instead of houses."""
    parts = []
    for _ in range(7):
        parts += build_tree(draws, side * draws.uniform(7.5, 22), draws.uniform(6, 75))
    return parts


def build_pavement(draws: SeededDraws, side: int) -> list[Primitive]:
    """Trees or lamp posts and people on the pavement of one side."""
    parts: list[Primitive] = []
    z, spacing = draws.uniform(3, 15), draws.uniform(10, 18)
    with_trees = draws.chance(0.5)
    metal = Material((0.35, 0.37, 0.38))
    while z < 80:
        if with_trees:
            parts += build_tree(draws, side * 4.6, z)
        else:
            parts.append(cylinder(side * 3.9, 0, z, 0.08, 6.0, metal))
            parts.append(box(side * 3.2, 5.9, z, 1.5, 0.1, 0.25, metal, casts_shadow=False))
        z += spacing
    for _ in range(draws.integer(0, 2)):
        x, z = side * draws.uniform(4.0, 5.6), draws.uniform(4, 30)
        coat, skin = (
            Material(draws.color((0.4, 0.35, 0.4), 0.3)),
            Material((0.8, 0.62, 0.52)),
        )
        parts += [cylinder(x, 0, z, 0.22, 1.48, coat), sphere(x, 1.6, z, 0.13, skin)]
    return parts


def build_cars(draws: SeededDraws) -> list[Primitive]:
    """Parked and oncoming cars: 4.2 m long, 1.75 m wide, 1.45 m high."""
    parts: list[Primitive] = []
    for lane in (-2.5, 2.5):
        z = draws.uniform(4, 18)
        for _ in range(draws.integer(1, 3)):
            paint = Material(draws.color(draws.choice(_CAR_COLORS), 0.04))
            glass, tyre = Material((0.16, 0.2, 0.24)), Material((0.06, 0.06, 0.06))
            car = [
                box(0, 0.3, 0, 1.75, 0.55, 4.2, paint),
                box(0, 0.85, -0.2, 1.5, 0.42, 2.2, glass),
                box(0, 1.27, -0.2, 1.45, 0.1, 2.0, paint),
                box(0, 0, 1.3, 1.7, 0.6, 0.6, tyre),
                box(0, 0, -1.3, 1.7, 0.6, 0.6, tyre),
            ]
            parts += place(car, lane, z, 0.0 if lane > 0 else math.pi)
            z += draws.uniform(7, 22)
    return parts
