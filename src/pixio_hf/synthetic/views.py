# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Several views of one synthetic scene: pictures, depth and cameras in OpenCV axes.

View 0 is the scene's own camera, the others are moved and turned from there. The renderer's world is left-handed (y points
up); here it is mirrored to y pointing down, so that all rotations are proper ones and x, y, z are right, down, forward.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..covisibility import covisibility
from .raycasting import SKY_ID, PixelGrid, local_rotation
from .rendering import build_scene, check_request, render_scene
from .scenes import Camera, Scene, SceneKind
from .seeds import SeededDraws
from .tracing import trace_image

VIEWS_VERSION = 1
"""Generator of the scenes of several views: rooms and streets that a second camera can stand in."""
MAX_VIEWS = 64
_WALL_CLEARANCE, _SOLID_CLEARANCE = 0.3, 0.15  # metres between a moved camera and walls, solids
_MIN_EYE_HEIGHT = 0.4  # metres above the ground
_TRIES = 24  # places tried before the motion is halved
_CHECK_SIZE = 32  # pixels, of the depth that a place is judged by
_VIEW_STREAM = 0x5CE7E0F71E35  # takes the draws of cameras away from those of the scene


@dataclass(frozen=True)
class ViewMotion:
    """How far the other cameras of a scene may be from its first one, and how much they must have in common with it.

    Args:
        min_distance, max_distance: metres between the camera centres.
        max_rise: metres up or down, of that.
        max_yaw, max_pitch, max_roll: degrees of turning from the first camera.
        min_depth: metres; nothing may be nearer to a camera.
        min_covisibility: mean share of the pixels that the first and the other view see of each other.
    """

    min_distance: float = 0.1
    max_distance: float = 1.0
    max_rise: float = 0.2
    max_yaw: float = 25.0
    max_pitch: float = 8.0
    max_roll: float = 1.0
    min_depth: float = 0.3
    min_covisibility: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.min_distance <= self.max_distance or not math.isfinite(self.max_distance):
            raise ValueError(
                f"Need 0 <= min_distance <= max_distance, got {self.min_distance} and {self.max_distance} metres."
            )
        if min(self.max_rise, self.max_yaw, self.max_pitch, self.max_roll, self.min_depth) < 0:
            raise ValueError(f"A motion has no negative limits, got {self}.")
        if not 0 <= self.min_covisibility < 1:
            raise ValueError(f"min_covisibility must lie in [0, 1), got {self.min_covisibility}.")


class SceneViews(NamedTuple):
    """V views of a scene.

    `images` (V, 3, H, W) uint8; `depth` (V, H, W) float32 z depth in metres, 0 where it is unknown (mirrors, beyond the
    range), -1 in the sky; `intrinsics` (V, 3, 3) in pixels whose first has its centre at (0, 0); `camera_to_world`
    (V, 4, 4), right-handed, y down; `covisibility` (V, V), see `pixio_hf.covisibility`.
    """

    images: Tensor
    depth: Tensor
    intrinsics: Tensor
    camera_to_world: Tensor
    covisibility: Tensor


DEFAULT_MOTION = ViewMotion()


def render_views(
    seed: int,
    num_views: int = 2,
    image_size: int = 256,
    kind: SceneKind = "room",
    motion: ViewMotion = DEFAULT_MOTION,
    supersample: bool = False,
) -> SceneViews:
    """Render V views of the scene of a seed.

    View i depends on the seed, i, the motion and the size of the picture alone, not on how many views there are. View 0
    is the picture of `render_scenes`.

    Raises:
        ValueError: unknown kind, bad size or seed, fewer than 1 or more than 64 views.
    """
    check_request(image_size, kind)
    if not 1 <= num_views <= MAX_VIEWS:
        raise ValueError(f"num_views must lie between 1 and {MAX_VIEWS}, got {num_views}.")
    scene = build_scene(seed, kind, VIEWS_VERSION)
    scenes = [scene] + [replace(scene, camera=move_camera(scene, seed, view, motion)) for view in range(1, num_views)]
    pictures, depths = zip(*(_render_with_unknowns(view, image_size, supersample) for view in scenes), strict=True)
    depth = torch.stack(depths)
    intrinsics = torch.stack([intrinsics_of(view.camera, image_size) for view in scenes])
    poses = torch.stack([pose_of(view.camera) for view in scenes])
    step = max(1, image_size // 64)  # every few pixels are enough to tell what is seen
    common = covisibility(depth[:, ::step, ::step], _subsampled(intrinsics, step), poses)
    return SceneViews(torch.stack(pictures), depth, intrinsics, poses, common)


def _render_with_unknowns(scene: Scene, image_size: int, supersample: bool) -> tuple[Tensor, Tensor]:
    """Picture and depth of a scene, 0 in mirrors and -1 in the sky."""
    image, depth = render_scene(scene, image_size, supersample=supersample)
    image, depth = image.clone(), depth.clone()  # they come from inference mode
    if scene.room_size is not None and not any(part.is_mirror for part in scene.primitives):
        return image, depth
    with torch.inference_mode():
        traced = trace_image(scene, PixelGrid.at_centers(image_size, scene.camera.fov, torch.device("cpu")))
        sky = traced.ids == SKY_ID
        mirrored = torch.zeros_like(sky) if traced.mirrored is None else traced.mirrored
    depth.masked_fill_(mirrored.clone(), 0.0)
    depth.masked_fill_((sky & ~mirrored).clone(), -1.0)
    return image, depth


def move_camera(scene: Scene, seed: int, view: int, motion: ViewMotion) -> Camera:
    """The camera of a further view: a free place within the limits of the motion that looks at the same things.

    Where none is found the motion is halved, until one is; in the end the camera stays where it is.
    """
    draws = SeededDraws((int(seed) * MAX_VIEWS + view) ^ _VIEW_STREAM)
    first = scene.camera
    seen_first = _look(scene)
    for halvings in range(6):
        for _ in range(_TRIES):
            camera = _draw_camera(draws, first, motion, 0.5**halvings)
            moved = replace(scene, camera=camera)
            if not _is_free(scene, camera.position):
                continue
            seen = _look(moved)
            if float(seen.min()) < motion.min_depth:
                continue
            pair = torch.stack((seen_first, seen))
            pair = torch.where(pair <= scene.max_depth, pair, 0)
            cameras = (first, camera)
            common = covisibility(
                pair,
                torch.stack([intrinsics_of(one, _CHECK_SIZE) for one in cameras]),
                torch.stack([pose_of(one) for one in cameras]),
            )
            if float(common[0, 1]) >= motion.min_covisibility:
                return camera
    return first


def _draw_camera(draws: SeededDraws, first: Camera, motion: ViewMotion, share: float) -> Camera:
    distance = share * draws.uniform(motion.min_distance, motion.max_distance)
    rise = draws.uniform(-1, 1) * min(motion.max_rise, distance)
    direction = draws.uniform(0, 2 * math.pi)
    along = math.sqrt(distance**2 - rise**2)
    yaw, pitch, roll = (
        share * math.radians(draws.uniform(-limit, limit))
        for limit in (motion.max_yaw, motion.max_pitch, motion.max_roll)
    )
    x, y, z = first.position
    return Camera(
        position=(x + along * math.cos(direction), y + rise, z + along * math.sin(direction)),
        yaw=first.yaw + yaw,
        pitch=first.pitch + pitch,
        roll=first.roll + roll,
        fov=first.fov,
    )


def _is_free(scene: Scene, position: tuple[float, float, float]) -> bool:
    """Whether a camera may stand there: inside the room or above the ground, and in no solid."""
    if position[1] < _MIN_EYE_HEIGHT:
        return False
    if scene.room_size is not None and not all(
        _WALL_CLEARANCE <= place <= side - _WALL_CLEARANCE
        for place, side in zip(position, scene.room_size, strict=True)
    ):
        return False
    for part in scene.primitives:
        local = local_rotation(part.yaw) @ (np.array(position) - np.array(part.center))
        if (np.abs(local) < np.array(part.half) + _SOLID_CLEARANCE).all():
            return False
    return True


def _look(scene: Scene) -> Tensor:
    """Depth of a small picture (h, w), infinite in the sky."""
    with torch.inference_mode():
        grid = PixelGrid.at_centers(_CHECK_SIZE, scene.camera.fov, torch.device("cpu"))
        depth = trace_image(scene, grid).depth
    return depth.clone()


def intrinsics_of(camera: Camera, image_size: int) -> Tensor:
    """Pinhole camera of a square picture, in pixels whose first has its centre at (0, 0): (3, 3)."""
    focal, centre = image_size / (2 * math.tan(camera.fov / 2)), image_size / 2 - 0.5
    return torch.tensor([[focal, 0.0, centre], [0.0, focal, centre], [0.0, 0.0, 1.0]])


def pose_of(camera: Camera) -> Tensor:
    """Camera to world in OpenCV axes (right-handed, y down): (4, 4)."""
    upright = np.diag([1.0, -1.0, 1.0])
    pose = np.eye(4)
    pose[:3, :3] = upright @ np.array(camera.rotation())
    pose[:3, 3] = upright @ np.array(camera.position)
    return torch.from_numpy(pose).float()


def _subsampled(intrinsics: Tensor, step: int) -> Tensor:
    """Cameras of pictures of which every step-th pixel is kept: (V, 3, 3) -> (V, 3, 3)."""
    factors = intrinsics.new_tensor([1 / step, 1 / step, 1.0])
    return intrinsics * factors[:, None]
