# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Procedural textures of real-world size.

Every texture maps surface coordinates in metres to a weight of the second colour and a brightness factor. Patterns
fade to their mean where a pixel covers more than one cell, as a camera's lens and sensor would blur them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from .scenes import Texture

_LATTICE = 64


@dataclass(frozen=True)
class TexturePoints:
    """Points (K,) of one texture: coordinates `u`, `v` from the face's centre, its half sizes, cells, pixels (m)."""

    u: Tensor
    v: Tensor
    half_u: Tensor
    half_v: Tensor
    height: Tensor
    scale_u: Tensor
    scale_v: Tensor
    phase: Tensor
    footprint: Tensor


WeightAndBrightness = tuple[Tensor, Tensor]


@cache
def _noise_lattice(device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.rand(_LATTICE * _LATTICE, generator=generator).to(device)


def smooth_noise(u: Tensor, v: Tensor) -> Tensor:
    """Value noise in [0, 1] that repeats after 64 cells."""
    lattice = _noise_lattice(u.device)
    column, row = u.floor(), v.floor()
    fraction_u, fraction_v = u - column, v - row
    fraction_u = fraction_u * fraction_u * (3 - 2 * fraction_u)
    fraction_v = fraction_v * fraction_v * (3 - 2 * fraction_v)
    left, top = column.int() & (_LATTICE - 1), (row.int() & (_LATTICE - 1)) * _LATTICE
    right, bottom = (
        (left + 1) & (_LATTICE - 1),
        (top + _LATTICE) & (_LATTICE * _LATTICE - 1),
    )
    upper = torch.lerp(lattice.index_select(0, top + left), lattice.index_select(0, top + right), fraction_u)
    lower = torch.lerp(lattice.index_select(0, bottom + left), lattice.index_select(0, bottom + right), fraction_u)
    return torch.lerp(upper, lower, fraction_v)


def _cell_variation(column: Tensor, row: Tensor, phase: Tensor) -> Tensor:
    """A number in [0, 1) for every cell of a grid."""
    mixed = (column * 0.7548777 + row * 0.5698403 + phase).frac().mul_(61.7).frac()
    return mixed.abs_()


def _line_coverage(distance: Tensor, half_width: float, footprint: Tensor) -> Tensor:
    """How much of a pixel a line covers whose centre is `distance` away."""
    blurred = footprint.clamp(min=0.5 * half_width)
    return ((half_width - distance) / blurred + 0.5).clamp_(0, 1) * (2 * half_width / blurred).clamp_(max=1)


def _fade(footprint: Tensor, period: Tensor) -> Tensor:
    return (1.5 - 1.5 * footprint / period).clamp_(0, 1)


def _distance_to_grid(position: Tensor, cell: Tensor, size: Tensor) -> Tensor:
    return (0.5 - (position - cell - 0.5).abs()) * size


def _plain(points: TexturePoints) -> WeightAndBrightness:
    return torch.zeros_like(points.u), torch.ones_like(points.u)


def _tiles(
    points: TexturePoints,
    shift: float = 0.0,
    half_joint: float = 0.006,
    variation: float = 0.08,
):
    row_position = points.v / points.scale_v + points.phase
    row = row_position.floor()
    position = points.u / points.scale_u + points.phase + row * shift
    column = position.floor()
    distance = torch.minimum(
        _distance_to_grid(position, column, points.scale_u),
        _distance_to_grid(row_position, row, points.scale_v),
    )
    fade = _fade(points.footprint, points.scale_v)
    brightness = 1 + variation * fade * (_cell_variation(column, row, points.phase) - 0.5)
    return _line_coverage(distance, half_joint, points.footprint) * (0.3 + 0.7 * fade), brightness


def _bricks(points: TexturePoints) -> WeightAndBrightness:
    return _tiles(points, shift=0.5, half_joint=0.005, variation=0.16)


def _planks(points: TexturePoints) -> WeightAndBrightness:
    weight, brightness = _tiles(points, shift=0.38, half_joint=0.0025, variation=0.34)
    grain = smooth_noise(points.u * 2.5, points.v * 45)
    return weight, brightness * (1 + 0.1 * (grain - 0.5) * _fade(points.footprint, points.scale_v * 0.3))


def _checker(points: TexturePoints) -> WeightAndBrightness:
    column = (points.u / points.scale_u + points.phase).floor()
    row = (points.v / points.scale_v + points.phase).floor()
    parity = ((column + row) * 0.5).frac().abs().mul_(2)
    return torch.lerp(torch.full_like(parity, 0.5), parity, _fade(points.footprint, points.scale_v)), torch.ones_like(
        parity
    )


def _stripes(points: TexturePoints) -> WeightAndBrightness:
    parity = ((points.u / points.scale_u + points.phase).floor() * 0.5).frac().abs().mul_(2)
    return torch.lerp(torch.full_like(parity, 0.5), parity, _fade(points.footprint, points.scale_u)), torch.ones_like(
        parity
    )


def _noise(points: TexturePoints) -> WeightAndBrightness:
    noise = smooth_noise(
        points.u / points.scale_u + points.phase,
        points.v / points.scale_v + points.phase,
    )
    fade = _fade(points.footprint, 2 * torch.minimum(points.scale_u, points.scale_v))
    return torch.lerp(torch.full_like(noise, 0.5), noise, fade), torch.ones_like(noise)


def _facade(points: TexturePoints) -> WeightAndBrightness:
    position, storey_position = (
        points.u / points.scale_u,
        points.height / points.scale_v,
    )
    column, storey = position.floor(), storey_position.floor()
    off_u = ((position - column - 0.5) * points.scale_u).abs()
    off_v = ((storey_position - storey - 0.5) * points.scale_v).abs()
    window = (off_u < 0.6) & (off_v < 0.75)
    sill = (off_u < 0.7) & (off_v < 0.87) & ~window
    brightness = 1 + window * 0.5 * (_cell_variation(column, storey, points.phase) - 0.4) + sill * 0.15
    brightness = brightness - 0.2 * _line_coverage(storey_position - storey, 0.02, points.footprint)
    return window.float(), brightness


def _edge_distance(points: TexturePoints) -> Tensor:
    return torch.minimum(points.half_u - points.u.abs(), points.half_v - points.v.abs())


def _panes(points: TexturePoints) -> WeightAndBrightness:
    position, row_position = (
        (points.u + points.half_u) / points.scale_u,
        (points.v + points.half_v) / points.scale_v,
    )
    distance = torch.minimum(
        _distance_to_grid(position, position.floor(), points.scale_u),
        _distance_to_grid(row_position, row_position.floor(), points.scale_v),
    )
    frame = _line_coverage(
        torch.minimum(distance, (_edge_distance(points) - 0.03).clamp_(min=0)),
        0.025,
        points.footprint,
    )
    sky = 1.35 + 0.25 * points.v / points.half_v
    return frame, torch.lerp(sky, torch.ones_like(sky), frame)


def _picture(points: TexturePoints) -> WeightAndBrightness:
    painting = smooth_noise(
        points.u / points.scale_u * 2 + points.phase,
        points.v / points.scale_v * 2 + points.phase,
    )
    framed = _line_coverage(_edge_distance(points), 0.03, points.footprint)
    contrast = ((painting - 0.5) * 4 + 0.5).clamp_(0, 1)
    return contrast, 1 - 0.75 * framed


def _panels(points: TexturePoints) -> WeightAndBrightness:
    position, row_position = (
        (points.u + points.half_u) / points.scale_u,
        (points.v + points.half_v) / points.scale_v,
    )
    distance = torch.minimum(
        _distance_to_grid(position, position.floor(), points.scale_u),
        _distance_to_grid(row_position, row_position.floor(), points.scale_v),
    )
    return _line_coverage(distance, 0.006, points.footprint), torch.ones_like(distance)


def _books(points: TexturePoints) -> WeightAndBrightness:
    column = (points.u / points.scale_u).floor()
    fade = _fade(points.footprint, points.scale_u)
    weight = _cell_variation(column, column * 0.3, points.phase)
    shade = _cell_variation(column * 1.7, column, points.phase)
    return torch.lerp(torch.full_like(weight, 0.5), weight, fade), 1 + 0.7 * fade * (shade - 0.5)


def _speckles(points: TexturePoints) -> WeightAndBrightness:
    """Grains, as of carpet, gravel or terrazzo, over larger stains."""
    column, row = (points.u / points.scale_u).floor(), (points.v / points.scale_v).floor()
    grain = _cell_variation(column + row * 0.37, row * 1.31 + column * 0.11, points.phase)
    stains = smooth_noise(points.u / points.scale_u * 0.06 + points.phase, points.v / points.scale_v * 0.06)
    fade = _fade(points.footprint, points.scale_u)
    weight = torch.lerp(torch.full_like(grain, 0.5), grain, fade)
    return weight * 0.7 + stains * 0.3, torch.ones_like(weight)


TEXTURES: dict[Texture, Callable[[TexturePoints], WeightAndBrightness]] = {
    Texture.PLAIN: _plain,
    Texture.TILES: _tiles,
    Texture.CHECKER: _checker,
    Texture.PLANKS: _planks,
    Texture.BRICKS: _bricks,
    Texture.STRIPES: _stripes,
    Texture.NOISE: _noise,
    Texture.FACADE: _facade,
    Texture.PANES: _panes,
    Texture.PICTURE: _picture,
    Texture.PANELS: _panels,
    Texture.BOOKS: _books,
    Texture.SPECKLES: _speckles,
}
