# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Normals, surface coordinates and materials of traced points."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .raycasting import SHELL_ID, part_rotation
from .scenes import Scene, Shape
from .tracing import TracedImage

MAX_PRIMITIVES = 249
_ROOM_MATERIALS = (0, 250, 251, 252, 253, 254)
_STREET_MATERIALS = (0, 250, 251, 252)

ROAD_HALF_WIDTH = 3.5
PAVEMENT_END = 6.0


@dataclass(frozen=True)
class Surface:
    """Flat (H * W,) tensors: `normal` (three), `u` and `v` in metres from the centre of the face, `material_ids`."""

    normal: list[Tensor]
    u: Tensor
    v: Tensor
    material_ids: Tensor
    half: Tensor
    ids: Tensor
    faces_x: Tensor
    faces_y: Tensor

    def half_u(self, where: Tensor) -> Tensor:
        """Half width in metres of the faces that the chosen points lie on."""
        ids = self.ids.index_select(0, where)
        return torch.where(
            self.faces_x.index_select(0, where), self.half[2].index_select(0, ids), self.half[0].index_select(0, ids)
        )

    def half_v(self, where: Tensor) -> Tensor:
        ids = self.ids.index_select(0, where)
        return torch.where(
            self.faces_y.index_select(0, where), self.half[2].index_select(0, ids), self.half[1].index_select(0, ids)
        )


def shell_material_ids(scene: Scene) -> tuple[int, ...]:
    """Material ids of `scene.shell`, in its order; every other primitive's material has the id of the primitive."""
    return _ROOM_MATERIALS if scene.room_size is not None else _STREET_MATERIALS


def describe_surface(scene: Scene, traced: TracedImage) -> Surface:
    """Normal, texture coordinates and material of every traced point."""
    device = traced.depth.device
    ids = traced.ids.flatten().int()
    numbers = torch.from_numpy(_tabulate(scene)).to(device)
    world = [coordinate.flatten() for coordinate in traced.points]
    x, y, z = (world[axis] - numbers[axis].index_select(0, ids) for axis in range(3))
    cos, sin = numbers[6].index_select(0, ids), numbers[7].index_select(0, ids)
    local_x = x * cos - z * sin
    local_z = (x * sin).addcmul_(z, cos)
    tilted, turns = _find_tilted(scene, ids)
    if tilted is not None:
        offset = torch.stack([coordinate[tilted] for coordinate in (x, y, z)], 1)
        local_x[tilted], y[tilted], local_z[tilted] = torch.einsum("kij,kj->ik", turns, offset)
    ratio_x, ratio_y, ratio_z = (
        coordinate.abs().mul_(numbers[axis + 3].index_select(0, ids))
        for axis, coordinate in enumerate((local_x, y, local_z))
    )
    faces_y = ratio_y >= torch.maximum(ratio_x, ratio_z)
    faces_x = (ratio_x >= ratio_z).logical_and_(~faces_y)
    # -1 for the room, whose faces look inwards.
    outward = numbers[8].index_select(0, ids)
    along_x = local_x.sign().mul_(faces_x).mul_(outward)
    normal_y = y.sign().mul_(faces_y).mul_(outward)
    along_z = local_z.sign().mul_(~(faces_x | faces_y)).mul_(outward)
    u = torch.where(faces_x, local_z, local_x)
    v = torch.where(faces_y, local_z, y)
    round_table = torch.from_numpy(_round_shapes(scene)).to(device)
    is_round = round_table.index_select(0, ids).nonzero().squeeze(1)
    if is_round.numel():
        chosen = ids[is_round]
        unit_x = local_x[is_round] * numbers[3][chosen]
        unit_y = y[is_round] * numbers[4][chosen]
        unit_z = local_z[is_round] * numbers[5][chosen]
        upright = round_table[chosen] == int(Shape.CYLINDER)
        stretched = round_table[chosen] == int(Shape.ELLIPSOID)
        radial = (unit_x.square() + unit_z.square()).sqrt_()
        cap = upright & (unit_y.abs() > radial)
        side = ~cap
        if any(part.shape == Shape.ELLIPSOID for part in scene.primitives):
            # The gradient of the ellipsoid's equation; of the others the scale is the same along all that is round.
            slope_x, slope_y, slope_z = (
                torch.where(stretched, unit * numbers[3 + axis][chosen], unit)
                for axis, unit in enumerate((unit_x, unit_y, unit_z))
            )
            length = (slope_x.square() + slope_y.square() + slope_z.square()).rsqrt_()
            length = torch.where(stretched, length, 1.0)
            unit_x, unit_y, unit_z = slope_x * length, slope_y * length, slope_z * length
        along_x[is_round] = unit_x * side
        along_z[is_round] = unit_z * side
        normal_y[is_round] = torch.where(upright, unit_y.sign() * cap, unit_y)
        u[is_round] = local_x[is_round] + local_z[is_round]
        v[is_round] = torch.where(cap, local_z[is_round], y[is_round])
    normal = [
        (along_x * cos).addcmul_(along_z, sin),
        normal_y,
        along_z * cos - along_x * sin,
    ]
    if tilted is not None:
        facing = torch.stack([component[tilted] for component in (along_x, normal_y, along_z)], 1)
        for component, value in zip(normal, torch.einsum("kij,ki->jk", turns, facing), strict=True):
            component[tilted] = value
    material_ids = _choose_materials(scene, ids, world, (local_x, y, local_z), faces_x, faces_y)
    return Surface(normal, u, v, material_ids, numbers[9:12], ids, faces_x, faces_y)


def _find_tilted(scene: Scene, ids: Tensor) -> tuple[Tensor | None, Tensor]:
    """Which points lie on tilted primitives, and the world to local axes of each: (K,) and (K, 3, 3)."""
    by_id = {index + 1: part for index, part in enumerate(scene.primitives) if part.tilt != (0.0, 0.0)}
    rows = torch.zeros(256, dtype=torch.int64)
    rows[list(by_id)] = torch.arange(1, len(by_id) + 1)
    rows = rows.to(ids.device).index_select(0, ids)
    tilted = rows.nonzero().squeeze(1) if by_id else None
    if tilted is None or tilted.numel() == 0:
        return None, torch.empty(0, 3, 3)
    turns = np.stack([part_rotation(part) for part in by_id.values()]).astype(np.float32)
    return tilted, torch.from_numpy(turns).to(ids.device).index_select(0, rows[tilted] - 1)


def _tabulate(scene: Scene) -> np.ndarray:
    """Centre, inverse half sizes, cos and sin of yaw, direction of the normals, half sizes of every id: (12, 256)."""
    table = np.zeros((12, 256), dtype=np.float32)
    if scene.room_size is not None:
        half = [size / 2 for size in scene.room_size]
        table[:, SHELL_ID] = (*half, *(1 / size for size in half), 1, 0, -1, *half)
    else:
        # A block of endless width whose top is the ground.
        table[:, SHELL_ID] = (0, -1, 0, 1e-9, 1, 1e-9, 1, 0, 1, 1, 1, 1)
    for index, part in enumerate(scene.primitives):
        inverse = (1 / size for size in part.half)
        table[:, index + 1] = (
            *part.center,
            *inverse,
            np.cos(part.yaw),
            np.sin(part.yaw),
            1,
            *part.half,
        )
    return table


def _round_shapes(scene: Scene) -> np.ndarray:
    shapes = np.zeros(256, dtype=np.uint8)
    shapes[1 : len(scene.primitives) + 1] = [part.shape for part in scene.primitives]
    return shapes


def _choose_materials(
    scene: Scene,
    ids: Tensor,
    world: list[Tensor],
    local: tuple,
    faces_x: Tensor,
    faces_y: Tensor,
) -> Tensor:
    if scene.room_size is not None:
        x, y, z = local
        ids_of_walls = torch.where(faces_x, 251 + (x > 0).int(), 253 + (z > 0).int())
        shell = torch.where(faces_y, (y > 0).int() * 250, ids_of_walls)
    else:
        across, along = world[0].abs(), world[2]
        dash = ((along * (1 / 9)).frac().abs() < 1 / 3) & (across < 0.07)
        edge = (across - 3.2).abs() < 0.06
        road = torch.where(dash | edge, 252, 250)
        shell = torch.where(across < ROAD_HALF_WIDTH, road, torch.where(across < PAVEMENT_END, 251, 0))
    return torch.where(ids == SHELL_ID, shell.int(), ids)
