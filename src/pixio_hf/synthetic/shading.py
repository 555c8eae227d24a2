# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Colours of traced points: textures, photographs, one soft light, shadows, darker corners, sky and haze."""

import numpy as np
import torch
from torch import Tensor

from .photographs import Photographs
from .raycasting import (
    SHELL_ID,
    SKY_ID,
    PixelGrid,
    Rectangle,
    corners_of,
    covered_rectangles,
    part_rotation,
    primitive_interval,
    shadow_hulls,
)
from .scenes import Primitive, Scene, Shape, Texture
from .surfaces import (
    MAX_PRIMITIVES,
    Surface,
    shell_material_ids,
)
from .textures import TEXTURES, TexturePoints, smooth_noise
from .tracing import TracedImage

_OCCLUSION_RADIUS = 0.3
"""Corners are darker within this distance (metres)."""


def color_surface(
    scene: Scene, grid: PixelGrid, traced: TracedImage, surface: Surface, photographs: Photographs | None = None
) -> list[Tensor]:
    """Linear albedo of every sample: three flat (H * W,) tensors."""
    device = grid.u.device
    by_id = {index + 1: part.material for index, part in enumerate(scene.primitives)}
    by_id |= dict(zip(shell_material_ids(scene), scene.shell, strict=True))
    numbers = np.zeros((10, 256), dtype=np.float32)
    textures = np.zeros(256, dtype=np.uint8)
    for index, material in by_id.items():
        first = [channel * channel for channel in material.color]
        second = [channel * channel for channel in material.second_color]
        numbers[:, index] = (
            *first,
            *(b - a for a, b in zip(first, second, strict=True)),
            *material.scale,
            material.phase,
            0,
        )
        textures[index] = material.texture
    table = torch.from_numpy(numbers).to(device)
    material_ids = surface.material_ids
    texture_of_pixel = torch.from_numpy(textures).to(device).index_select(0, material_ids)
    weight = torch.zeros_like(surface.u)
    brightness = torch.ones_like(surface.u)
    pixel_size = 2 * grid.tangent / grid.shape[1]
    footprint = (traced.depth.flatten().square() * pixel_size).div_(_facing(scene, traced, surface))
    printed: tuple[Tensor, tuple[Tensor, Tensor, Tensor]] | None = None
    for texture in {material.texture for material in by_id.values()} - {Texture.PLAIN}:
        where = (texture_of_pixel == int(texture)).nonzero().squeeze(1)
        if where.numel() == 0:
            continue
        chosen = material_ids.index_select(0, where)
        points = TexturePoints(
            u=surface.u.index_select(0, where),
            v=surface.v.index_select(0, where),
            half_u=surface.half_u(where),
            half_v=surface.half_v(where),
            height=traced.points[1].flatten().index_select(0, where),
            scale_u=table[6].index_select(0, chosen),
            scale_v=table[7].index_select(0, chosen),
            phase=table[8].index_select(0, chosen),
            footprint=footprint.index_select(0, where),
        )
        if texture == Texture.PHOTO:
            assert photographs is not None
            printed = where, photographs.look_up(points)
            continue
        of_second, brighter = TEXTURES[texture](points)
        weight.index_copy_(0, where, of_second)
        brightness.index_copy_(0, where, brighter)
    channels = [
        torch.addcmul(
            table[channel].index_select(0, material_ids), table[channel + 3].index_select(0, material_ids), weight
        ).mul_(brightness)
        for channel in range(3)
    ]
    if printed is not None:
        where, colors = printed
        for channel, color in zip(channels, colors, strict=True):
            channel.index_copy_(0, where, channel.index_select(0, where) * color)
    return channels


def _facing(scene: Scene, traced: TracedImage, surface: Surface) -> Tensor:
    """Distance of the camera from the plane of the surface: small where it is seen at a grazing angle."""
    total = 0.0
    for axis in range(3):
        total = (traced.points[axis].flatten() - scene.camera.position[axis]) * surface.normal[axis] + total
    assert isinstance(total, Tensor)
    return total.abs_().clamp_(min=1e-2)


def light_surface(
    scene: Scene,
    points: list[Tensor],
    normal: list[Tensor],
    shadow: Tensor,
    openness: Tensor,
) -> list[Tensor]:
    """Light on every sample from one lamp with Lambert's cosine law and from around, three flat (H * W,) tensors."""
    to_light = [position - coordinate for position, coordinate in zip(scene.light_position, points, strict=True)]
    squared = to_light[0] * to_light[0]
    squared = squared.addcmul_(to_light[1], to_light[1]).addcmul_(to_light[2], to_light[2])
    cosine = to_light[0] * normal[0]
    cosine = cosine.addcmul_(to_light[1], normal[1]).addcmul_(to_light[2], normal[2])
    # A wrapped cosine: rooms bounce light onto surfaces that only just face away from the lamp.
    direct = cosine.mul_(squared.rsqrt()).mul_(0.85).add_(0.15).clamp_(min=0)
    direct.div_(squared.mul_(1 / scene.light_falloff**2).add_(1)).mul_(shadow.neg().add_(1)).mul_(scene.light_strength)
    ambient = (normal[1] * 0.08 + 1).mul_(scene.ambient)
    if scene.room_size is not None:
        ambient = torch.where(normal[1] < -0.5, scene.ambient + 0.3, ambient)
    if scene.light_color == scene.ambient_color == (1.0, 1.0, 1.0):
        return [(direct + ambient).mul_(openness)] * 3
    return [
        (direct * of_lamp).add_(ambient, alpha=of_ambient).mul_(openness)
        for of_lamp, of_ambient in zip(scene.light_color, scene.ambient_color, strict=True)
    ]


def cast_shadows(scene: Scene, grid: PixelGrid, traced: TracedImage) -> Tensor:
    """How much of the light is blocked, in [0, 1]: (H, W).

    Shadows are soft: a ray that only grazes a thing is blocked in part, by how deep it passes through.
    """
    blocked = torch.zeros_like(traced.depth)
    casters = [part for part in scene.primitives if part.casts_shadow]
    if not casters:
        return blocked
    light = np.array(scene.light_position)
    softness = 0.06 if scene.room_size is not None else 0.2
    distance = sum((traced.points[axis] - scene.light_position[axis]).square_() for axis in range(3))
    assert isinstance(distance, Tensor)
    distance = distance.sqrt_()
    hulls = shadow_hulls(corners_of(casters), light)
    for frame, window in traced.views:
        for part, rectangle in zip(casters, covered_rectangles(hulls, frame, grid), strict=True):
            here = _overlap(rectangle, window)
            if here is None:
                continue
            turn = part_rotation(part)
            start = _to_local(part, turn, [coordinate[here] for coordinate in traced.points])
            goal = (turn @ (light - np.array(part.center))).tolist()
            direction = [end - coordinate for end, coordinate in zip(goal, start, strict=True)]
            enter, leave = primitive_interval(part, start, direction)
            through = leave.clamp_(max=1).sub_(enter.clamp_(min=0)).mul_(distance[here])
            soft = min(softness, 1.6 * min(part.half))
            through = through.mul_(1 / soft).clamp_(0, 1)
            if part.shape != Shape.BOX:
                through.nan_to_num_(nan=0.0)
            torch.maximum(blocked[here], through, out=blocked[here])
    return blocked


def measure_openness(scene: Scene, grid: PixelGrid, traced: TracedImage, normal: list[Tensor]) -> Tensor:
    """Ambient light that reaches a point, in (0, 1]: (H, W); lower in corners and where furniture meets the floor.

    A point moved along its normal by a radius r should find nothing nearer than r: the signed distance there, over r.
    """
    radius = _OCCLUSION_RADIUS if scene.room_size is not None else 3 * _OCCLUSION_RADIUS
    probe = [
        torch.add(point, direction.view_as(point), alpha=radius)
        for point, direction in zip(traced.points, normal, strict=True)
    ]
    clearance = torch.full_like(traced.depth, radius)
    if scene.room_size is not None:
        for axis in range(3):
            half = scene.room_size[axis] / 2
            torch.minimum(clearance, (probe[axis] - half).abs_().neg_().add_(half), out=clearance)
        clearance.clamp_(min=0)
    near = [
        part for part in scene.primitives if part.casts_shadow and part.shape == Shape.BOX and max(part.half) > 0.15
    ]
    if near:
        hulls = corners_of(near, margin=radius)
        for frame, window in traced.views:
            for part, rectangle in zip(near, covered_rectangles(hulls, frame, grid), strict=True):
                here = _overlap(rectangle, window)
                if here is None:
                    continue
                start = _to_local(
                    part,
                    part_rotation(part),
                    [coordinate[here] for coordinate in probe],
                )
                outside = [
                    s.abs_().sub_(half).clamp_(min=0).square_() for s, half in zip(start, part.half, strict=True)
                ]
                distance = outside[0].add_(outside[1]).add_(outside[2]).sqrt_()
                torch.minimum(clearance[here], distance, out=clearance[here])
    openness = clearance.mul_(1 / radius)
    return (openness * (2 - openness)).mul_(0.42).add_(0.58)


def _overlap(rectangle: Rectangle | None, window: Rectangle | None) -> tuple[slice, slice] | None:
    if rectangle is None:
        return None
    top, bottom, left, right = rectangle
    if window is not None:
        top, bottom = max(top, window[0]), min(bottom, window[1])
        left, right = max(left, window[2]), min(right, window[3])
    if top >= bottom or left >= right:
        return None
    return slice(top, bottom), slice(left, right)


def _to_local(part: Primitive, turn: np.ndarray, points: list[Tensor]) -> list[Tensor]:
    """World points in the axes of a primitive, three new tensors."""
    offset = (turn @ np.array(part.center)).tolist()
    x, y, z = points
    if part.tilt != (0.0, 0.0):
        rows = turn.tolist()
        return [
            (x * row[0]).add_(y, alpha=row[1]).add_(z, alpha=row[2]).sub_(o)
            for row, o in zip(rows, offset, strict=True)
        ]
    if part.shape in (Shape.SPHERE, Shape.CYLINDER) or part.yaw == 0.0:
        center = part.center
        return [x - center[0], y - center[1], z - center[2]]
    cos, sin = float(turn[0, 0]), float(turn[2, 0])
    local_x = torch.add(x * cos, z, alpha=-sin).sub_(offset[0])
    local_z = torch.add(x * sin, z, alpha=cos).sub_(offset[2])
    return [local_x, y - offset[1], local_z]


def paint_sky(scene: Scene, points: list[Tensor], ids: Tensor, channels: list[Tensor]) -> None:
    """Overwrite sky samples with a gradient from the horizon to the zenith, in place."""
    sky = (ids == SKY_ID).nonzero().squeeze(1)
    if scene.room_size is not None or sky.numel() == 0:
        return
    # Points of the sky lie about 10 km away, so that their height gives the elevation.
    rise = (points[1][sky] * 2e-4).clamp_(0, 1)
    clouds = _spread_clouds(scene, [coordinate[sky] for coordinate in points]) if scene.cloudiness else None
    for channel, (low, high) in zip(channels, zip(*scene.sky_colors, strict=True), strict=True):
        blue = torch.lerp(torch.full_like(rise, low * low), torch.full_like(rise, high * high), rise)
        channel[sky] = blue if clouds is None else blue.lerp_(torch.full_like(blue, 0.85), clouds)


def _spread_clouds(scene: Scene, points: list[Tensor]) -> Tensor:
    """How much of a cloud covers each point of the sky, in [0, 1]: noise on a plane high above."""
    height = points[1].clamp(min=200.0)
    offset = 37 * scene.cloudiness
    u, v = points[0] / height, points[2] / height
    noise = smooth_noise(u * 1.7 + offset, v * 1.7) * 0.65 + smooth_noise(u * 5, v * 5 + offset) * 0.35
    return ((noise - 1 + scene.cloudiness) * 3).clamp_(0, 1)


def spread_haze(scene: Scene, depth: Tensor, channels: list[Tensor]) -> None:
    """Let haze of the horizon's colour swallow the light of what is far, in place; the sky stays."""
    if scene.haze == 0:
        return
    left = torch.where(depth.isinf(), 1.0, (depth * -scene.haze).exp_())
    for channel, color in zip(channels, scene.sky_colors[0], strict=True):
        channel.mul_(left).add_(color * color * (1 - left))


assert SHELL_ID == 0
assert MAX_PRIMITIVES < SKY_ID
