# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Cameras of version 2: 0.1 to 2.5 m high, tilted, 35 to 100 degrees wide; and how their pictures are taken."""

import math

from ..scenes import Camera, ImageFormation, Vector
from ..seeds import SeededDraws

LOWEST, HIGHEST = 0.1, 2.5


def draw_height(draws: SeededDraws) -> float:
    """Height above the floor in metres: held by hand, put down on something, on a robot, above one's head."""
    low, high = draws.choice(((LOWEST, 0.5), (0.4, 1.2), (0.9, 1.5), (1.3, 1.8), (1.3, 1.8), (1.6, HIGHEST)))
    return draws.uniform(low, high)


def draw_pitch(draws: SeededDraws, height: float) -> float:
    """Pitch in radians: low cameras look ahead, high ones down."""
    if height < 0.5:
        return math.radians(draws.uniform(-22, 25))
    if height < 1.3:
        return math.radians(draws.uniform(-35, 12))
    if draws.chance(0.85):
        return math.radians(draws.uniform(-30, 8))
    return math.radians(draws.uniform(-60, 20))


def draw_roll(draws: SeededDraws) -> float:
    """Roll in radians, mostly small."""
    return math.radians(draws.uniform(-3, 3) if draws.chance(0.65) else draws.uniform(-25, 25))


def make_camera(draws: SeededDraws, position: Vector, yaw: float, pitch: float) -> Camera:
    """A camera there, with a lens and a shape of the picture of its own."""
    degrees = draws.uniform(42, 75) if draws.chance(0.7) else draws.uniform(35, 100)
    aspect = draws.choice((4 / 3, 4 / 3, 4 / 3, 4 / 3, 1.0, 1.0, 3 / 2, 3 / 2, 16 / 9, 3 / 4))
    # The angle given is the longer side's.
    fov = math.radians(degrees) if aspect >= 1 else 2 * math.atan(math.tan(math.radians(degrees) / 2) * aspect)
    return Camera(position, yaw, pitch, draw_roll(draws), fov, aspect)


def aim_camera(draws: SeededDraws, position: Vector, target: Vector, spread: float = 12.0) -> Camera:
    """A camera that looks at a point, missing it by up to `spread` degrees."""
    offset = [goal - start for goal, start in zip(target, position, strict=True)]
    level = math.hypot(offset[0], offset[2])
    yaw = math.atan2(offset[0], offset[2]) + math.radians(draws.uniform(-spread, spread))
    pitch = math.atan2(offset[1], level) + math.radians(draws.uniform(-spread, spread))
    return make_camera(draws, position, yaw, max(-1.45, min(1.2, pitch)))


def draw_formation(draws: SeededDraws) -> ImageFormation:
    """How a picture is taken: from a good camera in good light to a poor one in the dark."""
    poor = draws.uniform() ** 2
    warmth, tint = draws.uniform(-0.16, 0.16), draws.uniform(-0.05, 0.05)
    motion = draws.uniform(0, 2 * math.pi)
    length = draws.uniform(1, 7) if draws.chance(0.12) else 0.0
    return ImageFormation(
        exposure=draws.uniform(0.3, 0.62),
        white_balance=(1 + warmth, 1 + tint, 1 - warmth),
        contrast=draws.uniform(0.8, 1.35),
        saturation=draws.uniform(0.5, 1.35),
        vignette=draws.uniform(0, 0.5) if draws.chance(0.4) else 0.0,
        blur=draws.uniform(0.35, 0.8) + 1.2 * poor * draws.uniform(),
        motion=(length * math.cos(motion), length * math.sin(motion)),
        sharpening=draws.uniform(0.1, 0.8) if draws.chance(0.3) else 0.0,
        noise=draws.uniform(0.0, 0.015) + 0.035 * poor * draws.uniform(),
        noise_seed=int(draws.uniform() * 2**31),
        jpeg_quality=draws.integer(30, 95) if draws.chance(0.7) else None,
    )


def draw_light(draws: SeededDraws) -> tuple[Vector, Vector]:
    """Colours of the lamp and of the light from around: warm lamps, blue shade, or white."""
    warmth, shade = draws.uniform(-0.1, 0.3), draws.uniform(-0.15, 0.1)
    return (1 + warmth * 0.5, 1.0, 1 - warmth), (1 + shade, 1.0, 1 - shade)
