# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a synthetic scene is made of: primitives with materials, a camera and a light.

World axes: x and z span the floor, y points up, metres. A primitive may be turned about the vertical by `yaw`; its
local point (x, y, z) lies at world offset (x cos + z sin, y, -x sin + z cos).
"""

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

SceneKind = Literal["room", "outdoor", "mixed", "table", "corridor", "stairs"]
SCENE_KINDS: dict[int, tuple[str, ...]] = {
    1: ("room", "outdoor", "mixed"),
    2: ("room", "outdoor", "mixed", "table", "corridor", "stairs"),
}
"""Kinds of scenes by version of the generator."""

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]


class Shape(IntEnum):
    """Shape of a primitive solid."""

    BOX = 0
    SPHERE = 1
    CYLINDER = 2  # upright, unless tilted
    ELLIPSOID = 3


class Texture(IntEnum):
    """Pattern of a surface."""

    PLAIN = 0
    TILES = 1
    CHECKER = 2
    PLANKS = 3
    BRICKS = 4
    STRIPES = 5
    NOISE = 6
    FACADE = 7
    PANES = 8
    PICTURE = 9
    PANELS = 10
    BOOKS = 11
    PHOTO = 12
    SPECKLES = 13


@dataclass(frozen=True)
class Material:
    """Colours are display (sRGB-like) values in [0, 1]; `scale` is the size of one texture cell in metres.

    Of `Texture.PHOTO`, `phase` in [0, 1) chooses the photograph, `color` tints it, and a scale of 0 stretches it over the
    whole face.
    """

    color: Vector
    second_color: Vector = (0.0, 0.0, 0.0)
    texture: Texture = Texture.PLAIN
    scale: tuple[float, float] = (1.0, 1.0)
    phase: float = 0.0


@dataclass(frozen=True)
class Primitive:
    """A box, sphere, cylinder or ellipsoid: `half` are the half extents of its box (m); a sphere has three equal ones.

    `tilt` turns it about its local x axis, then about its local z axis, before `yaw` turns it about the vertical (radians).
    """

    shape: Shape
    center: Vector
    half: Vector
    material: Material
    yaw: float = 0.0
    casts_shadow: bool = True
    is_mirror: bool = False
    tilt: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; angles in radians, `pitch` positive upwards, `fov` is the horizontal field of view.

    Pictures are square; `aspect` is width over height of what they show, as of a photograph squeezed into a square.
    """

    position: Vector
    yaw: float
    pitch: float
    roll: float
    fov: float
    aspect: float = 1.0

    def rotation(self) -> Matrix:
        """Columns right, down, forward in world axes: a pixel (u, v) looks along `rotation @ (u, v, 1)`."""
        cos_yaw, sin_yaw = math.cos(self.yaw), math.sin(self.yaw)
        cos_pitch, sin_pitch = math.cos(self.pitch), math.sin(self.pitch)
        cos_roll, sin_roll = math.cos(self.roll), math.sin(self.roll)
        level_right = (cos_yaw, 0.0, -sin_yaw)
        level_down = (sin_yaw * sin_pitch, -cos_pitch, cos_yaw * sin_pitch)
        forward = (sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch)
        right = tuple(cos_roll * r + sin_roll * d for r, d in zip(level_right, level_down, strict=True))
        down = tuple(cos_roll * d - sin_roll * r for r, d in zip(level_right, level_down, strict=True))
        return tuple((right[axis], down[axis], forward[axis]) for axis in range(3))  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class ImageFormation:
    """What lies between the light of a scene and the stored picture; lengths in pixels of a picture of 256.

    `exposure` multiplies light; `white_balance` multiplies its colours; `contrast` and `saturation` are 1 for none of
    either; `vignette` is the loss in the corners, `blur` the deviation of a Gaussian, `motion` the (x, y) of a smear;
    `noise` the deviation in display values at full brightness; `jpeg_quality` 1 to 100, None for none.
    """

    exposure: float = 1.0
    white_balance: Vector = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0
    vignette: float = 0.0
    blur: float = 0.0
    motion: tuple[float, float] = (0.0, 0.0)
    sharpening: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0
    jpeg_quality: int | None = None


@dataclass
class Scene:
    """One synthetic scene.

    `room_size` (width x, height y, depth z) makes it the inside of a box that starts at the origin, with `shell`
    holding six materials: floor, ceiling, walls at x = 0, x = width, z = 0, z = depth. `room_size=None` is outdoors:
    the ground y = 0 with a road along z and four materials: grass, asphalt, pavement, road paint; above it is sky.
    """

    camera: Camera
    shell: list[Material]
    light_position: Vector
    light_strength: float
    ambient: float
    light_falloff: float
    """Distance in metres at which the light has dropped to one half; infinite for the sun."""
    max_depth: float
    room_size: Vector | None = None
    sky_colors: tuple[Vector, Vector] = ((0.8, 0.88, 0.95), (0.4, 0.6, 0.9))
    primitives: list[Primitive] = field(default_factory=list)
    light_color: Vector = (1.0, 1.0, 1.0)
    ambient_color: Vector = (1.0, 1.0, 1.0)
    haze: float = 0.0
    """Share of the light that haze swallows per metre; outdoors it gives the colour of the horizon instead."""
    cloudiness: float = 0.0
    formation: ImageFormation | None = None
    """None: as version 1, light to display values and nothing else."""
