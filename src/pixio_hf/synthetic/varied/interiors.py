# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Rooms of version 2: furnished, cluttered, divided by walls with openings, seen from anywhere."""

import math

from ..floor_plans import FloorPlan
from ..scenes import Camera, Material, Scene, Texture, Vector
from ..seeds import SeededDraws
from ..solids import box, cylinder
from .arrangement import Thing, clear_view, put
from .cameras import draw_formation, draw_height, draw_light, draw_pitch, make_camera
from .furnishing import ALONG_WALLS, STANDING_FREE, build_piece
from .materials import (
    any_color,
    any_material,
    ceiling,
    floor,
    photograph,
    shade,
    wall,
    wood,
)
from .small_things import scatter

MAX_DEPTH = 80.0
"""Version 2 has one range for everything, in metres."""
MAX_PARTS = 110


def build_interior(draws: SeededDraws) -> Scene:
    """A room from a chamber to a hall."""
    wide = draws.chance(0.2)
    width, depth = (draws.uniform(2.2, 12.0 if wide else 7.0) for _ in range(2))
    height = draws.uniform(2.2, 3.2) if draws.chance(0.8) else draws.uniform(3.0, 5.0)
    position = place_camera(draws, width, height, depth)
    yaw = look_across(draws, position, width, depth)
    camera = make_camera(draws, position, yaw, draw_pitch(draws, position[1]))
    plan = FloorPlan(width, depth, position[0], position[2])
    things = hang_on_walls(draws, plan, height)
    if draws.chance(0.3):
        things += divide(draws, plan, height)
    things += furnish(draws, plan, yaw)
    things += litter(draws, plan, yaw)
    things += hang_from_ceiling(draws, width, height, depth)
    shell = [floor(draws), ceiling(draws), *paint_walls(draws)]
    return finish_interior(draws, camera, (width, height, depth), shell, things)


def place_camera(draws: SeededDraws, width: float, height: float, depth: float) -> Vector:
    """Somewhere in the room, at least 0.35 m from its walls."""
    x, z = (draws.uniform(0.35, size - 0.35) for size in (width, depth))
    if draws.chance(0.6):
        # Rather at the side, from where more is seen.
        x = draws.choice((0.35, width - 0.35)) * 0.7 + x * 0.3
    return x, min(draw_height(draws), height - 0.25), z


def look_across(draws: SeededDraws, position: Vector, width: float, depth: float) -> float:
    """Yaw towards one of some places in the room, more often the farthest of them than any."""
    offsets = [
        (draws.uniform(0.05, 0.95) * width - position[0], draws.uniform(0.05, 0.95) * depth - position[2])
        for _ in range(4)
    ]
    x, z = max(offsets, key=lambda offset: math.hypot(*offset)) if draws.chance(0.75) else offsets[0]
    return math.atan2(x, z) + math.radians(draws.uniform(-20, 20))


def paint_walls(draws: SeededDraws) -> list[Material]:
    """Four walls, mostly alike."""
    walls = [wall(draws)] * 4
    for number in range(4):
        if draws.chance(0.2):
            walls[number] = wall(draws)
    return walls


def finish_interior(
    draws: SeededDraws,
    camera: Camera,
    size: Vector,
    shell: list[Material],
    things: list[Thing],
) -> Scene:
    """Light a room and take its picture."""
    width, height, depth = size
    light = (width * draws.uniform(0.15, 0.85), height * draws.uniform(0.75, 0.97), depth * draws.uniform(0.15, 0.85))
    kind = draws.uniform()
    if kind < 0.2:  # low sun through the windows, which the walls do not hold back
        light = (width * draws.choice((-3.0, 4.0)), height * draws.uniform(1.2, 4.0), depth * draws.uniform(-2, 3))
    elif kind < 0.3:  # the camera's own light
        x, y, z = camera.position
        light = (x + draws.uniform(-0.1, 0.1), y + draws.uniform(-0.1, 0.1), z + draws.uniform(-0.1, 0.1))
    far = kind < 0.2
    lamp, around = draw_light(draws)
    return Scene(
        camera=camera,
        shell=shell,
        light_position=light,
        light_strength=draws.uniform(0.3, 1.1),
        ambient=draws.uniform(0.2, 0.6),
        light_falloff=1000.0 if far else draws.uniform(2.0, 8.0),
        max_depth=MAX_DEPTH,
        room_size=size,
        primitives=clear_view(things, camera, MAX_PARTS),
        light_color=lamp,
        ambient_color=around,
        formation=draw_formation(draws),
    )


def hang_on_walls(draws: SeededDraws, plan: FloorPlan, height: float) -> list[Thing]:
    """Doors, windows, pictures, boards, radiators, shelves, sockets and skirting boards."""
    things: list[Thing] = []
    if draws.chance(0.6):
        board, tall = wood(draws), draws.uniform(0.05, 0.15)
        for side in range(4):
            x, z, yaw = plan.at_wall(side, plan.wall_length(side) / 2, 0.0075)
            things.append(
                put([box(0, 0, 0, plan.wall_length(side), tall, 0.015, board, casts_shadow=False)], x, z, yaw)
            )
    for _ in range(draws.integer(3, 9)):
        side = draws.integer(0, 3)
        width, bottom, tall, thick, material = _draw_hung(draws)
        if bottom + tall > height - 0.05:
            continue
        position = draws.uniform(width / 2 + 0.1, max(width / 2 + 0.1, plan.wall_length(side) - width / 2 - 0.1))
        if not plan.claim_wall(side, position, width / 2):
            continue
        x, z, yaw = plan.at_wall(side, position, thick / 2)
        things.append(put([box(0, bottom, 0, width, tall, thick, material, casts_shadow=thick > 0.1)], x, z, yaw))
        if bottom == 0:
            plan.claim(*plan.at_wall(side, position, 0.4)[:2], 0.38, 0.38)
    return things


def _draw_hung(draws: SeededDraws) -> tuple[float, float, float, float, Material]:
    """Width, bottom, height, thickness (m) and material of something on a wall."""
    kind = draws.uniform()
    if kind < 0.2:
        color = any_color(draws)
        panels = Material(color, shade(color, 0.7), Texture.PANELS, (draws.uniform(0.3, 0.9), draws.uniform(0.5, 2.0)))
        return draws.uniform(0.75, 1.1), 0.0, draws.uniform(1.9, 2.15), draws.uniform(0.02, 0.06), panels
    if kind < 0.4:
        bright = shade((1.0, 1.0, 1.0), draws.uniform(0.5, 1.0))
        panes = Material(bright, any_color(draws), Texture.PANES, (draws.uniform(0.4, 1.0), draws.uniform(0.4, 1.2)))
        outside = panes if draws.chance(0.6) else photograph(draws)
        return draws.uniform(0.6, 2.4), draws.uniform(0.5, 1.1), draws.uniform(0.8, 1.5), 0.05, outside
    if kind < 0.75:
        return draws.uniform(0.2, 1.6), draws.uniform(0.8, 1.5), draws.uniform(0.2, 1.1), 0.02, photograph(draws)
    if kind < 0.83:
        return draws.uniform(0.5, 1.5), 0.1, draws.uniform(0.4, 0.9), draws.uniform(0.06, 0.15), wood(draws)
    if kind < 0.92:
        return (
            draws.uniform(0.4, 1.4),
            draws.uniform(0.9, 1.8),
            draws.uniform(0.03, 0.7),
            draws.uniform(0.15, 0.4),
            wood(draws),
        )
    return draws.uniform(0.06, 0.3), draws.uniform(0.2, 1.4), draws.uniform(0.06, 0.3), 0.02, any_material(draws, 0.1)


def divide(draws: SeededDraws, plan: FloorPlan, height: float) -> list[Thing]:
    """A wall across the room with an opening, or a half wall; it is part of nobody's footprint but its own."""
    material, thick = wall(draws), draws.uniform(0.08, 0.25)
    along_x = draws.chance(0.5)
    length, across = (plan.width, plan.depth) if along_x else (plan.depth, plan.width)
    camera = plan.camera_z if along_x else plan.camera_x
    place = draws.uniform(0.25, 0.75) * across
    if abs(place - camera) < 1.2:
        return []
    opening = draws.uniform(0.8, min(2.0, length * 0.6))
    start = draws.uniform(0.2, max(0.2, length - opening - 0.2))
    tall = height if draws.chance(0.75) else draws.uniform(0.9, 1.5)
    segments = [(0.0, start, 0.0, tall), (start + opening, length, 0.0, tall)]
    if tall == height and draws.chance(0.7):
        segments.append((start, start + opening, min(2.1, height - 0.1), height))
    things: list[Thing] = []
    for begin, end, bottom, top in segments:
        if end - begin < 0.05:
            continue
        middle, extent = (begin + end) / 2, end - begin
        x, z, size_x, size_z = (middle, place, extent, thick) if along_x else (place, middle, thick, extent)
        things.append([box(x, bottom, z, size_x, top - bottom, size_z, material)])
        if bottom == 0:
            plan.taken.append((x - size_x / 2, z - size_z / 2, x + size_x / 2, z + size_z / 2))
    return things


def furnish(draws: SeededDraws, plan: FloorPlan, looking: float) -> list[Thing]:
    """Pieces along the walls and free in the room, more of them where the camera looks (a yaw in radians)."""
    things: list[Thing] = []
    wanted = draws.integer(3, 7 + int(plan.width * plan.depth / 4))
    num_parts = 0
    for _ in range(3 * wanted):
        if len(things) >= wanted or num_parts > 90:
            break
        free = draws.chance(0.4)
        piece = build_piece(draws, STANDING_FREE if free else ALONG_WALLS)
        if free:
            yaw = draws.uniform(0, 2 * math.pi)
            reach = (abs(math.cos(yaw)), abs(math.sin(yaw)))
            half_x = (piece.width * reach[0] + piece.depth * reach[1]) / 2
            half_z = (piece.width * reach[1] + piece.depth * reach[0]) / 2
            x, z = draws.uniform(0, plan.width), draws.uniform(0, plan.depth)
            if draws.chance(0.7):
                distance, bearing = draws.uniform(0.9, 4.5), looking + math.radians(draws.uniform(-40, 40))
                x, z = plan.camera_x + distance * math.sin(bearing), plan.camera_z + distance * math.cos(bearing)
        else:
            side = draws.integer(0, 3)
            if plan.wall_length(side) < piece.width + 0.1:
                continue
            position = draws.uniform(piece.width / 2 + 0.05, plan.wall_length(side) - piece.width / 2 - 0.05)
            x, z, yaw = plan.at_wall(side, position, piece.depth / 2 + draws.uniform(0.01, 0.12))
            half_x, half_z = (
                (piece.width / 2, piece.depth / 2) if side % 2 == 0 else (piece.depth / 2, piece.width / 2)
            )
        if plan.claim(x, z, half_x, half_z):
            things.append(put(piece.parts, x, z, yaw))
            num_parts += len(piece.parts)
    return things


def litter(draws: SeededDraws, plan: FloorPlan, yaw: float) -> list[Thing]:
    """Small things on the floor, most of them before the camera."""
    things: list[Thing] = []
    count = draws.integer(0, 8) if draws.chance(0.6) else 0
    for thing in scatter(draws, 0.0, 0.0, count):
        distance, bearing = draws.uniform(0.5, 3.0), yaw + math.radians(draws.uniform(-40, 40))
        x, z = plan.camera_x + distance * math.sin(bearing), plan.camera_z + distance * math.cos(bearing)
        inside = 0.1 < x < plan.width - 0.1 and 0.1 < z < plan.depth - 0.1
        if inside and not any(b[0] - 0.1 < x < b[2] + 0.1 and b[1] - 0.1 < z < b[3] + 0.1 for b in plan.taken):
            things.append(put(thing, x, z))
    return things


def hang_from_ceiling(draws: SeededDraws, width: float, height: float, depth: float) -> list[Thing]:
    """Lamps, beams or pipes."""
    things: list[Thing] = []
    bright = Material(shade((1.0, 1.0, 0.97), draws.uniform(0.8, 1.0)))
    kind = draws.uniform()
    if kind < 0.45:
        for _ in range(draws.integer(1, 4)):
            x, z = draws.uniform(0.2, 0.8) * width, draws.uniform(0.2, 0.8) * depth
            long, short = draws.uniform(0.3, 1.4), draws.uniform(0.1, 0.6)
            things.append([box(x, height - 0.06, z, long, 0.06, short, bright, casts_shadow=False)])
    elif kind < 0.7:
        drop = draws.uniform(0.05, 0.8)
        x, z = draws.uniform(0.2, 0.8) * width, draws.uniform(0.2, 0.8) * depth
        things.append([cylinder(x, height - drop, z, draws.uniform(0.08, 0.3), 0.12, bright, casts_shadow=False)])
    elif kind < 0.85:
        beam, number = wood(draws), draws.integer(1, 4)
        for index in range(number):
            z = depth * (index + 0.5) / number
            things.append(
                [box(width / 2, height - 0.2, z, width, 0.2, draws.uniform(0.08, 0.25), beam, casts_shadow=False)]
            )
    return things
