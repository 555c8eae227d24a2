# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Table tops, boxes and floors full of things, seen from near."""

import math

from ..floor_plans import FloorPlan
from ..scenes import Scene, Vector
from ..seeds import SeededDraws
from ..solids import box, cylinder
from .arrangement import Thing, lay_down, put
from .cameras import aim_camera
from .furnishing import ALONG_WALLS, build_office_chair, build_piece
from .interiors import finish_interior, hang_on_walls, paint_walls
from .materials import any_material, ceiling, floor, photograph, wood
from .small_things import SMALL_THINGS, build_tray, scatter


def build_table_top(draws: SeededDraws) -> Scene:
    """Things on a table, in a box or on the floor, 0.3 to 2 m before the camera."""
    size = (draws.uniform(2.5, 7), draws.uniform(2.3, 3.2), draws.uniform(2.5, 7))
    place = draws.uniform()
    wide, deep = draws.uniform(0.5, 2.0), draws.uniform(0.5, 1.1)
    level = 0.0 if place < 0.2 else draws.uniform(0.35, 1.0)
    x, z = (draws.uniform(1.2, extent - 1.2) for extent in (size[0], size[2]))
    turned = draws.uniform(0, 2 * math.pi)
    things: list[Thing] = []
    if level > 0:
        things += [put(part, x, z, turned) for part in _build_table(draws, wide, deep, level)]
    if draws.chance(0.25):
        wide, deep = draws.uniform(0.3, 0.7), draws.uniform(0.25, 0.5)
        heap = _fill_box(draws, wide, deep)
    else:
        heap = scatter(draws, wide / 2 - 0.08, deep / 2 - 0.08, draws.integer(3, 16))
    things += [put(thing, x, z, turned, level) for thing in heap]
    position = _stand_near(draws, (x, level, z), size, max(wide, deep))
    target: Vector = (x + draws.uniform(-0.3, 0.3) * wide, level + 0.05, z + draws.uniform(-0.3, 0.3) * deep)
    camera = aim_camera(draws, position, target)
    plan = FloorPlan(size[0], size[2], position[0], position[2])
    plan.claim(x, z, max(wide, deep) / 2, max(wide, deep) / 2)
    things += hang_on_walls(draws, plan, size[1])
    for _ in range(draws.integer(0, 4)):
        things += _put_at_wall(draws, plan)
    if draws.chance(0.5):
        reach = max(wide, deep) / 2 + 0.35
        bearing = draws.uniform(0, 2 * math.pi)
        things.append(
            put(build_office_chair(draws).parts, x + reach * math.sin(bearing), z + reach * math.cos(bearing))
        )
    shell = [floor(draws), ceiling(draws), *paint_walls(draws)]
    return finish_interior(draws, camera, size, shell, things)


def _build_table(draws: SeededDraws, wide: float, deep: float, level: float) -> list[Thing]:
    top = any_material(draws, 0.5) if draws.chance(0.35) else wood(draws)
    legs, thick = wood(draws), draws.uniform(0.015, 0.08)
    if draws.chance(0.2):
        return [
            [
                cylinder(0, level - thick, 0, max(wide, deep) / 2, thick, top),
                cylinder(0, 0, 0, 0.05, level - thick, legs),
            ]
        ]
    if draws.chance(0.3):
        return [[box(0, 0, 0, wide, level, deep, top)]]
    table = [box(0, level - thick, 0, wide, thick, deep, top)]
    for x in (-1, 1):
        for z in (-1, 1):
            table.append(box(x * (wide / 2 - 0.04), 0, z * (deep / 2 - 0.04), 0.05, level - thick, 0.05, legs))
    if draws.chance(0.3):
        mat = photograph(draws) if draws.chance(0.5) else any_material(draws, 0.3)
        table.append(box(0, level, 0, wide * draws.uniform(0.3, 0.9), 0.003, deep * 0.8, mat, casts_shadow=False))
    return [table]


def _fill_box(draws: SeededDraws, wide: float, deep: float) -> list[Thing]:
    """An open box with a heap of tilted things."""
    heap: list[Thing] = [build_tray(wide, deep, draws.uniform(0.06, 0.25), 0.01, any_material(draws, 0.3))]
    for _ in range(draws.integer(3, 12)):
        thing = draws.choice(SMALL_THINGS)(draws)[:2]
        tilt = (draws.uniform(-0.8, 0.8), draws.uniform(-0.8, 0.8))
        level = 0.01 + draws.uniform(0, 0.08)
        lying = [lay_down(thing[0], tilt, 0.0)] if draws.chance(0.6) else thing
        x, z = draws.uniform(-0.35, 0.35) * wide, draws.uniform(-0.35, 0.35) * deep
        heap.append(put(lying, x, z, draws.uniform(0, 6.3), level))
    return heap


def _stand_near(draws: SeededDraws, center: Vector, size: Vector, reach: float) -> Vector:
    """A camera position above and beside the things, inside of the room."""
    distance = draws.uniform(0.35, 1.8) + 0.25 * reach
    elevation = math.radians(draws.uniform(8, 75))
    bearing = draws.uniform(0, 2 * math.pi)
    level = distance * math.cos(elevation)
    x, z = center[0] + level * math.sin(bearing), center[2] + level * math.cos(bearing)
    y = center[1] + max(0.12, distance * math.sin(elevation))
    return (
        min(max(x, 0.35), size[0] - 0.35),
        min(y, size[1] - 0.25, 2.5),
        min(max(z, 0.35), size[2] - 0.35),
    )


def _put_at_wall(draws: SeededDraws, plan: FloorPlan) -> list[Thing]:
    piece, side = build_piece(draws, ALONG_WALLS), draws.integer(0, 3)
    if plan.wall_length(side) < piece.width + 0.1:
        return []
    position = draws.uniform(piece.width / 2 + 0.05, plan.wall_length(side) - piece.width / 2 - 0.05)
    x, z, yaw = plan.at_wall(side, position, piece.depth / 2 + 0.02)
    half_x, half_z = (piece.width / 2, piece.depth / 2) if side % 2 == 0 else (piece.depth / 2, piece.width / 2)
    return [put(piece.parts, x, z, yaw)] if plan.claim(x, z, half_x, half_z) else []
