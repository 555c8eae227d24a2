# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Large things of version 2: version 1's furniture stretched and repainted, and more of offices, halls and store rooms."""

import math
from collections.abc import Callable
from dataclasses import replace

from ...synthetic import furniture
from ..furniture import Piece
from ..scenes import Material, Primitive
from ..seeds import SeededDraws
from ..solids import box, cylinder, sphere
from .arrangement import Thing, put, stretch
from .materials import any_color, any_material, fabric, photograph, repaint, shade, wood
from .small_things import build_wooden_board, ellipsoid, scatter


def _build_chair(draws: SeededDraws) -> Piece:
    return furniture.build_chair(draws, wood(draws))


def build_office_chair(draws: SeededDraws) -> Piece:
    """A chair on one foot, turned anyhow."""
    cloth, metal = fabric(draws), Material(shade((0.5, 0.5, 0.5), draws.uniform(0.1, 1.6)))
    seat, turned = draws.uniform(0.42, 0.52), draws.uniform(0, 2 * math.pi)
    parts = [
        box(0, seat, 0, 0.48, 0.08, 0.46, cloth),
        replace(box(0, seat + 0.18, -0.23, 0.44, draws.uniform(0.3, 0.6), 0.06, cloth), tilt=(-0.12, 0.0)),
        cylinder(0, 0.08, 0, 0.03, seat - 0.08, metal),
    ]
    for number in range(3):
        parts.append(box(0, 0.04, 0, 0.6, 0.05, 0.05, metal, yaw=number * math.pi / 3, casts_shadow=number == 0))
    return Piece(put(parts, 0, 0, turned), 0.62, 0.62)


def build_desk(draws: SeededDraws) -> Piece:
    """A desk or work bench, with things on it."""
    width, depth, height = draws.uniform(1.0, 2.0), draws.uniform(0.55, 0.9), draws.uniform(0.65, 0.95)
    top, legs = wood(draws), wood(draws)
    parts = [box(0, height - 0.03, 0, width, 0.03, depth, top)]
    if draws.chance(0.5):
        parts += [box(side * (width / 2 - 0.03), 0, 0, 0.04, height - 0.03, depth * 0.9, legs) for side in (-1, 1)]
    else:
        parts.append(box(width / 2 - 0.25, 0, 0, 0.42, height - 0.03, depth * 0.9, legs))
        parts.append(box(-width / 2 + 0.05, 0, 0, 0.05, height - 0.03, 0.05, legs))
    for thing in scatter(draws, width / 2 - 0.15, depth / 2 - 0.12, draws.integer(1, 5), height):
        parts += thing
    return Piece(parts, width, depth)


def build_box_pile(draws: SeededDraws) -> Piece:
    """Cartons or crates on top of each other."""
    side, top, parts = draws.uniform(0.3, 0.7), 0.0, []
    for _ in range(draws.integer(1, 4)):
        wide, tall, deep = side * draws.uniform(0.6, 1.0), draws.uniform(0.15, 0.55), side * draws.uniform(0.6, 1.0)
        printed = photograph(draws) if draws.chance(0.4) else any_material(draws, side)
        parts.append(box(0, top, 0, wide, tall, deep, printed, yaw=draws.uniform(-0.25, 0.25)))
        top += tall
    return Piece(parts, side, side)


def build_whiteboard(draws: SeededDraws) -> Piece:
    """A board on legs with castors."""
    width, bottom = draws.uniform(0.9, 1.9), draws.uniform(0.5, 1.0)
    shown = photograph(draws) if draws.chance(0.5) else Material(shade((0.9, 0.9, 0.9), draws.uniform(0.4, 1.0)))
    metal = Material(shade((0.6, 0.6, 0.62), draws.uniform(0.2, 1.4)))
    parts = [box(0, bottom, 0, width, draws.uniform(0.7, 1.2), 0.04, shown)]
    for side in (-1, 1):
        x = side * (width / 2 - 0.08)
        parts.append(box(x, 0.08, 0, 0.04, bottom + 0.4, 0.03, metal, casts_shadow=False))
        parts.append(box(x, 0.05, 0, 0.05, 0.04, 0.6, metal))
    return Piece(parts, width, 0.6)


def build_rack(draws: SeededDraws) -> Piece:
    """An open rack of boards with things on them."""
    width, depth, height = draws.uniform(0.7, 1.6), draws.uniform(0.35, 0.6), draws.uniform(1.2, 2.2)
    posts, boards = Material(any_color(draws)), wood(draws)
    parts = [
        box(x * (width / 2 - 0.02), 0, z * (depth / 2 - 0.02), 0.04, height, 0.04, posts, casts_shadow=x > 0)
        for x in (-1, 1)
        for z in (-1, 1)
    ]
    levels = draws.integer(3, 5)
    for level in range(levels):
        y = 0.1 + (height - 0.15) * level / (levels - 1)
        parts.append(box(0, y, 0, width, 0.03, depth, boards))
        for thing in scatter(draws, width / 2 - 0.2, depth / 2 - 0.15, draws.integer(0, 2), y + 0.03):
            parts += [replace(part, casts_shadow=False) for part in thing[:2]]
    return Piece(parts, width, depth)


def build_appliance(draws: SeededDraws) -> Piece:
    """A fridge, washing machine, copier or locker."""
    width, depth, height = draws.uniform(0.4, 0.9), draws.uniform(0.4, 0.7), draws.uniform(0.6, 2.0)
    body = any_material(draws, 0.6) if draws.chance(0.4) else Material(shade((0.9, 0.9, 0.9), draws.uniform(0.2, 1.0)))
    parts = [box(0, 0, 0, width, height, depth, body)]
    parts.append(
        box(width * 0.4, height * 0.4, depth / 2 + 0.02, 0.02, height * 0.25, 0.03, wood(draws), casts_shadow=False)
    )
    if draws.chance(0.5):
        panel = box(0, height * 0.8, depth / 2, width * 0.6, height * 0.1, 0.02, any_material(draws, 0.2))
        parts.append(replace(panel, casts_shadow=False))
    return Piece(parts, width, depth)


def build_round_table(draws: SeededDraws) -> Piece:
    """A round table on one foot, with things on it."""
    radius, height, material = draws.uniform(0.25, 0.65), draws.uniform(0.45, 1.1), wood(draws)
    parts = [
        cylinder(0, height - 0.03, 0, radius, 0.03, material),
        cylinder(0, 0.02, 0, 0.04, height - 0.04, material),
        cylinder(0, 0, 0, radius * 0.6, 0.02, material),
    ]
    for thing in scatter(draws, radius * 0.6, radius * 0.6, draws.integer(0, 4), height):
        parts += thing
    return Piece(parts, 2 * radius, 2 * radius)


def build_person(draws: SeededDraws) -> Piece:
    """A person who stands: a few ellipsoids."""
    height = draws.uniform(1.45, 1.95)
    shirt, trousers = fabric(draws), fabric(draws)
    skin = Material(draws.color(draws.choice(((0.85, 0.66, 0.54), (0.55, 0.38, 0.28), (0.35, 0.24, 0.18))), 0.05))
    legs = height * 0.5
    parts: list[Primitive] = [
        ellipsoid(0, height * 0.68, 0, (0.2, height * 0.19, 0.13), shirt),
        sphere(0, height - 0.12, 0, 0.11, skin),
    ]
    for side in (-1, 1):
        parts.append(ellipsoid(side * 0.09, legs / 2, 0, (0.09, legs / 2 + 0.05, 0.1), trousers))
        arm = ellipsoid(side * 0.25, height * 0.65, 0.03, (0.05, height * 0.18, 0.06), shirt, casts_shadow=False)
        parts.append(replace(arm, tilt=(draws.uniform(-0.5, 0.3), side * 0.1)))
    return Piece(parts, 0.6, 0.4)


def build_leaning_boards(draws: SeededDraws) -> Piece:
    """A board, ladder or frame that leans on the wall behind it."""
    return Piece(build_wooden_board(draws), 0.9, 0.6)


def build_curtain(draws: SeededDraws) -> Piece:
    """A curtain of a few folds, from the floor to above one's head."""
    cloth, parts = fabric(draws), []
    for number in range(draws.integer(3, 7)):
        parts.append(
            box(number * 0.16 - 0.4, 0.03, 0, 0.17, 2.15, 0.05 + 0.05 * (number % 2), cloth, casts_shadow=False)
        )
    return Piece(parts, 1.2, 0.12)


def build_bin(draws: SeededDraws) -> Piece:
    """A waste bin, drum or stool."""
    radius, height = draws.uniform(0.12, 0.3), draws.uniform(0.25, 0.9)
    material = any_material(draws, radius)
    top = cylinder(0, height, 0, radius * 0.9, 0.004, Material(shade(any_color(draws), 0.5)), casts_shadow=False)
    return Piece([cylinder(0, 0, 0, radius, height, material), top], 2 * radius, 2 * radius)


ALONG_WALLS: tuple[Callable[[SeededDraws], Piece], ...] = (
    *(
        furniture.build_sofa,
        furniture.build_bed,
        furniture.build_shelf,
        furniture.build_cabinet,
        furniture.build_cabinet,
    ),
    *(
        furniture.build_plant,
        furniture.build_floor_lamp,
        build_desk,
        build_desk,
        build_box_pile,
        build_rack,
        build_appliance,
    ),
    *(build_leaning_boards, build_curtain, build_bin, build_whiteboard),
)
STANDING_FREE: tuple[Callable[[SeededDraws], Piece], ...] = (
    *(
        furniture.build_table,
        furniture.build_coffee_table,
        _build_chair,
        _build_chair,
        build_office_chair,
        build_office_chair,
    ),
    *(build_desk, build_box_pile, build_whiteboard, build_round_table, build_person, build_bin, furniture.build_sofa),
)


def build_piece(draws: SeededDraws, builders: tuple[Callable[[SeededDraws], Piece], ...]) -> Piece:
    """One of these pieces, a little larger or smaller, and mostly repainted."""
    piece = draws.choice(builders)(draws)
    factors = draws.uniform(0.85, 1.2), draws.uniform(0.85, 1.2), draws.uniform(0.85, 1.2)
    parts: Thing = stretch(repaint(piece.parts, draws), factors)
    return Piece(parts, piece.width * factors[0], piece.depth * factors[2])
