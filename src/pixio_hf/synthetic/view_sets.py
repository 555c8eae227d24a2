# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sets of synthetic scenes with several views each, rendered when asked for or once into a cache on disk."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from .datasets import check_seed_range
from .disk_cache import open_or_render
from .rendering import check_request, single_threaded
from .scenes import SceneKind
from .views import DEFAULT_MOTION, MAX_VIEWS, VIEWS_VERSION, SceneViews, ViewMotion, render_views

VIEW_GENERATOR_VERSION = 1
"""Changes whenever a seed starts to mean other views of its scene."""

SCENES_PER_FOLDER = 1024
"""A larger cached set is a row of folders, so that a set that grows is not rendered anew."""


@dataclass(frozen=True)
class ViewSetKey:
    """What a cached set of views depends on."""

    kind: SceneKind
    image_size: int
    first_seed: int
    num_scenes: int
    num_views: int
    motion: ViewMotion = DEFAULT_MOTION
    supersample: bool = False
    generator_version: int = VIEWS_VERSION
    view_generator_version: int = VIEW_GENERATOR_VERSION

    @property
    def folder_name(self) -> str:
        samples = "-2x2" if self.supersample else ""
        moved = "" if self.motion == DEFAULT_MOTION else f"-motion{hash_motion(self.motion)}"
        seeds = f"seeds{self.first_seed}-{self.num_scenes}scenes-{self.num_views}views"
        versions = f"v{self.generator_version}.{self.view_generator_version}"
        return f"{self.kind}-{self.image_size}px{samples}{moved}-{seeds}-{versions}"

    def describe(self) -> dict[str, Any]:
        """What is stored beside the arrays: every field."""
        return asdict(self)

    def arrays(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        views, size = self.num_views, self.image_size
        return {
            "images": ((views, 3, size, size), np.uint8),
            "depth": ((views, size, size), np.float32),
            "intrinsics": ((views, 3, 3), np.float32),
            "camera_to_world": ((views, 4, 4), np.float32),
            "covisibility": ((views, views), np.float32),
        }

    def render(self, seeds: Sequence[int]) -> dict[str, np.ndarray]:
        with single_threaded():
            scenes = [
                render_views(seed, self.num_views, self.image_size, self.kind, self.motion, self.supersample)
                for seed in seeds
            ]
        return {name: np.stack([getattr(scene, name).numpy() for scene in scenes]) for name in self.arrays()}


def hash_motion(motion: ViewMotion) -> str:
    """A short name of a motion that stays the same between runs."""
    import hashlib

    return hashlib.sha256(repr(motion).encode()).hexdigest()[:8]


class SyntheticViewSet:
    """Scenes with V views each: item i is the `SceneViews` of seed `first_seed + i`; a source for ViewDataset.

    With `cache_dir` all are rendered once, by `num_workers` processes (0: this one), into memory-mapped files that later
    runs open at once; an interrupted rendering goes on where it stopped. Sets that begin at one seed share their folders of
    1024 scenes.

    Raises:
        ValueError: a bad kind, size, number of views or seed range.
    """

    def __init__(
        self,
        num_scenes: int,
        num_views: int = 2,
        first_seed: int = 0,
        image_size: int = 256,
        kind: SceneKind = "room",
        motion: ViewMotion = DEFAULT_MOTION,
        cache_dir: str | os.PathLike | None = None,
        num_workers: int = 0,
        supersample: bool = False,
    ):
        check_request(image_size, kind)
        check_seed_range(first_seed, num_scenes)
        if not 1 <= num_views <= MAX_VIEWS:
            raise ValueError(f"num_views must lie between 1 and {MAX_VIEWS}, got {num_views}.")
        if num_workers < 0:
            raise ValueError(f"num_workers must be >= 0, got {num_workers}.")
        self.key = ViewSetKey(kind, image_size, first_seed, num_scenes, num_views, motion, supersample)
        self.cache_dir = cache_dir
        self._cached = self._open(num_workers)

    def __len__(self) -> int:
        return self.key.num_scenes

    def __getitem__(self, index: int) -> SceneViews:
        return self.load(index, range(self.key.num_views))

    def is_metric(self, scene: int) -> bool:
        """All scenes are in metres."""
        return True

    def is_synthetic(self, scene: int) -> bool:
        """All scenes have exact depth."""
        return True

    def covisibility(self, scene: int) -> np.ndarray:
        """What each two views of a scene see of each other: (V, V)."""
        return np.asarray(self._arrays_of(scene)["covisibility"])

    def load(self, scene: int, views: Sequence[int]) -> SceneViews:
        """These views of a scene, in this order."""
        arrays, chosen = self._arrays_of(scene), list(views)
        parts = {name: array[chosen] for name, array in arrays.items()}  # a copy, also of what is mapped
        parts["covisibility"] = parts["covisibility"][:, chosen]
        return SceneViews(**{name: torch.from_numpy(part) for name, part in parts.items()})

    def _arrays_of(self, scene: int) -> dict[str, np.ndarray]:
        position = scene + len(self) if scene < 0 else scene
        if not 0 <= position < len(self):
            raise IndexError(f"Scene {scene} of a set of {len(self)}.")
        if self._cached is not None:
            folder, place = divmod(position, SCENES_PER_FOLDER)
            return {name: array[place] for name, array in self._cached[folder].items()}
        rendered = self.key.render([self.key.first_seed + position])
        return {name: array[0] for name, array in rendered.items()}

    def _open(self, num_workers: int = 0) -> list[dict[str, np.ndarray]] | None:
        if self.cache_dir is None:
            return None
        starts = range(0, len(self), SCENES_PER_FOLDER)
        return [
            open_or_render(
                self.cache_dir,
                replace(
                    self.key,
                    first_seed=self.key.first_seed + start,
                    num_scenes=min(SCENES_PER_FOLDER, len(self) - start),
                ),
                num_workers,
            )
            for start in starts
        ]

    def __getstate__(self) -> dict[str, Any]:
        # A memory map would be pickled as a copy of the whole file; workers reopen it instead.
        return self.__dict__ | {"_cached": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._cached = self._open()
