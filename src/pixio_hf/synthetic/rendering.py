# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Render synthetic scenes: seeds in, pictures with exact metric depth out."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .image_formation import form_image
from .outdoors import build_street
from .photographs import Photographs, draw_pictures, load_photographs
from .raycasting import PixelGrid
from .rooms import build_room
from .scenes import SCENE_KINDS, Scene, SceneKind
from .seeds import SCENE_GENERATOR_VERSION, SeededDraws
from .shading import (
    cast_shadows,
    color_surface,
    light_surface,
    measure_openness,
    paint_sky,
    spread_haze,
)
from .surfaces import MAX_PRIMITIVES, describe_surface
from .tracing import trace_image
from .varied import build_varied_scene


class RGBDBatch(NamedTuple):
    """Synthetic pictures with depth.

    `images` (B, 3, H, W) uint8, `depth` (B, H, W) float32 metres along the optical axis (0 where there is none: sky or
    beyond the range), `fov_degrees` (B,) float32 horizontal fields of view, `aspects` (B,) float32 width over height of
    what the square pictures show.
    """

    images: Tensor
    depth: Tensor
    fov_degrees: Tensor
    aspects: Tensor


def check_request(image_size: int, kind: str, version: int = SCENE_GENERATOR_VERSION) -> None:
    """Raise ValueError for a picture size, a kind of scene or a version of the generator that cannot be rendered."""
    if version not in SCENE_KINDS:
        raise ValueError(
            f"Unknown version {version!r} of the scene generator; choose one of {', '.join(map(str, SCENE_KINDS))}."
        )
    if kind not in SCENE_KINDS[version]:
        others = [str(number) for number, kinds in SCENE_KINDS.items() if kind in kinds]
        hint = f", or version {' or '.join(others)}" if others else ""
        raise ValueError(
            f"Unknown kind of scene {kind!r} in version {version}; choose one of {', '.join(SCENE_KINDS[version])}{hint}."
        )
    if isinstance(image_size, bool) or not isinstance(image_size, int) or not 16 <= image_size <= 4096:
        raise ValueError(f"image_size must be an int between 16 and 4096 pixels, got {image_size!r}.")


def build_scene(seed: int, kind: SceneKind = "room", version: int = SCENE_GENERATOR_VERSION) -> Scene:
    """The synthetic scene of one seed.

    Of `mixed`, version 1 makes half of the seeds rooms and half streets, version 2 any kind.
    """
    check_request(256, kind, version)
    draws = SeededDraws(seed)
    if version == 2:
        return build_varied_scene(draws, kind)
    if kind == "mixed":
        kind = "room" if (int(seed) * 2654435761 >> 16) & 1 else "outdoor"
    return build_room(draws) if kind == "room" else build_street(draws)


def render_scenes(
    seeds: Sequence[int],
    image_size: int = 256,
    kind: SceneKind = "room",
    device: str | torch.device = "cpu",
    supersample: bool = False,
    version: int = SCENE_GENERATOR_VERSION,
    photographs: str | os.PathLike | None = None,
) -> RGBDBatch:
    """Render synthetic scenes: B seeds -> images (B, 3, H, W) uint8, depth (B, H, W) float32 in metres.

    The picture of a seed depends on nothing but the seed, `image_size`, `kind`, `supersample`, `version` and
    `photographs`: not on the batch, nor on its place in it. Depth is exact, is taken at pixel centres and is measured along
    the optical axis; 0 means none (sky, or beyond 80 m; in version 1, beyond 10 m in rooms). A mirror shows the reflected
    room and has its panel's depth. `supersample` averages four colour samples per pixel: smoother edges, about a third of
    the speed.

    Args:
        version: 1, rooms and streets seen from eye height; 2, anything seen by any camera, as cameras take pictures.
        photographs: folder of photographs that version 2 puts onto surfaces; None: drawn pictures.

    Raises:
        ValueError: an unknown kind or version, a bad size or seed, no photographs, or photographs for version 1.
    """
    check_request(image_size, kind, version)
    pictures = open_photographs(photographs, version)
    device = torch.device(device)
    scenes = [build_scene(seed, kind, version) for seed in seeds]
    images = torch.empty(len(scenes), 3, image_size, image_size, dtype=torch.uint8, device=device)
    depth = torch.empty(len(scenes), image_size, image_size, device=device)
    with single_threaded():
        for index, scene in enumerate(scenes):
            images[index], depth[index] = render_scene(scene, image_size, device, supersample, pictures)
    fov = torch.tensor([math.degrees(scene.camera.fov) for scene in scenes], device=device)
    aspects = torch.tensor([scene.camera.aspect for scene in scenes], device=device)
    return RGBDBatch(images, depth, fov, aspects)


def open_photographs(folder: str | os.PathLike | None, version: int) -> Photographs | None:
    """What surfaces show: nothing in version 1, photographs of a folder or drawn pictures in version 2.

    Raises:
        ValueError: a folder without photographs, or one for version 1.
    """
    if version == 1:
        if folder is not None:
            raise ValueError(
                "Version 1 of the synthetic scenes shows no photographs; choose version 2 or leave them out."
            )
        return None
    return draw_pictures() if folder is None else load_photographs(folder)


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread of torch inside, as many as before after it."""
    # The operations are many and small: threads that wait for each other inside them were measured to make rendering
    # ten times slower on busy cores. Processes (data loader workers, `num_workers` of a cache) use several cores well.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def render_scene(
    scene: Scene,
    image_size: int,
    device: str | torch.device = "cpu",
    supersample: bool = False,
    photographs: Photographs | None = None,
) -> tuple[Tensor, Tensor]:
    """Render one scene: image (3, H, W) uint8 and depth (H, W) float32 in metres, as `render_scenes` does."""
    if len(scene.primitives) > MAX_PRIMITIVES:
        raise ValueError(f"A scene may hold {MAX_PRIMITIVES} primitives, this one has {len(scene.primitives)}.")
    device = torch.device(device)
    camera = scene.camera
    centers = PixelGrid.at_centers(image_size, camera.fov, device, camera.aspect)
    traced = trace_image(scene, centers)
    surface = describe_surface(scene, traced)
    shadow = cast_shadows(scene, centers, traced)
    openness = measure_openness(scene, centers, traced, surface.normal)
    depth = torch.where(traced.depth <= scene.max_depth, traced.depth, 0.0)
    grid = centers
    if supersample:
        grid = PixelGrid.at_centers(2 * image_size, camera.fov, device, camera.aspect)
        traced = trace_image(scene, grid)
        surface = describe_surface(scene, traced)
        shadow, openness = (_repeat_twice(value) for value in (shadow, openness))
    points = [coordinate.flatten() for coordinate in traced.points]
    lights = light_surface(scene, points, surface.normal, shadow.flatten(), openness.flatten())
    channels = color_surface(scene, grid, traced, surface, photographs)
    for channel, light in zip(channels, lights, strict=True):
        channel.mul_(light)
    spread_haze(scene, traced.depth.flatten(), channels)
    paint_sky(scene, points, surface.ids, channels)
    image = torch.stack(channels).view(3, *grid.shape)
    if traced.mirrored is not None:
        image = torch.where(traced.mirrored, image * 0.88, image)
    if scene.formation is not None:
        return form_image(F.avg_pool2d(image, 2) if supersample else image, scene.formation), depth
    # Samples are averaged as displayed, so that one bright sample does not win a whole pixel.
    image = image.clamp_(0, 1).sqrt_()
    if supersample:
        image = F.avg_pool2d(image, 2)
    return image.mul_(255).round_().to(torch.uint8), depth


def _repeat_twice(value: Tensor) -> Tensor:
    height, width = value.shape
    return value[:, None, :, None].expand(height, 2, width, 2).reshape(2 * height, 2 * width)
