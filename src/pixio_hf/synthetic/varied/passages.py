# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Corridors and stairs."""

import math
from dataclasses import replace

from ..floor_plans import FloorPlan
from ..scenes import Material, Scene, Texture, Vector
from ..seeds import SeededDraws
from ..solids import box, cylinder
from .arrangement import Thing, put
from .cameras import draw_height, make_camera
from .furnishing import ALONG_WALLS, STANDING_FREE, build_piece
from .interiors import finish_interior, hang_on_walls, litter, paint_walls
from .materials import any_color, ceiling, floor, shade, wood


def build_corridor(draws: SeededDraws) -> Scene:
    """A passage of 6 to 40 m with doors on both sides, seen along its length."""
    width, height, depth = draws.uniform(1.2, 3.2), draws.uniform(2.2, 3.3), draws.uniform(6, 40)
    position = (
        draws.uniform(0.4, width - 0.4),
        min(draw_height(draws), height - 0.3),
        draws.uniform(0.4, depth * 0.3),
    )
    yaw = math.radians(draws.uniform(-30, 30))
    camera = make_camera(draws, position, yaw, math.radians(draws.uniform(-25, 8)))
    plan = FloorPlan(width, depth, position[0], position[2])
    things = _line_with_doors(draws, width, depth)
    things += hang_on_walls(draws, plan, height)
    things += _light_ceiling(draws, width, height, depth)
    for _ in range(draws.integer(0, 6)):
        piece = build_piece(draws, (*ALONG_WALLS, *STANDING_FREE))
        side = draws.choice((-1, 1))
        if piece.depth > width * 0.5:
            continue
        z = position[2] + draws.uniform(0.8, 12)
        x = piece.depth / 2 + 0.02 if side < 0 else width - piece.depth / 2 - 0.02
        if z < depth - piece.width and plan.claim(x, z, piece.depth / 2, piece.width / 2):
            things.append(put(piece.parts, x, z, math.pi / 2 * -side))
    things += litter(draws, plan, yaw)
    shell = [floor(draws), ceiling(draws), *paint_walls(draws)]
    scene = finish_interior(draws, camera, (width, height, depth), shell, things)
    scene.ambient = draws.uniform(0.35, 0.7)
    return scene


def _line_with_doors(draws: SeededDraws, width: float, depth: float) -> list[Thing]:
    """Doors in frames, or pillars, at even distances on both sides."""
    color = any_color(draws)
    door = Material(color, shade(color, 0.7), Texture.PANELS, (0.45, 1.0))
    frame, pillars = wood(draws), draws.chance(0.3)
    things: list[Thing] = []
    for side in (-1, 1):
        z, step = draws.uniform(0.5, 4), draws.uniform(1.6, 5)
        while z < min(depth - 0.6, 24):
            x = 0.0 if side < 0 else width
            if pillars:
                things.append([box(x, 0, z, 0.3, 5, 0.3, frame)])
            else:
                things.append(
                    [
                        box(x, 0, z, 0.05, 2.08, 1.02, frame, casts_shadow=False),
                        box(x, 0, z, 0.07, 2.0, 0.88, door, casts_shadow=False),
                    ]
                )
            z += step
    return things


def _light_ceiling(draws: SeededDraws, width: float, height: float, depth: float) -> list[Thing]:
    bright = Material(shade((1.0, 1.0, 0.97), draws.uniform(0.8, 1.0)))
    step = draws.uniform(1.5, 5)
    long, short = draws.uniform(0.3, 1.3), draws.uniform(0.15, 0.5)
    return [
        [box(width / 2, height - 0.03, (number + 0.5) * step, short, 0.03, long, bright, casts_shadow=False)]
        for number in range(min(12, int(depth / step)))
    ]


def build_stairs(draws: SeededDraws) -> Scene:
    """A flight of stairs between walls or with railings, from below, from above or from the side."""
    count, rise, run = draws.integer(5, 16), draws.uniform(0.14, 0.2), draws.uniform(0.24, 0.34)
    wide = draws.uniform(0.8, 2.2)
    before, landing = draws.uniform(1.5, 4), draws.uniform(1.5, 4)
    width = wide if draws.chance(0.4) else wide + draws.uniform(0.5, 4)
    left = 0.0 if draws.chance(0.6) else draws.uniform(0, width - wide)
    top, length = count * rise, count * run
    size = (width, top + draws.uniform(2.2, 3.0), before + length + landing)
    stairs = _build_flight(draws, left, before, wide, (count, rise, run), landing)
    middle = left + wide / 2
    from_above = draws.chance(0.35)
    height = max(0.5, draw_height(draws))
    if from_above:
        position: Vector = (middle, top + height, before + length + draws.uniform(0.1, 0.6))
        yaw, pitch = math.pi + math.radians(draws.uniform(-12, 12)), math.radians(draws.uniform(-45, -20))
    else:
        position = (draws.uniform(0.35, width - 0.35), height, draws.uniform(0.35, before - 0.5))
        yaw = math.atan2(middle - position[0], before + length / 2 - position[2]) + math.radians(
            draws.uniform(-15, 15)
        )
        pitch = math.radians(draws.uniform(-20, 25))
    camera = make_camera(draws, position, yaw, pitch)
    plan = FloorPlan(width, before, position[0], position[2])
    things = stairs + ([] if from_above else litter(draws, plan, yaw))
    plan_of_walls = FloorPlan(size[0], size[2], position[0], position[2])
    things += hang_on_walls(draws, plan_of_walls, size[1])
    shell = [floor(draws), ceiling(draws), *paint_walls(draws)]
    return finish_interior(draws, camera, size, shell, things)


def _build_flight(
    draws: SeededDraws, left: float, start: float, wide: float, steps: tuple[int, float, float], landing: float
) -> list[Thing]:
    count, rise, run = steps
    tread = floor(draws) if draws.chance(0.6) else wood(draws)
    riser = Material(shade(any_color(draws), 0.8))
    x, solid = left + wide / 2, draws.chance(0.75)
    things: list[Thing] = []
    for number in range(count):
        z, y = start + (number + 0.5) * run, (number + 1) * rise
        if solid:
            things.append([box(x, 0, z, wide, y - 0.03, run, riser, casts_shadow=False)])
        things.append([box(x, y - 0.03, z - 0.01, wide, 0.03, run + 0.02, tread, casts_shadow=number % 3 == 0)])
    top, end = count * rise, start + count * run
    things.append([box(x, 0, end + landing / 2, wide, top, landing, tread)])
    if draws.chance(0.7):
        things += _build_railing(draws, (left + 0.05, left + wide - 0.05), start, (count * run, top))
    return things


def _build_railing(
    draws: SeededDraws, sides: tuple[float, float], start: float, extent: tuple[float, float]
) -> list[Thing]:
    length, top = extent
    metal, tall = wood(draws), draws.uniform(0.8, 1.0)
    slope = math.atan2(top, length)
    things: list[Thing] = []
    for x in sides if draws.chance(0.5) else sides[:1]:
        bar = cylinder(x, 0, start + length / 2, 0.025, math.hypot(length, top), metal)
        middle = (x, top / 2 + tall, start + length / 2)
        things.append([replace(bar, center=middle, tilt=(math.pi / 2 - slope, 0.0))])
        posts = draws.integer(3, 9)
        for number in range(posts):
            share = (number + 0.5) / posts
            post = cylinder(x, top * share, start + length * share, 0.012, tall, metal, casts_shadow=False)
            things.append([post])
    return things
