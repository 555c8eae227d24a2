# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Materials of version 2: any colour, patterns of many sizes, photographs."""

import colorsys
from dataclasses import replace

from ..furniture import FABRICS, WOODS
from ..scenes import Material, Primitive, Texture, Vector
from ..seeds import SeededDraws

_WALLS: tuple[Vector, ...] = (
    (0.86, 0.85, 0.82),
    (0.8, 0.76, 0.66),
    (0.7, 0.72, 0.74),
    (0.92, 0.92, 0.91),
    (0.6, 0.62, 0.58),
    (0.72, 0.6, 0.5),
)
_FLOORS: tuple[Vector, ...] = (
    (0.55, 0.53, 0.5),
    (0.42, 0.4, 0.38),
    (0.56, 0.4, 0.26),
    (0.66, 0.56, 0.44),
    (0.3, 0.28, 0.3),
    (0.7, 0.69, 0.66),
)
GROUNDS: tuple[Vector, ...] = (
    (0.38, 0.48, 0.24),
    (0.5, 0.46, 0.36),
    (0.45, 0.45, 0.44),
    (0.62, 0.56, 0.44),
    (0.32, 0.36, 0.2),
    (0.55, 0.52, 0.5),
)


def any_color(draws: SeededDraws) -> Vector:
    """A colour of any hue, more often pale or grey than vivid, from nearly black to white."""
    vivid = draws.uniform() ** (0.8 if draws.chance(0.2) else 2.5)
    red, green, blue = colorsys.hsv_to_rgb(draws.uniform(), vivid, 0.06 + 0.92 * draws.uniform() ** 0.8)
    return max(0.03, red), max(0.03, green), max(0.03, blue)


def shade(color: Vector, factor: float) -> Vector:
    """A colour made darker or lighter."""
    red, green, blue = (min(0.97, max(0.02, channel * factor)) for channel in color)
    return red, green, blue


def photograph(draws: SeededDraws, size: float = 0.0) -> Material:
    """A photograph of `size` metres, repeated; 0 stretches it over the face."""
    tint = shade((1.0, 1.0, 1.0), draws.uniform(0.6, 1.0)) if draws.chance(0.7) else any_color(draws)
    return Material(tint, (0.0, 0.0, 0.0), Texture.PHOTO, (size, size), draws.uniform())


def any_material(draws: SeededDraws, size: float) -> Material:
    """Some material for a thing of about `size` metres."""
    color = any_color(draws)
    second = shade(color, draws.uniform(0.5, 0.9)) if draws.chance(0.7) else any_color(draws)
    phase = draws.uniform(0, 60)
    pattern = draws.uniform()
    if pattern < 0.3:
        return Material(color)
    if pattern < 0.5:
        cell = size * draws.uniform(0.05, 0.6)
        return Material(color, second, Texture.NOISE, (cell, cell * draws.choice((1.0, 1.0, 0.2, 4.0))), phase)
    if pattern < 0.72:
        return photograph(draws)
    if pattern < 0.8:
        return photograph(draws, size * draws.uniform(0.5, 2.0))
    if pattern < 0.87:
        grain = draws.uniform(0.004, 0.03)
        return Material(color, second, Texture.SPECKLES, (grain, grain), draws.uniform())
    texture = draws.choice(
        (Texture.STRIPES, Texture.STRIPES, Texture.CHECKER, Texture.TILES, Texture.PANELS, Texture.BOOKS)
    )
    cell = size * draws.uniform(0.06, 0.5)
    return Material(color, second, texture, (cell, cell * draws.choice((1.0, 0.5, 2.0))), draws.uniform())


def wood(draws: SeededDraws) -> Material:
    """Wood, metal or paint of furniture."""
    color = draws.color(draws.choice(WOODS), 0.12) if draws.chance(0.65) else any_color(draws)
    if draws.chance(0.15):
        return photograph(draws, draws.uniform(0.4, 1.5))
    if draws.chance(0.3):
        return Material(color)
    return Material(color, shade(color, draws.uniform(0.6, 0.9)), Texture.NOISE, (0.6, 0.05), draws.uniform(0, 60))


def fabric(draws: SeededDraws) -> Material:
    """Fabric of sofas, curtains and clothes."""
    color = draws.color(draws.choice(FABRICS), 0.12) if draws.chance(0.4) else any_color(draws)
    second = shade(color, draws.uniform(0.5, 1.4))
    if draws.chance(0.2):
        return photograph(draws, draws.uniform(0.3, 1.2))
    if draws.chance(0.25):
        return Material(color, second, Texture.STRIPES, (draws.uniform(0.02, 0.15), 0.1), draws.uniform())
    if draws.chance(0.3):
        return Material(color, second, Texture.SPECKLES, (0.008, 0.008), draws.uniform())
    return Material(color, second, Texture.NOISE, (draws.uniform(0.05, 0.3), 0.12), draws.uniform(0, 60))


def floor(draws: SeededDraws) -> Material:
    """Floor: boards, tiles, carpet, concrete or a photograph of anything."""
    color = draws.color(draws.choice(_FLOORS), 0.1) if draws.chance(0.8) else any_color(draws)
    dark, phase, pattern = shade(color, draws.uniform(0.4, 0.85)), draws.uniform(), draws.uniform()
    if pattern < 0.22:
        return Material(color, dark, Texture.PLANKS, (draws.uniform(0.6, 1.8), draws.uniform(0.07, 0.22)), phase)
    if pattern < 0.42:
        side = draws.uniform(0.12, 0.8)
        return Material(color, dark, Texture.TILES, (side, side), phase)
    if pattern < 0.5:
        side = draws.uniform(0.1, 0.6)
        return Material(color, shade(color, draws.uniform(0.4, 1.5)), Texture.CHECKER, (side, side), phase)
    if pattern < 0.7:
        grain = draws.uniform(0.006, 0.05)
        return Material(color, dark, Texture.SPECKLES, (grain, grain), phase)
    if pattern < 0.88:
        cell = draws.uniform(0.1, 1.2)
        return Material(color, shade(color, draws.uniform(0.75, 0.95)), Texture.NOISE, (cell, cell), 60 * phase)
    return photograph(draws, draws.uniform(0.5, 3.0))


def wall(draws: SeededDraws) -> Material:
    """Wall: mostly plain paint, else paper, bricks, tiles, boards or a photograph of anything."""
    color = draws.color(draws.choice(_WALLS), 0.1) if draws.chance(0.75) else any_color(draws)
    second, phase, pattern = shade(color, draws.uniform(0.7, 1.1)), draws.uniform(), draws.uniform()
    if pattern < 0.5:
        cell = draws.uniform(0.3, 2.0)
        return Material(color, shade(color, draws.uniform(0.9, 1.0)), Texture.NOISE, (cell, cell), 60 * phase)
    if pattern < 0.6:
        return Material(color, second, Texture.STRIPES, (draws.uniform(0.04, 0.4), 0.2), phase)
    if pattern < 0.7:
        return Material(color, second, Texture.BRICKS, (draws.uniform(0.2, 0.4), draws.uniform(0.06, 0.2)), phase)
    if pattern < 0.8:
        side = draws.uniform(0.08, 0.6)
        return Material(color, second, Texture.TILES, (side, side * draws.choice((1.0, 1.0, 2.0))), phase)
    if pattern < 0.88:
        return Material(color, second, Texture.PANELS, (draws.uniform(0.1, 1.2), draws.uniform(0.5, 3.0)), phase)
    return photograph(draws, draws.uniform(0.6, 4.0))


def ceiling(draws: SeededDraws) -> Material:
    """Ceiling: plain, or panels of an office."""
    color = draws.color((0.88, 0.88, 0.86), 0.1)
    if draws.chance(0.35):
        side = draws.uniform(0.3, 1.2)
        return Material(color, shade(color, draws.uniform(0.5, 0.9)), Texture.TILES, (side, side), draws.uniform())
    return Material(color)


def ground(draws: SeededDraws) -> Material:
    """Ground outdoors: grass, earth, asphalt, gravel, slabs or a photograph of anything."""
    color, phase, pattern = draws.color(draws.choice(GROUNDS), 0.1), draws.uniform(), draws.uniform()
    second = shade(color, draws.uniform(0.55, 0.9))
    if pattern < 0.35:
        cell = draws.uniform(0.1, 1.5)
        return Material(color, second, Texture.NOISE, (cell, cell), 60 * phase)
    if pattern < 0.65:
        grain = draws.uniform(0.01, 0.08)
        return Material(color, second, Texture.SPECKLES, (grain, grain), phase)
    if pattern < 0.85:
        side = draws.uniform(0.2, 1.0)
        return Material(color, second, draws.choice((Texture.TILES, Texture.BRICKS)), (side, side), phase)
    return photograph(draws, draws.uniform(1.0, 5.0))


def foliage(draws: SeededDraws) -> Material:
    """Leaves, dry or green."""
    color = draws.color(
        draws.choice(((0.24, 0.42, 0.18), (0.4, 0.45, 0.2), (0.5, 0.38, 0.18), (0.16, 0.3, 0.18))), 0.08
    )
    cell = draws.uniform(0.03, 0.4)
    texture = draws.choice((Texture.NOISE, Texture.SPECKLES))
    return Material(color, shade(color, draws.uniform(0.4, 1.9)), texture, (cell, cell), draws.uniform())


def repaint(parts: list[Primitive], draws: SeededDraws, share: float = 0.7) -> list[Primitive]:
    """Parts with other materials: those that shared one share the new one; some materials stay."""
    new: dict[Material, Material] = {}
    for part in parts:
        if part.material not in new:
            stays = not draws.chance(share)
            new[part.material] = part.material if stays else draws.choice((wood, fabric, _some))(draws)
    return [replace(part, material=new[part.material]) for part in parts]


def _some(draws: SeededDraws) -> Material:
    return any_material(draws, 0.5)
