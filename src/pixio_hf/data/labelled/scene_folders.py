# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photographed scenes, a folder each, as a source of views."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...covisibility import covisibility
from ...files import file_in_progress
from ...label_maps import DEPTH_MODES, SEGMENTATION_MODES, read_map, resize_nearest, to_metres
from ...listings import show_path
from ...map_files import open_map, read_array
from ...photo_files import load_upright, open_photo
from ...view_fitting import VIEW_SIDE, ViewFit, choose_view_size
from .scene_descriptions import Frame, SceneDescription, is_scene, read_scene
from .view_dataset import Views

COVISIBILITY_SIZE = 64  # pixels of the longer side of the depth that pairs are compared by


class SceneFolders:
    """Scenes of a folder, one subfolder each with its pictures, depth and cameras; or the folder of a single scene.

    Pictures are scaled to cover one size and cropped; cameras follow, depth is that of the nearest pixel. A ViewSource.

    Args:
        root: folder of scenes; see docs/reconstruction.md for what each holds.
        size: (height, width) of all views; None: the one of `choose_view_size` for the first pictures of the scenes.
        names: scenes to take, by their folder's name; None: all that are there.
        min_views: that every scene must have.
        cache_dir: keep what pairs of views have in common in this folder, where a scene does not bring it.
        longer_side, divisor: without `size`, see `choose_view_size`; None: 512.

    Raises:
        ValueError: no scene, one that is missing or has too few views, or a description that is wrong.
    """

    def __init__(
        self,
        root: str | Path,
        size: tuple[int, int] | None = None,
        names: Sequence[str] | None = None,
        min_views: int = 2,
        cache_dir: str | Path | None = None,
        longer_side: int | None = None,
        divisor: int = 16,
    ):
        root = Path(root)
        if not root.is_dir():
            raise ValueError(f"{show_path(root)} is no folder of scenes.")
        if names is not None:
            folders = [root / name for name in names]
        elif is_scene(root):
            folders = [root]
        else:
            folders = sorted(path for path in root.iterdir() if path.is_dir() and is_scene(path))
        if not folders:
            raise ValueError(
                f"{show_path(root)} holds no scene: each is a subfolder with images/, depth/ and cameras.json, or with a"
                " scene_meta.json."
            )
        self.scenes = [read_scene(folder) for folder in folders]
        for scene in self.scenes:
            if len(scene.frames) < min_views:
                raise ValueError(
                    f"{show_path(scene.folder)} has {len(scene.frames)} views, fewer than the {min_views} asked for."
                )
        if size is None:
            first_sizes = [read_size(scene.frames[0]) for scene in self.scenes]
            size = choose_view_size(first_sizes, longer_side or VIEW_SIDE, divisor)
        self.size = size
        self.cache_dir = None if cache_dir is None else Path(cache_dir)
        self._covisibility: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.scenes)

    def is_metric(self, scene: int) -> bool:
        """Whether a scene's unit is the metre."""
        return self.scenes[scene].is_metric

    def is_synthetic(self, scene: int) -> bool:
        """Whether a scene's depth is exact up to the edges of things."""
        return self.scenes[scene].is_synthetic

    def load(self, scene: int, views: Sequence[int]) -> Views:
        """These views of a scene, in this order.

        Raises:
            ValueError: a file is missing or damaged, or does not fit its view; names it.
        """
        description = self.scenes[scene]
        loaded = [load_frame(description.frames[view], description.depth_scale, self.size) for view in views]
        images, depths, intrinsics = (torch.stack(parts) for parts in zip(*loaded, strict=True))
        poses = np.stack([description.frames[view].camera_to_world for view in views])
        # About the first camera: coordinates of a survey have too many digits for float32.
        poses = np.linalg.inv(poses[0]) @ poses
        return Views(images, depths, intrinsics, torch.from_numpy(poses).float())

    def covisibility(self, scene: int) -> np.ndarray:
        """What each two views of a scene see of each other: (V, V); stored with the scene, cached, or computed."""
        if scene not in self._covisibility:
            description = self.scenes[scene]
            if description.covisibility is not None:
                common = read_covisibility(description.covisibility, len(description.frames))
            else:
                common = self._cached_or_computed(description)
            self._covisibility[scene] = common
        return self._covisibility[scene]

    def _cached_or_computed(self, scene: SceneDescription) -> np.ndarray:
        if self.cache_dir is None:
            return compute_covisibility(scene)
        described = "".join(f"{frame.image}{frame.depth}{frame.camera_to_world.tolist()}" for frame in scene.frames)
        name = (
            f"{scene.folder.name}-{hashlib.sha256(described.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.npy"
        )
        file = self.cache_dir / name
        if file.is_file():
            return read_covisibility(file, len(scene.frames))
        common = compute_covisibility(scene)
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        with file_in_progress(file) as partial, partial.open("wb") as opened:
            np.save(opened, common)
        return common


def read_size(frame: Frame) -> tuple[int, int]:
    """(height, width) of a frame's picture as it is turned upright, from its description or its header."""
    if frame.size is not None:
        return frame.size
    photo = load_upright(open_photo(frame.image))
    return photo.height, photo.width


def load_frame(frame: Frame, depth_scale: float, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Picture (3, H, W) uint8, depth (H, W) and camera (3, 3) of a view of this (height, width).

    Raises:
        ValueError: names the file that is missing, damaged or does not fit.
    """
    photo = load_upright(open_photo(frame.image)).convert("RGB")
    photo_size = (photo.height, photo.width)
    if frame.size is not None and frame.size != photo_size:
        raise ValueError(f"{show_path(frame.image)} is {photo_size}, but its scene says {frame.size} (height, width).")
    fit = ViewFit.plan(photo_size, size, has_intrinsics=True)
    image = torch.from_numpy(np.array(fit.resize_photo(photo))).permute(2, 0, 1).contiguous()
    depth = np.zeros(size, dtype=np.float32)
    if frame.depth is not None:
        depth = fit.resize_depth(_fit_map(read_depth(frame.depth, depth_scale), photo_size, frame.depth))
    if frame.mask is not None:
        kept = read_map(open_map(frame.mask), SEGMENTATION_MODES, f"mask {show_path(frame.mask)}")
        depth = np.where(fit.resize_depth(_fit_map(kept, photo_size, frame.mask)) == 0, -1, depth)
    intrinsics = torch.from_numpy(fit.intrinsics_of_view(frame.intrinsics)).float()
    return image, torch.from_numpy(np.ascontiguousarray(depth, dtype=np.float32)), intrinsics


def read_depth(file: Path, depth_scale: float) -> np.ndarray:
    """Depth (H, W) in the scene's unit, 0 where it is unknown, negative where there can be none.

    Raises:
        ValueError: names the file.
    """
    if not file.is_file():
        raise ValueError(f"{show_path(file)} is missing.")
    try:
        depth = to_metres(read_map(open_map(file), DEPTH_MODES, "depth map"), depth_scale)
    except ValueError as error:
        message = str(error)
        raise ValueError(message if str(file) in message else f"{show_path(file)}: {message}") from error
    return np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0)


def _fit_map(values: np.ndarray, photo_size: tuple[int, int], file: Path) -> np.ndarray:
    """A map at the size of its photo; smaller or larger ones of the same aspect ratio are resized by index."""
    if values.shape == photo_size:
        return values
    (height, width), (photo_height, photo_width) = values.shape, photo_size
    if abs(height * photo_width - width * photo_height) > max(photo_size):
        raise ValueError(
            f"{show_path(file)} is {values.shape} (height, width), which does not fit its picture of {photo_size}."
        )
    return resize_nearest(values, photo_size)


def compute_covisibility(scene: SceneDescription) -> np.ndarray:
    """What each two views of a scene see of each other, from small versions of their depth: (V, V)."""
    depths, cameras = [], []
    sizes = None
    for frame in scene.frames:
        photo_size = read_size(frame)
        if sizes is None:
            factor = COVISIBILITY_SIZE / max(photo_size)
            sizes = max(2, round(photo_size[0] * factor)), max(2, round(photo_size[1] * factor))
        fit = ViewFit.plan(photo_size, sizes, has_intrinsics=True)
        depth = np.zeros(sizes, dtype=np.float32)
        if frame.depth is not None:
            depth = fit.resize_depth(_fit_map(read_depth(frame.depth, scene.depth_scale), photo_size, frame.depth))
        depths.append(torch.from_numpy(np.ascontiguousarray(depth)))
        cameras.append(torch.from_numpy(fit.intrinsics_of_view(frame.intrinsics)))
    poses = np.stack([frame.camera_to_world for frame in scene.frames])
    poses = torch.from_numpy(np.linalg.inv(poses[0]) @ poses)
    return covisibility(torch.stack(depths).double(), torch.stack(cameras), poses).numpy()


def read_covisibility(file: Path, num_views: int) -> np.ndarray:
    """A stored matrix as a symmetric one, the mean of both directions: (V, V).

    Also reads bare float32 numbers, which MapAnything's memory maps hold.

    Raises:
        ValueError: no such matrix; names the file.
    """
    if not file.is_file():
        raise ValueError(f"{show_path(file)} is missing.")
    if file.stat().st_size == 4 * num_views**2:  # with a header it would be longer
        values = np.fromfile(file, dtype=np.float32).reshape(num_views, num_views)
    else:
        values = read_array(file)
    if values is None or values.shape != (num_views, num_views) or not np.isfinite(values).all():
        found = "no matrix" if values is None else f"shape {values.shape}"
        raise ValueError(
            f"{show_path(file)} must hold finite numbers for {num_views} x {num_views} pairs of views, found {found}."
        )
    return (values + values.T).astype(np.float64) / 2
