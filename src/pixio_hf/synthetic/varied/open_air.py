# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Scenes under the sky: streets, squares, gardens, fields and hills."""

import math
from dataclasses import replace

from .. import outdoors
from ..scenes import Camera, Material, Scene, Texture
from ..seeds import SeededDraws
from ..solids import box, cylinder
from .arrangement import Thing, clear_view, put
from .cameras import draw_formation, draw_height, make_camera
from .furnishing import build_bin, build_box_pile, build_person
from .interiors import MAX_DEPTH, MAX_PARTS
from .materials import any_color, any_material, foliage, ground, repaint, shade, wall, wood
from .small_things import ellipsoid, scatter

_SUN_DISTANCE = 300.0


def build_open_air(draws: SeededDraws) -> Scene:
    """A street of version 1 with other materials, or a place with things around it."""
    street = draws.chance(0.3)
    height = draw_height(draws)
    x = draws.uniform(-4.6, 4.6) if street else 0.0
    yaw = math.radians(draws.uniform(-60, 60)) if street else 0.0
    pitch = math.radians(draws.uniform(-18, 8) if draws.chance(0.7) else draws.uniform(-40, 15))
    camera = make_camera(draws, (x, height, 0.0), yaw, pitch)
    things = _build_street(draws) if street else _build_place(draws)
    shell = [ground(draws) for _ in range(4)] if street else [ground(draws)] * 4
    return _finish(draws, camera, shell, things)


def _finish(draws: SeededDraws, camera: Camera, shell: list[Material], things: list[Thing]) -> Scene:
    bearing, elevation = draws.uniform(-math.pi, math.pi), math.radians(draws.uniform(12, 75))
    level = _SUN_DISTANCE * math.cos(elevation)
    sun = (level * math.sin(bearing), _SUN_DISTANCE * math.sin(elevation), level * math.cos(bearing))
    overcast = draws.chance(0.35)
    gray = draws.uniform(0.6, 0.95)
    pale = (gray, gray, min(1.0, gray + 0.03))
    blue = draws.color((0.42, 0.6, 0.88), 0.12)
    warm = draws.uniform(0, 0.25) if not overcast else 0.0
    return Scene(
        camera=camera,
        shell=shell,
        light_position=sun,
        light_strength=draws.uniform(0.1, 0.35) if overcast else draws.uniform(0.6, 1.3),
        ambient=draws.uniform(0.5, 0.8) if overcast else draws.uniform(0.2, 0.45),
        light_falloff=math.inf,
        max_depth=MAX_DEPTH,
        sky_colors=(pale, shade(pale, 0.95)) if overcast else (draws.color((0.85, 0.88, 0.92), 0.08), blue),
        primitives=clear_view(things, camera, MAX_PARTS, nearest=0.4),
        light_color=(1 + warm * 0.5, 1.0, 1 - warm),
        ambient_color=(0.95, 1.0, 1.12),
        haze=draws.uniform(0.001, 0.02) if draws.chance(0.4) else 0.0,
        cloudiness=draws.uniform(0.2, 0.9) if draws.chance(0.6) else 0.0,
        formation=draw_formation(draws),
    )


def _build_street(draws: SeededDraws) -> list[Thing]:
    parts = []
    for side in (-1, 1):
        build = outdoors.build_row if draws.chance(0.75) else outdoors.build_trees_row
        parts += build(draws, side) + outdoors.build_pavement(draws, side)
    parts += outdoors.build_cars(draws)
    return [[part] for part in repaint(parts, draws, 0.35)]


def _build_place(draws: SeededDraws) -> list[Thing]:
    """Houses, trees, hedges, fences, rocks, hills and small things around the origin, most of them before it (+z)."""
    things: list[Thing] = []
    near = draws.uniform(1.5, 12.0)
    for _ in range(draws.integer(1, 4) if draws.chance(0.7) else 0):
        things.append(_somewhere(draws, build_house(draws), near + 4, 60, 60))
    for _ in range(draws.integer(0, 2) if draws.chance(0.4) else 0):
        hill = ellipsoid(0, -2, 0, (draws.uniform(10, 60), draws.uniform(4, 20), draws.uniform(10, 40)), ground(draws))
        things.append(_somewhere(draws, [replace(hill, casts_shadow=False)], 50, 110, 60))
    for _ in range(draws.integer(0, 3)):
        things.append(_somewhere(draws, build_barrier(draws), near, 25, 50))
    tree = _build_crown if draws.chance(0.7) else _build_fir
    for _ in range(draws.integer(1, 9)):
        things.append(_somewhere(draws, tree(draws), near + 1, 45, 50))
    for _ in range(draws.integer(1, 6)):
        builder = draws.choice(
            (_build_bush, _build_rock, build_person, build_box_pile, build_bin, _build_post, _build_car)
        )
        built = builder(draws)
        things.append(_somewhere(draws, built if isinstance(built, list) else built.parts, near * 0.5, 20, 45))
    for thing in scatter(draws, 0.0, 0.0, draws.integer(1, 6) if draws.chance(0.5) else 0):
        things.append(_somewhere(draws, thing, 0.5, 3.0, 35))
    return things


def _somewhere(draws: SeededDraws, thing: Thing, nearest: float, farthest: float, spread: float) -> Thing:
    """Put a thing at a distance of `nearest` to `farthest` metres, within `spread` degrees of the view's axis."""
    distance = nearest * (farthest / nearest) ** draws.uniform() if farthest > nearest else nearest
    bearing = math.radians(draws.uniform(-spread, spread))
    return put(thing, distance * math.sin(bearing), distance * math.cos(bearing), draws.uniform(0, 2 * math.pi))


def build_house(draws: SeededDraws) -> Thing:
    """A house with windows, under a flat or a pitched roof."""
    width, depth = draws.uniform(5, 16), draws.uniform(5, 12)
    height = 3.0 * draws.integer(1, 4)
    color = any_color(draws)
    facade = Material(
        color, shade(any_color(draws), 0.5), Texture.FACADE, (draws.uniform(1.6, 3.5), 3.0), draws.uniform()
    )
    parts = [box(0, 0, 0, width, height, depth, facade if draws.chance(0.75) else wall(draws))]
    parts.append(box(0, 0, depth / 2 + 0.03, 1.0, 2.1, 0.1, wood(draws), casts_shadow=False))
    if draws.chance(0.6):
        roof, slope = any_material(draws, 2.0), draws.uniform(0.3, 0.8)
        half = depth / 2 / math.cos(slope) + 0.3
        for side in (-1, 1):
            slab = box(0, height, side * depth / 4, width + 0.6, 0.2, half, roof)
            center = (0.0, height + depth / 4 * math.tan(slope), side * depth / 4)
            parts.append(replace(slab, center=center, tilt=(-side * slope, 0.0)))
    return parts


def build_barrier(draws: SeededDraws) -> Thing:
    """A fence of posts and bars, a hedge or a wall."""
    length, height = draws.uniform(3, 20), draws.uniform(0.6, 2.2)
    kind = draws.uniform()
    if kind < 0.35:
        return [box(0, 0, 0, length, height, draws.uniform(0.1, 0.4), wall(draws))]
    if kind < 0.6:
        return [box(0, 0, 0, length, height, draws.uniform(0.5, 1.2), foliage(draws))]
    material, posts = wood(draws), draws.integer(3, 9)
    parts = [
        box((number / (posts - 1) - 0.5) * length, 0, 0, 0.1, height, 0.1, material, casts_shadow=number % 2 == 0)
        for number in range(posts)
    ]
    return parts + [box(0, height * share, 0, length, 0.09, 0.04, material) for share in (0.35, 0.6, 0.85)]


def _build_crown(draws: SeededDraws) -> Thing:
    """A tree of some ellipsoids of leaves."""
    trunk, radius = draws.uniform(1.2, 4.0), draws.uniform(0.8, 2.5)
    bark, leaves = wood(draws), foliage(draws)
    parts = [cylinder(0, 0, 0, draws.uniform(0.06, 0.3), trunk + radius, bark)]
    for _ in range(draws.integer(2, 5)):
        half = draws.triple(0.5 * radius, radius)
        x, z = draws.uniform(-0.6, 0.6) * radius, draws.uniform(-0.6, 0.6) * radius
        parts.append(ellipsoid(x, trunk + radius * draws.uniform(0.2, 1.2), z, half, leaves))
    return parts


def _build_fir(draws: SeededDraws) -> Thing:
    """A slender tree."""
    height, leaves = draws.uniform(2, 9), foliage(draws)
    slender = draws.uniform(0.12, 0.25) * height
    return [
        cylinder(0, 0, 0, 0.12, height * 0.3, wood(draws)),
        ellipsoid(0, height * 0.55, 0, (slender, height * 0.45, slender), leaves),
    ]


def _build_bush(draws: SeededDraws) -> Thing:
    leaves = foliage(draws)
    return [
        ellipsoid(
            draws.uniform(-0.4, 0.4),
            0.2,
            draws.uniform(-0.4, 0.4),
            draws.triple(0.2, 0.8),
            leaves,
        )
        for _ in range(draws.integer(1, 4))
    ]


def _build_rock(draws: SeededDraws) -> Thing:
    half = draws.triple(0.15, 1.2)
    rock = ellipsoid(0, 0.1, 0, half, any_material(draws, 0.6))
    return [replace(rock, tilt=(draws.uniform(-0.4, 0.4), draws.uniform(-0.4, 0.4)))]


def _build_post(draws: SeededDraws) -> Thing:
    """A lamp post or a sign."""
    height, metal = draws.uniform(1.5, 6), wood(draws)
    parts = [cylinder(0, 0, 0, draws.uniform(0.03, 0.12), height, metal)]
    parts.append(
        box(0, height - 0.3, 0, draws.uniform(0.3, 1.2), draws.uniform(0.1, 0.9), 0.05, any_material(draws, 0.5))
    )
    return parts


def _build_car(draws: SeededDraws) -> Thing:
    """The first car of version 1's street, at the origin."""
    car = outdoors.build_cars(draws)[:5]
    x, z = car[0].center[0], car[0].center[2]
    return repaint(
        [replace(part, center=(part.center[0] - x, part.center[1], part.center[2] - z)) for part in car], draws, 0.5
    )
