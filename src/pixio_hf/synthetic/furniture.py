# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Furniture of real-world size as lists of primitives.

Every builder returns its parts around the origin of the floor, with the back towards -z and the front towards +z, and
its footprint (width along x, depth along z) in metres.
"""

from dataclasses import dataclass

from .scenes import (
    Material,
    Primitive,
    Texture,
    Vector,
)
from .seeds import SeededDraws
from .solids import box, cylinder, sphere

WOODS: tuple[Vector, ...] = (
    (0.62, 0.44, 0.28),
    (0.48, 0.32, 0.2),
    (0.78, 0.62, 0.42),
    (0.36, 0.24, 0.16),
    (0.9, 0.88, 0.84),
)
FABRICS: tuple[Vector, ...] = (
    (0.3, 0.4, 0.55),
    (0.55, 0.3, 0.28),
    (0.4, 0.48, 0.36),
    (0.62, 0.58, 0.5),
    (0.32, 0.32, 0.36),
    (0.72, 0.55, 0.25),
)


@dataclass(frozen=True)
class Piece:
    """One piece of furniture: its solids, and the floor it takes in metres."""

    parts: list[Primitive]
    width: float
    depth: float


def wood(draws: SeededDraws) -> Material:
    """Draw a kind of wood."""
    color = draws.color(draws.choice(WOODS), 0.05)
    darker: Vector = (color[0] * 0.8, color[1] * 0.78, color[2] * 0.75)
    return Material(color, darker, Texture.NOISE, (0.6, 0.05), draws.uniform(0, 60))


def fabric(draws: SeededDraws) -> Material:
    """Draw a fabric, plain or striped."""
    color = draws.color(draws.choice(FABRICS), 0.07)
    second: Vector = (color[0] * 0.85, color[1] * 0.85, color[2] * 0.85)
    if draws.chance(0.25):
        light: Vector = (
            min(0.95, color[0] + 0.2),
            min(0.95, color[1] + 0.2),
            min(0.95, color[2] + 0.2),
        )
        return Material(color, light, Texture.STRIPES, (0.1, 0.1), draws.uniform(0, 1))
    return Material(color, second, Texture.NOISE, (0.12, 0.12), draws.uniform(0, 60))


def build_table(draws: SeededDraws) -> Piece:
    """Table with four legs."""
    width, depth, height = (
        draws.uniform(1.1, 1.8),
        draws.uniform(0.7, 0.95),
        draws.uniform(0.73, 0.77),
    )
    material, leg = wood(draws), 0.06
    parts = [box(0, height - 0.04, 0, width, 0.04, depth, material)]
    for side_x in (-1, 1):
        for side_z in (-1, 1):
            x, z = side_x * (width / 2 - leg), side_z * (depth / 2 - leg)
            parts.append(box(x, 0, z, leg, height - 0.04, leg, material))
    if draws.chance(0.6):
        ornament = Material(draws.color((0.6, 0.5, 0.5), 0.3))
        parts.append(
            cylinder(
                draws.uniform(-0.4, 0.4),
                height,
                draws.uniform(-0.2, 0.2),
                0.05,
                0.22,
                ornament,
            )
        )
    if draws.chance(0.4):
        x, z = draws.uniform(-0.4, 0.4), draws.uniform(-0.2, 0.2)
        parts.append(sphere(x, height + 0.11, z, 0.11, Material(draws.color((0.75, 0.5, 0.25), 0.2))))
    return Piece(parts, width, depth)


def build_coffee_table(draws: SeededDraws) -> Piece:
    """Low table."""
    width, depth = draws.uniform(0.8, 1.2), draws.uniform(0.5, 0.65)
    material = wood(draws)
    parts = [
        box(0, 0.38, 0, width, 0.05, depth, material),
        box(-width / 2 + 0.06, 0, 0, 0.05, 0.38, depth * 0.8, material),
        box(width / 2 - 0.06, 0, 0, 0.05, 0.38, depth * 0.8, material),
    ]
    return Piece(parts, width, depth)


def build_chair(draws: SeededDraws, material: Material) -> Piece:
    """Chair, with a back."""
    parts = [
        box(0, 0.42, 0, 0.44, 0.04, 0.44, material),
        box(0, 0.55, -0.2, 0.42, draws.uniform(0.32, 0.42), 0.03, material),
    ]
    for side_x in (-0.19, 0.19):
        parts.append(box(side_x, 0, 0.19, 0.04, 0.42, 0.04, material))
        parts.append(box(side_x, 0, -0.2, 0.04, 0.58, 0.04, material))
    return Piece(parts, 0.45, 0.45)


def build_sofa(draws: SeededDraws) -> Piece:
    """Sofa of one to three seats."""
    width, depth = draws.choice((1.0, 1.7, 2.1)), draws.uniform(0.85, 0.95)
    material = fabric(draws)
    parts = [
        box(0, 0.05, 0.05, width - 0.3, 0.39, depth - 0.1, material),
        box(0, 0.05, -depth / 2 + 0.11, width, 0.78, 0.22, material),
        box(-width / 2 + 0.09, 0.05, 0.04, 0.18, 0.56, depth - 0.08, material),
        box(width / 2 - 0.09, 0.05, 0.04, 0.18, 0.56, depth - 0.08, material),
    ]
    if draws.chance(0.6):
        cushion = fabric(draws)
        parts.append(
            box(
                -width / 2 + 0.42,
                0.44,
                -depth / 2 + 0.3,
                0.4,
                0.36,
                0.13,
                cushion,
                yaw=0.15,
            )
        )
    return Piece(parts, width, depth)


def build_bed(draws: SeededDraws) -> Piece:
    """Bed with pillows and a blanket."""
    width, depth = draws.choice((0.95, 1.45, 1.7)), 2.05
    frame, blanket = wood(draws), fabric(draws)
    linen = Material(draws.color((0.88, 0.87, 0.84), 0.05))
    parts = [
        box(0, 0.08, 0, width, 0.2, depth, frame),
        box(0, 0.28, 0, width - 0.06, 0.2, depth - 0.06, linen),
        box(0, 0.3, 0.3, width - 0.02, 0.21, depth - 0.68, blanket),
        box(0, 0, -depth / 2 + 0.03, width, draws.uniform(0.85, 1.1), 0.06, frame),
    ]
    for x in (0.0,) if width < 1.2 else (-width / 4, width / 4):
        parts.append(box(x, 0.48, -depth / 2 + 0.33, 0.55, 0.12, 0.36, linen))
    return Piece(parts, width, depth)


def build_shelf(draws: SeededDraws) -> Piece:
    """Shelf with things on it."""
    width, depth, height = (
        draws.uniform(0.7, 1.1),
        draws.uniform(0.28, 0.34),
        draws.choice((1.1, 1.8, 2.02)),
    )
    material = wood(draws)
    parts = [
        box(-width / 2 + 0.01, 0, 0, 0.025, height, depth, material),
        box(width / 2 - 0.01, 0, 0, 0.025, height, depth, material),
        box(0, 0, -depth / 2 + 0.01, width, height, 0.015, material),
    ]
    num_boards = round(height / 0.35) + 1
    spacing = (height - 0.025) / (num_boards - 1)
    for index in range(num_boards):
        bottom = index * spacing
        parts.append(
            box(
                0,
                bottom,
                0,
                width - 0.03,
                0.025,
                depth - 0.005,
                material,
                casts_shadow=index % 2 == 0,
            )
        )
        if index < num_boards - 1 and draws.chance(0.75):
            row = width * draws.uniform(0.4, 0.92)
            books = Material(
                draws.color((0.55, 0.4, 0.35), 0.15),
                (0.3, 0.4, 0.5),
                Texture.BOOKS,
                (0.035, 1.0),
                draws.uniform(0, 1),
            )
            x = draws.uniform(-1, 1) * (width - 0.06 - row) / 2
            book_height = draws.uniform(0.2, 0.27)
            parts.append(
                box(
                    x,
                    bottom + 0.025,
                    -0.02,
                    row,
                    book_height,
                    depth - 0.08,
                    books,
                    casts_shadow=False,
                )
            )
    return Piece(parts, width, depth)


def build_cabinet(draws: SeededDraws) -> Piece:
    """Cabinet."""
    width, depth, height = draws.choice(
        (
            (0.8, 0.42, 0.8),
            (1.6, 0.42, 0.75),
            (0.45, 0.4, 0.5),
            (1.0, 0.6, 2.05),
            (1.5, 0.6, 2.05),
        )
    )
    body = draws.color(draws.choice(WOODS), 0.05)
    gap: Vector = (body[0] * 0.45, body[1] * 0.45, body[2] * 0.45)
    cells = (0.5 if height > 1 else 0.4, 2.1 if height > 1 else 0.25)
    front = Material(body, gap, Texture.PANELS, cells, 0.0)
    parts = [
        box(0, 0.06, 0, width, height - 0.06, depth, front),
        box(0, 0, 0, width - 0.08, 0.06, depth - 0.08, Material(gap), casts_shadow=False),
    ]
    if height < 1 and draws.chance(0.6):
        x = draws.uniform(-0.3, 0.3) * width
        if draws.chance(0.5):
            parts.append(
                cylinder(
                    x,
                    height,
                    0,
                    0.015,
                    0.3,
                    Material((0.3, 0.3, 0.3)),
                    casts_shadow=False,
                )
            )
            shade = Material(draws.color((0.92, 0.86, 0.7), 0.05))
            parts.append(cylinder(x, height + 0.25, 0, 0.14, 0.2, shade))
        else:
            parts.append(
                box(
                    x,
                    height,
                    -0.05,
                    min(width, 0.95) * 0.9,
                    0.5,
                    0.05,
                    Material((0.07, 0.07, 0.08)),
                )
            )
    return Piece(parts, width, depth)


def build_plant(draws: SeededDraws) -> Piece:
    """Plant in a pot."""
    leaves = draws.color((0.25, 0.45, 0.2), 0.08)
    lighter: Vector = (leaves[0] + 0.15, leaves[1] + 0.18, leaves[2] + 0.1)
    radius = draws.uniform(0.22, 0.35)
    parts = [
        cylinder(0, 0, 0, 0.16, 0.32, Material(draws.color((0.65, 0.4, 0.3), 0.1))),
        cylinder(0, 0.32, 0, 0.02, 0.4, Material((0.35, 0.25, 0.15)), casts_shadow=False),
        sphere(
            0,
            0.6 + radius,
            0,
            radius,
            Material(leaves, lighter, Texture.NOISE, (0.08, 0.08), draws.uniform(0, 60)),
        ),
    ]
    return Piece(parts, 0.5, 0.5)


def build_floor_lamp(draws: SeededDraws) -> Piece:
    """Floor lamp."""
    metal = Material((0.25, 0.25, 0.27))
    parts = [
        cylinder(0, 0, 0, 0.15, 0.03, metal),
        cylinder(0, 0.03, 0, 0.015, 1.4, metal),
        cylinder(0, 1.4, 0, 0.2, 0.28, Material(draws.color((0.95, 0.9, 0.78), 0.04))),
    ]
    return Piece(parts, 0.4, 0.4)
