# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Scenes with several views, looked through before training: files, units, cameras, and whether views see each other."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...cameras import fov_of_focal
from ...covisibility import seen_shares
from ...geometry import world_to_camera
from ...view_fitting import choose_view_size
from .depth_survey import judge_unit
from .scene_descriptions import SceneDescription, is_scene, read_scene
from .scene_folders import load_frame, read_size
from .view_sampling import MIN_COVISIBILITY

VIEW_SIZE = 128  # pixels of the longer side that views are compared at
MAX_COMPARED = 24  # views of a scene, as the comparison grows with the square
USUAL_FIELD = (10.0, 150.0)  # degrees across the picture
LITTLE, MUCH_MORE = (
    0.05,
    0.25,
)  # share of a view's points that others see: too little; a difference that no chance makes


@dataclass
class SceneSurvey:
    """What was found in one scene.

    Args:
        name: of its folder.
        num_views: described ones; `num_read` could be read.
        confirmed: of each compared view, the largest share of its points that another one sees.
        sample: a picture (3, H, W) uint8 and its depth (H, W), for a contact sheet.
    """

    name: str
    num_views: int = 0
    num_read: int = 0
    is_metric: bool = True
    sizes: Counter = field(default_factory=Counter)
    valid_share: float = 0.0
    median_depth: float | None = None
    fields_of_view: tuple[float, float] | None = None
    confirmed: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sample: tuple[np.ndarray, np.ndarray] | None = None

    def summary(self) -> dict[str, Any]:
        """Numbers for report.json."""
        return {
            "num_views": self.num_views,
            "num_read": self.num_read,
            "is_metric": self.is_metric,
            "sizes_height_x_width": {f"{h} x {w}": count for (h, w), count in self.sizes.most_common()},
            "valid_share": self.valid_share,
            "median_depth": self.median_depth,
            "fields_of_view_degrees": self.fields_of_view,
            "median_share_seen_by_another_view": float(np.median(self.confirmed)) if self.confirmed else None,
            "problems": self.problems,
            "warnings": self.warnings,
        }

    def line(self) -> str:
        """The same for people."""
        parts = [f"{self.num_views} views, {self.num_read} read"]
        if self.median_depth is not None:
            unit = "m" if self.is_metric else "units"
            parts.append(f"depth in {self.valid_share:.0%} of the pixels, median {self.median_depth:.3g} {unit}")
        if self.confirmed:
            parts.append(f"{np.median(self.confirmed):.0%} of a view is seen by another one")
        return f"{self.name}: {'; '.join(parts)}"


def find_scene_folders(folder: Path) -> list[Path]:
    """The scenes in a folder, in its `train` and `val`, or the folder itself; empty where there is none."""
    if not folder.is_dir():
        return []
    if is_scene(folder):
        return [folder]
    places = [place for place in (folder / "train", folder / "val") if place.is_dir()] or [folder]
    return [path for place in places for path in sorted(place.iterdir()) if path.is_dir() and is_scene(path)]


def survey_scenes(folder: Path, limit: int | None = None) -> Iterator[SceneSurvey]:
    """Look through every scene, one after the other; `limit` views of each, evenly spread."""
    for place in find_scene_folders(folder):
        survey = SceneSurvey(place.relative_to(folder).as_posix() if place != folder else place.resolve().name)
        try:
            _look_through(survey, read_scene(place), limit)
        except ValueError as error:
            survey.problems.append(str(error))
        yield survey


def _look_through(survey: SceneSurvey, scene: SceneDescription, limit: int | None) -> None:
    survey.num_views, survey.is_metric = len(scene.frames), scene.is_metric
    chosen = np.unique(
        np.linspace(0, survey.num_views - 1, min(limit or survey.num_views, survey.num_views)).astype(int)
    )
    loaded: list[tuple[Any, ...]] = []
    size, degrees = None, []
    for frame in (scene.frames[index] for index in chosen.tolist()):
        try:
            photo_size = read_size(frame)
            size = size or choose_view_size([photo_size], VIEW_SIZE)
            views = load_frame(frame, scene.depth_scale, size)
        except ValueError as error:
            survey.problems.append(str(error))
            continue
        survey.sizes[photo_size] += 1
        height, width = photo_size
        camera = frame.intrinsics
        degrees.append(fov_of_focal(camera[0, 0], width))
        if abs(camera[0, 2] / width - 0.5) > 0.25 or abs(camera[1, 2] / height - 0.5) > 0.25:
            survey.warnings.append(
                f"{frame.image.name}: the principal point ({camera[0, 2]:g}, {camera[1, 2]:g}) is far from the middle of"
                f" {height} x {width}. Do the intrinsics belong to this size?"
            )
        loaded.append((*views, torch.from_numpy(frame.camera_to_world)))
    survey.num_read = len(loaded)
    if not loaded:
        return
    if survey.num_views < 2:
        survey.problems.append("Only one view: training needs two or more.")
    survey.fields_of_view = (min(degrees), max(degrees))
    low, high = USUAL_FIELD
    if not low <= survey.fields_of_view[0] <= survey.fields_of_view[1] <= high:
        survey.problems.append(
            f"Fields of view from {min(degrees):.0f} to {max(degrees):.0f} degrees: are the intrinsics in pixels of these"
            " pictures?"
        )
    images, depths, cameras, poses = (torch.stack(parts) for parts in zip(*loaded, strict=True))
    survey.sample = images[0].numpy(), depths[0].numpy()
    _judge_depth(survey, depths)
    if len(loaded) > 1 and survey.median_depth is not None:
        part = np.unique(np.linspace(0, len(loaded) - 1, MAX_COMPARED).astype(int))
        _judge_cameras(survey, depths[part].double(), cameras[part].double(), poses[part])


def _judge_depth(survey: SceneSurvey, depths: Tensor) -> None:
    valid = depths > 0
    survey.valid_share = valid.float().mean().item()
    if not valid.any():
        survey.problems.append("No view has depth: only poses and rays could be trained.")
        return
    survey.median_depth = depths[valid].median().item()
    empty = int((valid.flatten(1).sum(dim=1) == 0).sum())
    if empty:
        survey.warnings.append(f"{empty} of {len(depths)} views have no depth.")
    if survey.is_metric and (doubt := judge_unit(survey.median_depth, 1.0)):
        survey.problems.append(doubt.replace("--depth-scale", "depth_scale in cameras.json"))


def _judge_cameras(survey: SceneSurvey, depths: Tensor, cameras: Tensor, poses: Tensor) -> None:
    """Whether views see each other's points, and if not, whether other poses would explain that."""
    survey.confirmed = _confirmed(depths, cameras, poses)
    if len(torch.unique(poses[:, :3].flatten(1), dim=0)) < len(poses):
        survey.warnings.append("Some views have exactly the same pose.")
    share = float(np.mean(survey.confirmed))
    to_opengl = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=poses.dtype))
    others = {
        "are from world to camera; store their inverse": world_to_camera(poses),
        "have OpenGL's axes (y up, z backward); negate the second and third column": poses @ to_opengl,
        "are in millimetres, and depth in metres": _scaled(poses, 0.001),
        "are in metres, and depth in millimetres": _scaled(poses, 1000.0),
    }
    shares = {text: float(np.mean(_confirmed(depths, cameras, other))) for text, other in others.items()}
    likelier = max(shares, key=lambda text: shares[text])
    if shares[likelier] > share + MUCH_MORE:
        survey.problems.append(
            f"The poses look as if they {likelier}: {shares[likelier]:.0%} of a view would be seen by another instead of"
            f" {share:.0%}."
        )
    elif share < LITTLE:
        survey.problems.append(
            f"Views see only {share:.0%} of each other's points: poses, intrinsics and depth do not belong together, or the"
            " views share nothing."
        )
    elif (alone := sum(seen < MIN_COVISIBILITY for seen in survey.confirmed)) > len(poses) / 2:
        survey.warnings.append(f"{alone} of {len(poses)} compared views share less than {MIN_COVISIBILITY:.0%}.")


def _confirmed(depths: Tensor, cameras: Tensor, poses: Tensor) -> list[float]:
    # About the first camera: coordinates of a survey are large.
    shares = seen_shares(depths, cameras, torch.linalg.inv(poses[0]) @ poses)
    return (shares - torch.eye(len(shares), dtype=shares.dtype)).amax(dim=1).tolist()


def _scaled(poses: Tensor, factor: float) -> Tensor:
    scaled = poses.clone()
    scaled[:, :3, 3] *= factor
    return scaled
