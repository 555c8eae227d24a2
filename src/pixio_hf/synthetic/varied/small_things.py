# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Things that lie on tables, shelves and floors: 3 to 50 cm, standing around the origin."""

import math
from collections.abc import Callable
from dataclasses import replace

from ..scenes import Material, Primitive, Shape
from ..seeds import SeededDraws
from ..solids import box, cylinder, sphere
from .arrangement import Thing, lay_down, put
from .materials import any_color, any_material, foliage, photograph, shade, wood


def ellipsoid(
    x: float, y: float, z: float, half: tuple[float, float, float], material: Material, **kwargs
) -> Primitive:
    """Ellipsoid around a point; lengths in metres."""
    return Primitive(Shape.ELLIPSOID, (x, y, z), half, material, **kwargs)


def build_carton(draws: SeededDraws) -> Thing:
    """A closed box, upright, lying or leaning; often printed."""
    sides = draws.triple(0.03, 0.35)
    printed = photograph(draws) if draws.chance(0.5) else any_material(draws, max(sides))
    carton = box(0, 0, 0, sides[0], sides[1], sides[2], printed)
    if draws.chance(0.15):
        carton = lay_down(carton, (draws.uniform(-0.6, 0.6), draws.uniform(-0.6, 0.6)), 0.0)
    return [carton]


def build_can(draws: SeededDraws) -> Thing:
    """A can, a roll or a drum; sometimes on its side."""
    radius = draws.uniform(0.02, 0.09)
    height = radius * draws.uniform(0.5, 4.0)
    can = cylinder(0, 0, 0, radius, height, any_material(draws, height))
    return [lay_down(can, (math.pi / 2, 0.0), 0.0)] if draws.chance(0.25) else [can]


def build_bottle(draws: SeededDraws) -> Thing:
    """A bottle: body, neck and cap."""
    radius, height = draws.uniform(0.02, 0.06), draws.uniform(0.1, 0.28)
    body, cap = any_material(draws, height), Material(any_color(draws))
    neck = radius * draws.uniform(0.3, 0.6)
    parts = [cylinder(0, 0, 0, radius, height * 0.68, body), cylinder(0, height * 0.68, 0, neck, height * 0.24, body)]
    parts.append(ellipsoid(0, height * 0.68, 0, (radius, radius * 0.7, radius), body, casts_shadow=False))
    return [*parts, cylinder(0, height * 0.92, 0, neck * 1.15, height * 0.08, cap, casts_shadow=False)]


def build_mug(draws: SeededDraws) -> Thing:
    """A mug, glass or flower pot with a dark inside."""
    radius, height = draws.uniform(0.03, 0.08), draws.uniform(0.06, 0.18)
    material = any_material(draws, height)
    parts = [cylinder(0, 0, 0, radius, height, material)]
    inside = Material(shade(any_color(draws), 0.4))
    parts.append(cylinder(0, height, 0, radius * 0.85, 0.001, inside, casts_shadow=False))
    if draws.chance(0.6):
        parts.append(box(radius + 0.012, height * 0.25, 0, 0.03, height * 0.5, 0.012, material, casts_shadow=False))
    return parts


def build_fruit(draws: SeededDraws) -> Thing:
    """One to four round things."""
    material, parts = any_material(draws, 0.1), []
    for number in range(draws.integer(1, 4)):
        half = draws.triple(0.02, 0.07)
        x = number * 0.1 - 0.1
        parts.append(ellipsoid(x, half[1], draws.uniform(-0.05, 0.05), half, material, yaw=draws.uniform(0, 3)))
    return parts


def build_ball(draws: SeededDraws) -> Thing:
    """A ball."""
    radius = draws.uniform(0.03, 0.16)
    return [sphere(0, radius, 0, radius, any_material(draws, radius))]


def build_bowl(draws: SeededDraws) -> Thing:
    """A bowl or plate, seen as a flat ellipsoid with a filling."""
    radius, height = draws.uniform(0.06, 0.16), draws.uniform(0.015, 0.09)
    parts = [cylinder(0, 0, 0, radius * 0.6, height * 0.5, any_material(draws, radius))]
    rim = replace(parts[0].material)
    parts.append(cylinder(0, height * 0.5, 0, radius, height * 0.5, rim))
    parts.append(cylinder(0, height, 0, radius * 0.9, 0.001, any_material(draws, radius), casts_shadow=False))
    return parts


def build_books(draws: SeededDraws) -> Thing:
    """A pile of books or papers."""
    parts, height = [], 0.0
    wide, deep = draws.uniform(0.1, 0.3), draws.uniform(0.12, 0.3)
    for _ in range(draws.integer(1, 5)):
        thick = draws.uniform(0.003, 0.045)
        cover = photograph(draws) if draws.chance(0.6) else any_material(draws, wide)
        size_x, size_z = wide * draws.uniform(0.75, 1.0), deep * draws.uniform(0.75, 1.0)
        parts.append(box(0, height, 0, size_x, thick, size_z, cover, yaw=draws.uniform(-0.4, 0.4)))
        height += thick
    return parts


def build_screen(draws: SeededDraws) -> Thing:
    """A monitor on its foot, or a laptop."""
    dark = Material(shade((0.5, 0.5, 0.52), draws.uniform(0.1, 1.4)))
    picture = photograph(draws) if draws.chance(0.6) else Material(shade((1.0, 1.0, 1.0), draws.uniform(0.03, 0.2)))
    width = draws.uniform(0.28, 0.65)
    height = width * draws.uniform(0.55, 0.7)
    if draws.chance(0.35):
        lid = box(0, 0.02, -0.12, width, height, 0.012, dark)
        shown = box(0, 0.03, -0.112, width * 0.94, height * 0.9, 0.004, picture, casts_shadow=False)
        return [box(0, 0, 0, width, 0.018, 0.24, dark), replace(lid, tilt=(0.3, 0.0)), replace(shown, tilt=(0.3, 0.0))]
    lift = draws.uniform(0.06, 0.2)
    return [
        box(0, 0, 0, width * 0.4, 0.015, 0.18, dark),
        box(0, 0.01, -0.03, 0.05, lift + 0.05, 0.03, dark, casts_shadow=False),
        box(0, lift, 0, width, height, 0.03, dark),
        box(0, lift + 0.015, 0.016, width * 0.95, height * 0.92, 0.002, picture, casts_shadow=False),
    ]


def build_keyboard(draws: SeededDraws) -> Thing:
    """A keyboard, a box of sweets, a tray: flat, with a pattern."""
    return [
        box(
            0,
            0,
            0,
            draws.uniform(0.2, 0.5),
            draws.uniform(0.008, 0.03),
            draws.uniform(0.1, 0.3),
            any_material(draws, 0.1),
        )
    ]


def build_lamp(draws: SeededDraws) -> Thing:
    """A desk lamp with a tilted arm."""
    metal, height = Material(any_color(draws)), draws.uniform(0.25, 0.5)
    arm = replace(cylinder(0, 0.02, 0, 0.012, height, metal), tilt=(draws.uniform(-0.5, 0.5), 0.0))
    shade_ = cylinder(0, height - 0.02, 0, draws.uniform(0.06, 0.12), 0.12, any_material(draws, 0.1))
    return [cylinder(0, 0, 0, 0.09, 0.02, metal), arm, shade_]


def build_bag(draws: SeededDraws) -> Thing:
    """A bag, a cushion or crumpled cloth: two or three soft lumps."""
    material, parts = any_material(draws, 0.3), []
    for _ in range(draws.integer(1, 3)):
        half = (draws.uniform(0.06, 0.25), draws.uniform(0.04, 0.2), draws.uniform(0.05, 0.2))
        x, z = draws.uniform(-0.1, 0.1), draws.uniform(-0.1, 0.1)
        parts.append(ellipsoid(x, half[1] * 0.85, z, half, material, yaw=draws.uniform(0, 3)))
    return parts


def build_pot_plant(draws: SeededDraws) -> Thing:
    """A small plant: some ellipsoids of leaves over a pot."""
    radius, height = draws.uniform(0.04, 0.12), draws.uniform(0.08, 0.2)
    parts, leaves = [cylinder(0, 0, 0, radius, height, any_material(draws, radius))], foliage(draws)
    for _ in range(draws.integer(2, 5)):
        half = (draws.uniform(0.02, 0.1), draws.uniform(0.05, 0.16), draws.uniform(0.02, 0.08))
        leaf = ellipsoid(draws.uniform(-0.08, 0.08), height + half[1] * 0.8, draws.uniform(-0.08, 0.08), half, leaves)
        parts.append(replace(leaf, tilt=(draws.uniform(-0.7, 0.7), draws.uniform(-0.7, 0.7))))
    return parts


def build_tool(draws: SeededDraws) -> Thing:
    """A handle and a head, lying: a tool, a pan, a toy."""
    handle = cylinder(0, 0, 0, draws.uniform(0.008, 0.025), draws.uniform(0.08, 0.3), any_material(draws, 0.1))
    handle = lay_down(handle, (math.pi / 2, 0.0), 0.0)
    reach = handle.half[1]
    if draws.chance(0.5):
        head = cylinder(0, 0, reach, draws.uniform(0.03, 0.12), draws.uniform(0.02, 0.07), any_material(draws, 0.1))
    else:
        width, height, depth = draws.triple(0.02, 0.15)
        head = box(0, 0, reach, width, height, depth, any_material(draws, 0.1))
    return [handle, head]


def build_open_box(draws: SeededDraws) -> Thing:
    """An open box or bin with things in it."""
    wide, deep, tall = draws.uniform(0.15, 0.5), draws.uniform(0.15, 0.4), draws.uniform(0.05, 0.3)
    material = any_material(draws, 0.3)
    parts = build_tray(wide, deep, tall, 0.008, material)
    for _ in range(draws.integer(0, 3)):
        reach_x, reach_z = wide / 2 - 0.05, deep / 2 - 0.05
        inside = draws.choice((build_carton, build_can, build_ball, build_fruit))(draws)[:1]
        parts += put(
            inside, draws.uniform(-reach_x, reach_x), draws.uniform(-reach_z, reach_z), draws.uniform(0, 3), 0.01
        )
    return parts


def build_tray(wide: float, deep: float, tall: float, thick: float, material: Material) -> Thing:
    """A bottom and four walls; lengths in metres."""
    return [
        box(0, 0, 0, wide, thick, deep, material),
        box(-wide / 2, 0, 0, thick, tall, deep, material),
        box(wide / 2, 0, 0, thick, tall, deep, material),
        box(0, 0, -deep / 2, wide, tall, thick, material),
        box(0, 0, deep / 2, wide, tall, thick, material),
    ]


def build_block_figure(draws: SeededDraws) -> Thing:
    """Three to six blocks of one or two materials grown together: anything that has no name."""
    materials = [any_material(draws, 0.2) for _ in range(2)]
    parts, top = [], 0.0
    for _ in range(draws.integer(2, 5)):
        sides = draws.triple(0.02, 0.16)
        x, z = draws.uniform(-0.05, 0.05), draws.uniform(-0.05, 0.05)
        turned = draws.uniform(-0.5, 0.5)
        if draws.chance(0.6):
            parts.append(box(x, top, z, sides[0], sides[1], sides[2], draws.choice(materials), yaw=turned))
        else:
            parts.append(cylinder(x, top, z, sides[0] / 2, sides[1], draws.choice(materials)))
        top += sides[1] * draws.uniform(0.5, 1.0)
    return parts


SMALL_THINGS: tuple[Callable[[SeededDraws], Thing], ...] = (
    *(
        build_carton,
        build_carton,
        build_carton,
        build_can,
        build_can,
        build_bottle,
        build_bottle,
        build_mug,
        build_mug,
    ),
    *(
        build_fruit,
        build_ball,
        build_bowl,
        build_books,
        build_books,
        build_screen,
        build_keyboard,
        build_lamp,
        build_bag,
    ),
    *(build_pot_plant, build_tool, build_tool, build_open_box, build_block_figure, build_block_figure),
)


def scatter(draws: SeededDraws, half_x: float, half_z: float, count: int, y: float = 0.0) -> list[Thing]:
    """Small things at random places of a rectangle around the origin, at the height `y`; they may touch."""
    things = []
    for _ in range(count):
        thing = draws.choice(SMALL_THINGS)(draws)
        things.append(
            put(thing, draws.uniform(-half_x, half_x), draws.uniform(-half_z, half_z), draws.uniform(0, 6.3), y)
        )
    return things


def build_wooden_board(draws: SeededDraws) -> Thing:
    """A long board or pole that leans backwards."""
    height = draws.uniform(0.8, 2.2)
    board = box(0, 0, 0, draws.uniform(0.02, 0.9), height, draws.uniform(0.01, 0.06), wood(draws))
    return [lay_down(board, (draws.uniform(0.05, 0.35), 0.0), 0.0)]
