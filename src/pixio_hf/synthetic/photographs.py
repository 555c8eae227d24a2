# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photographs as textures and pictures on the surfaces of synthetic scenes, or drawn pictures where there are none."""

import hashlib
import os
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ..listings import find_files, photo_endings
from .seeds import SeededDraws
from .textures import TexturePoints, smooth_noise

SIDE = 128
"""Side in texels of a picture; a surface far away is looked up in halved ones."""
MAX_PHOTOGRAPHS = 1024
_NUM_LEVELS = 5
_NUM_DRAWN = 96


class Photographs:
    """Square pictures that surfaces show.

    Args:
        pictures: (N, 128, 128, 3) uint8.
        fingerprint: stands for them in the name of a cache.
    """

    def __init__(self, pictures: np.ndarray, fingerprint: str):
        self.fingerprint = fingerprint
        self.count = len(pictures)
        level = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(255).square_()
        levels = []
        for _ in range(_NUM_LEVELS):
            # Stored as displayed: eight bits of linear light would band in the dark.
            levels.append(level.sqrt().mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).reshape(-1, 3))
            level = torch.nn.functional.avg_pool2d(level, 2)
        sides = [SIDE >> number for number in range(_NUM_LEVELS)]
        self.texels = torch.cat(levels)
        self.sides = torch.tensor(sides, dtype=torch.float32)
        self.starts = torch.tensor([0, *np.cumsum([len(texels) for texels in levels])[:-1]], dtype=torch.int32)

    def look_up(self, points: "TexturePoints") -> tuple[Tensor, Tensor, Tensor]:
        """Linear colours of points, three (K,); `phase` chooses the picture, a scale of 0 stretches it over the face."""
        device = points.u.device
        stretched = points.scale_u == 0
        wide = torch.where(stretched, 2 * points.half_u, points.scale_u)
        tall = torch.where(stretched, 2 * points.half_v, points.scale_v)
        across = (points.u + points.half_u) / wide
        down = (points.half_v - points.v) / tall
        level = (points.footprint * SIDE / torch.minimum(wide, tall)).clamp_(min=1).log2_()
        level = level.round_().clamp_(max=_NUM_LEVELS - 1).int()
        side = self.sides.to(device).index_select(0, level)
        picture = (points.phase * self.count).int().clamp_(0, self.count - 1)
        side_int = side.int()
        start = self.starts.to(device).index_select(0, level) + picture * side_int * side_int
        x, y = (_mirror(position) * side - 0.5 for position in (across, down))
        left, top = x.floor(), y.floor()
        weight_x, weight_y = (x - left)[:, None], (y - top)[:, None]
        columns = [(left + step).int().clamp_(min=0).minimum(side_int - 1) for step in (0, 1)]
        rows = [start + (top + step).int().clamp_(min=0).minimum(side_int - 1) * side_int for step in (0, 1)]
        texels = self.texels.to(device)
        corners = [[texels.index_select(0, row + column).float() for column in columns] for row in rows]
        upper, lower = (torch.lerp(near, far, weight_x) for near, far in corners)
        red, green, blue = torch.lerp(upper, lower, weight_y).mul_(1 / 255).square_().unbind(1)
        return red, green, blue


def _mirror(position: Tensor) -> Tensor:
    """Fold positions into [0, 1]: every other repetition of a picture is mirrored, so that it has no seams."""
    return 1 - (position.remainder(2) - 1).abs()


@cache
def load_photographs(folder: str | os.PathLike) -> Photographs:
    """At most 1,024 photographs of a folder and those in it, chosen by the hash of their names, cut square.

    Raises:
        ValueError: there are none.
    """
    names = find_files(folder, photo_endings()).files
    if not names:
        raise ValueError(f"{folder} holds no photographs to put onto surfaces.")
    names = sorted(names, key=lambda name: hashlib.sha256(str(name).encode("utf-8", "surrogateescape")).digest())
    names = names[:MAX_PHOTOGRAPHS]
    pictures = np.stack([_cut_square(Path(folder) / name) for name in names])
    return Photographs(pictures, f"{len(names)}photos-{hashlib.sha256(pictures.tobytes()).hexdigest()[:8]}")


def _cut_square(path: Path) -> np.ndarray:
    with PIL.Image.open(path) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        side, (width, height) = min(image.size), image.size
        left, top = (width - side) // 2, (height - side) // 2
        square = image.convert("RGB").resize((SIDE, SIDE), box=(left, top, left + side, top + side))
    return np.asarray(square)


@cache
def draw_pictures() -> Photographs:
    """Pictures of coloured areas, bars, lines like text and clouds: what surfaces show without photographs."""
    pictures = [_draw_picture(SeededDraws(seed)) for seed in range(_NUM_DRAWN)]
    return Photographs(np.stack(pictures), "drawn")


def _draw_picture(draws: SeededDraws) -> np.ndarray:
    picture = np.empty((SIDE, SIDE, 3), dtype=np.float32)
    picture[:] = [draws.uniform() for _ in range(3)]
    steps = torch.arange(SIDE, dtype=torch.float32) / SIDE
    for _ in range(draws.integer(1, 3)):
        cells, shift = draws.choice((2.0, 4.0, 8.0, 20.0)), draws.uniform(0, 60)
        places = steps * cells + shift
        noise = smooth_noise(places.repeat(SIDE), places.repeat_interleave(SIDE)).view(SIDE, SIDE, 1).numpy()
        weight = ((noise - 0.5) * draws.uniform(1, 5) + 0.5).clip(0, 1) * draws.uniform(0.2, 1)
        picture += weight * (np.array([draws.uniform() for _ in range(3)], dtype=np.float32) - picture)
    for _ in range(draws.integer(0, 7)):
        left, top = draws.integer(-20, SIDE - 8), draws.integer(-20, SIDE - 8)
        wide, tall = draws.integer(6, SIDE), draws.integer(6, SIDE // 2)
        picture[max(top, 0) : top + tall, max(left, 0) : left + wide] = [draws.uniform() for _ in range(3)]
    if draws.chance(0.6):
        _draw_text(draws, picture)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def _draw_text(draws: SeededDraws, picture: np.ndarray) -> None:
    ink = [draws.uniform() ** 2] * 3
    tall = draws.integer(2, 9)
    row = draws.integer(4, 40)
    for _ in range(draws.integer(2, 14)):
        column = draws.integer(4, 24)
        while column < SIDE - 10 and row + tall < SIDE:
            letter = max(1, tall // 2 + draws.integer(-1, 1))
            if draws.chance(0.85):
                picture[row : row + tall, column : column + letter] = ink
            column += letter + max(1, tall // 3)
        row += int(tall * 1.7) + 1
