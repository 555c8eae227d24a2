# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Random furnished rooms at one fixed world scale, so that depth can be learned from how things look."""

import math

from ..synthetic import furniture
from .floor_plans import FloorPlan
from .furniture import Piece
from .scenes import (
    Camera,
    Material,
    Primitive,
    Scene,
    Texture,
    Vector,
)
from .seeds import SeededDraws
from .solids import box, cylinder, place

ROOM_MAX_DEPTH = 10.0
"""Room pixels further away than this (metres) have depth 0, that is no depth."""

_WALL_GAP = 0.02
_PASTELS: tuple[Vector, ...] = (
    (0.82, 0.78, 0.68),
    (0.7, 0.77, 0.8),
    (0.74, 0.8, 0.7),
    (0.83, 0.74, 0.7),
    (0.78, 0.78, 0.77),
    (0.76, 0.72, 0.8),
)
_WARM_FLOORS: tuple[Vector, ...] = (
    (0.56, 0.4, 0.26),
    (0.46, 0.32, 0.21),
    (0.62, 0.47, 0.32),
    (0.52, 0.43, 0.35),
)


def build_room(draws: SeededDraws) -> Scene:
    """A furnished room: 3 to 8 m wide and deep, 2.4 to 3 m high, seen from eye height."""
    width, depth, height = (
        draws.uniform(3.0, 8.0),
        draws.uniform(3.0, 8.0),
        draws.uniform(2.4, 3.0),
    )
    camera = _place_camera(draws, width, depth)
    plan = FloorPlan(width, depth, camera.position[0], camera.position[2])
    primitives = _hang_on_walls(draws, plan, height)
    primitives += _furnish(draws, plan)
    light = (
        width * draws.uniform(0.35, 0.65),
        height - 0.12,
        depth * draws.uniform(0.35, 0.65),
    )
    primitives.append(
        cylinder(
            light[0],
            height - 0.06,
            light[2],
            0.16,
            0.05,
            Material((1.0, 1.0, 0.96)),
            casts_shadow=False,
        )
    )
    return Scene(
        camera=camera,
        shell=_choose_shell(draws),
        light_position=light,
        light_strength=draws.uniform(0.85, 1.05),
        ambient=draws.uniform(0.3, 0.4),
        light_falloff=4.5,
        max_depth=ROOM_MAX_DEPTH,
        room_size=(width, height, depth),
        primitives=primitives,
    )


def _place_camera(draws: SeededDraws, width: float, depth: float) -> Camera:
    side, along, inset = (
        draws.integer(0, 3),
        draws.uniform(-0.9, 0.9),
        draws.uniform(0.7, 1.0),
    )
    offset_x, offset_z = (
        (inset, along),
        (-inset, along),
        (along, inset),
        (along, -inset),
    )[side]
    x = width / 2 + offset_x * (width / 2 - 0.35)
    z = depth / 2 + offset_z * (depth / 2 - 0.35)
    target_x = width * draws.uniform(0.3, 0.7)
    target_z = depth * draws.uniform(0.3, 0.7)
    return Camera(
        position=(x, draws.uniform(1.55, 1.65), z),
        yaw=math.atan2(target_x - x, target_z - z) + math.radians(draws.uniform(-12, 12)),
        pitch=math.radians(draws.uniform(-20, 5)),
        roll=math.radians(draws.uniform(-1, 1)),
        fov=math.radians(draws.uniform(55, 75)),
    )


def _choose_shell(draws: SeededDraws) -> list[Material]:
    ceiling = Material(draws.color((0.93, 0.93, 0.91), 0.02))
    pastel = draws.color(draws.choice(_PASTELS), 0.04)
    wall = _choose_wall(draws, pastel)
    walls = [wall] * 4
    if draws.chance(0.35):
        accent = draws.color(draws.choice(_PASTELS), 0.06)
        walls[draws.integer(0, 3)] = _choose_wall(draws, accent, plain=0.3)
    return [_choose_floor(draws), ceiling, *walls]


def _choose_floor(draws: SeededDraws) -> Material:
    phase = draws.uniform(0, 1)
    color = draws.color(draws.choice(_WARM_FLOORS), 0.04)
    if draws.chance(0.5):
        dark: Vector = (color[0] * 0.45, color[1] * 0.42, color[2] * 0.4)
        return Material(color, dark, Texture.PLANKS, (1.2, 0.15), phase)
    if draws.chance(0.6):
        grout: Vector = (color[0] * 0.55, color[1] * 0.58, color[2] * 0.62)
        return Material(color, grout, Texture.TILES, (0.5, 0.5), phase)
    light: Vector = (
        min(0.8, color[0] + 0.2),
        min(0.76, color[1] + 0.22),
        min(0.7, color[2] + 0.22),
    )
    return Material(color, light, Texture.CHECKER, (0.5, 0.5), phase)


def _choose_wall(draws: SeededDraws, color: Vector, plain: float = 0.45) -> Material:
    phase = draws.uniform(0, 60)
    lighter: Vector = (
        min(0.95, color[0] + 0.07),
        min(0.95, color[1] + 0.07),
        min(0.95, color[2] + 0.07),
    )
    if draws.chance(plain):
        return Material(color, lighter, Texture.NOISE, (0.5, 0.5), phase)
    if draws.chance(0.45):
        return Material(color, lighter, Texture.STRIPES, (0.2, 0.2), 0.0)
    if draws.chance(0.5):
        mortar: Vector = (color[0] * 0.8, color[1] * 0.8, color[2] * 0.8)
        return Material(color, mortar, Texture.BRICKS, (0.25, 0.08), phase % 1)
    grout: Vector = (color[0] * 0.78, color[1] * 0.78, color[2] * 0.78)
    return Material(color, grout, Texture.TILES, (0.25, 0.25), phase % 1)


def _hang_on_walls(draws: SeededDraws, plan: FloorPlan, height: float) -> list[Primitive]:
    """Doors, windows, pictures, mirrors and skirting boards."""
    parts: list[Primitive] = []

    def hang(
        wall: int,
        width: float,
        bottom: float,
        tall: float,
        material: Material,
        thick: float,
        **kwargs,
    ) -> bool:
        position = draws.uniform(width / 2 + 0.1, plan.wall_length(wall) - width / 2 - 0.1)
        if not plan.claim_wall(wall, position, width / 2):
            return False
        part = box(0, bottom, 0, width, tall, thick, material, casts_shadow=False, **kwargs)
        x, z, yaw = plan.at_wall(wall, position, thick / 2)
        parts.extend(place([part], x, z, yaw))
        if part.is_mirror:
            rim = box(0, bottom - 0.04, 0, width + 0.08, tall + 0.08, thick * 0.8, frame, casts_shadow=False)
            parts.extend(place([rim], *plan.at_wall(wall, position, thick * 0.4)))
        if bottom == 0:
            plan.claim(*plan.at_wall(wall, position, 0.4)[:2], 0.38, 0.38)
        return True

    frame = furniture.wood(draws)
    board = Material(draws.color((0.9, 0.89, 0.86), 0.04))
    for wall in range(4):
        x, z, yaw = plan.at_wall(wall, plan.wall_length(wall) / 2, 0.0075)
        parts += place(
            [
                box(
                    0,
                    0,
                    0,
                    plan.wall_length(wall),
                    0.08,
                    0.015,
                    board,
                    casts_shadow=False,
                )
            ],
            x,
            z,
            yaw,
        )
    door_color = draws.color(draws.choice(furniture.WOODS), 0.05)
    dark: Vector = (door_color[0] * 0.6, door_color[1] * 0.6, door_color[2] * 0.6)
    first = draws.integer(0, 3)
    hang(
        first,
        0.9,
        0.0,
        2.0,
        Material(door_color, dark, Texture.PANELS, (0.45, 1.0)),
        0.05,
    )
    if draws.chance(0.6):
        silver = Material((0.9, 0.93, 0.93))
        wide, tall = draws.uniform(0.6, 1.2), draws.uniform(0.9, 1.4)
        hang(
            draws.integer(0, 3),
            wide,
            draws.uniform(0.5, 0.8),
            tall,
            silver,
            0.03,
            is_mirror=True,
        )
    for _ in range(draws.integer(1, 3)):
        sky = Material((0.92, 0.96, 1.0), (0.92, 0.92, 0.9), Texture.PANES, (0.6, 0.65))
        hang(draws.integer(0, 3), draws.choice((1.2, 1.8)), 0.9, 1.3, sky, 0.06)
    for _ in range(draws.integer(1, 4)):
        colors = draws.color((0.5, 0.45, 0.4), 0.3), draws.color((0.5, 0.5, 0.6), 0.3)
        painting = Material(*colors, Texture.PICTURE, (0.25, 0.25), draws.uniform(0, 60))
        wide, tall = draws.uniform(0.4, 1.0), draws.uniform(0.4, 0.8)
        hang(draws.integer(0, 3), wide, draws.uniform(1.2, 1.4), tall, painting, 0.03)
    return [part for part in parts if part.center[1] + part.half[1] < height]


def _furnish(draws: SeededDraws, plan: FloorPlan) -> list[Primitive]:
    parts: list[Primitive] = []
    area = plan.width * plan.depth
    builders = (
        furniture.build_sofa,
        furniture.build_bed,
        furniture.build_shelf,
        furniture.build_cabinet,
        furniture.build_cabinet,
        furniture.build_plant,
        furniture.build_floor_lamp,
        furniture.build_table,
    )
    wanted, placed = 4 + int(area / 8), 0
    for _ in range(4 * wanted):
        if placed >= wanted or len(parts) > 48:
            break
        piece = draws.choice(builders)(draws)
        wall = draws.integer(0, 3)
        low, high = (
            piece.width / 2 + 0.05,
            plan.wall_length(wall) - piece.width / 2 - 0.05,
        )
        if high <= low:
            continue
        x, z, yaw = plan.at_wall(wall, draws.uniform(low, high), piece.depth / 2 + _WALL_GAP)
        half_x, half_z = (piece.width / 2, piece.depth / 2) if wall % 2 == 0 else (piece.depth / 2, piece.width / 2)
        if plan.claim(x, z, half_x, half_z):
            parts += place(piece.parts, x, z, yaw)
            placed += 1
    if draws.chance(0.8):
        parts += _furnish_middle(draws, plan)
    return parts


def _furnish_middle(draws: SeededDraws, plan: FloorPlan) -> list[Primitive]:
    """A table with chairs or a coffee table on a rug, somewhere in the free middle of the room."""
    with_chairs = draws.chance(0.6)
    piece: Piece = (furniture.build_table if with_chairs else furniture.build_coffee_table)(draws)
    quarter_turns = draws.integer(0, 1)
    half_x, half_z = piece.width / 2, piece.depth / 2 + (0.4 if with_chairs else 0.1)
    if quarter_turns:
        half_x, half_z = half_z, half_x
    for _ in range(6):
        x = draws.uniform(0.25, 0.75) * plan.width
        z = draws.uniform(0.25, 0.75) * plan.depth
        if not plan.claim(x, z, half_x, half_z):
            continue
        turn = quarter_turns * math.pi / 2
        parts = place(piece.parts, x, z, turn)
        if with_chairs:
            material = furniture.wood(draws)
            for side in (-1, 1):
                chair = furniture.build_chair(draws, material)
                facing = (math.pi if side > 0 else 0.0) + draws.uniform(-0.3, 0.3)
                local_x = draws.uniform(-0.2, 0.2) * piece.width
                chair_parts = place(chair.parts, local_x, side * (piece.depth / 2 + 0.1), facing)
                parts += place(chair_parts, x, z, turn)
        if draws.chance(0.6):
            color = draws.color(draws.choice(furniture.FABRICS), 0.08)
            rug = Material(
                color,
                (0.8, 0.74, 0.62),
                Texture.STRIPES,
                (0.3, 0.3),
                draws.uniform(0, 1),
            )
            mat = box(
                0,
                0,
                0,
                piece.width + 0.5,
                0.012,
                piece.depth + 0.9,
                rug,
                casts_shadow=False,
            )
            parts += place([mat], x, z, turn)
        return parts
    return []
