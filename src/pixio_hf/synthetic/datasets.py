# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Synthetic scenes as a torch map-style data set and as a streaming `datasets.IterableDataset`."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .disk_cache import SceneSetKey, open_or_render
from .rendering import check_request, open_photographs, render_scenes
from .scenes import SceneKind
from .seeds import HELD_OUT_SEEDS, SCENE_GENERATOR_VERSION, TRAIN_SEEDS

if TYPE_CHECKING:
    from datasets import IterableDataset

_NUM_SHARDS = 64
# Name on the command line -> kind of scene.
SYNTHETIC_DATASETS: dict[str, SceneKind] = {
    "synthetic-rooms": "room",
    "synthetic-outdoor": "outdoor",
    "synthetic-mixed": "mixed",
    "synthetic-tables": "table",
    "synthetic-corridors": "corridor",
    "synthetic-stairs": "stairs",
}


class SceneSet(NamedTuple):
    """What a name of a rendered data set stands for."""

    kind: SceneKind
    version: int

    @property
    def title(self) -> str:
        """Its name in words: "synthetic-mixed of version 2"; version 1 goes without saying."""
        name = next(name for name, kind in SYNTHETIC_DATASETS.items() if kind == self.kind)
        return name if self.version == 1 else f"{name} of version {self.version}"

    def open(
        self,
        num_scenes: int,
        first_seed: int,
        image_size: int,
        cache_dir: str | os.PathLike | None = None,
        num_workers: int = 0,
        photographs: str | os.PathLike | None = None,
    ) -> "SyntheticSceneDataset":
        """Its scenes, as in SyntheticSceneDataset; version 1 has no place for photographs and leaves them out."""
        return SyntheticSceneDataset(
            num_scenes,
            first_seed=first_seed,
            image_size=image_size,
            kind=self.kind,
            cache_dir=cache_dir,
            num_workers=num_workers,
            version=self.version,
            photographs=None if self.version == 1 else photographs,
        )


def find_scene_set(name: str | os.PathLike, version: int = SCENE_GENERATOR_VERSION) -> SceneSet | None:
    """Kind and version of a rendered data set, or None where the name is none of SYNTHETIC_DATASETS.

    "-v1" or "-v2" behind the name asks for that version of the renderer: "synthetic-mixed-v2".
    """
    if match := re.fullmatch(r"(.+)-v(\d+)", str(name)):
        name, version = match[1], int(match[2])
    return SceneSet(kind, version) if (kind := SYNTHETIC_DATASETS.get(str(name))) else None


def check_scene_photographs(
    photographs: str | os.PathLike | None, names: Sequence[str], version: int = SCENE_GENERATOR_VERSION
) -> None:
    """Raise ValueError where photographs are given, but no named data set has scenes that show them."""
    scene_sets = [scene_set for name in names if (scene_set := find_scene_set(name, version))]
    if photographs is not None and all(scene_set.version == 1 for scene_set in scene_sets):
        raise ValueError(
            f"scene_photographs are for rendered scenes of version 2, such as synthetic-mixed-v2; {' and '.join(names)}"
            " has none of them: add such a data set, or leave scene_photographs out."
        )


def check_seed_range(first_seed: int, num_scenes: int) -> None:
    """Raise ValueError for seeds that are negative or reach from the training range into the held-out one."""
    if first_seed < 0 or num_scenes < 1:
        raise ValueError(f"first_seed must be >= 0 and num_scenes >= 1, got {first_seed} and {num_scenes}.")
    last = first_seed + num_scenes - 1
    if first_seed < HELD_OUT_SEEDS.start <= last:
        raise ValueError(
            f"Seeds {first_seed} to {last} reach into the held-out seeds, which start at {HELD_OUT_SEEDS.start}: "
            "a set must lie on one side."
        )


class SyntheticSceneDataset(Dataset):
    """Synthetic RGB-D scenes: item i is `{"image": (3, H, W) uint8, "depth": (H, W) float32 metres, 0 = none}`.

    Item i shows the scene of seed `first_seed + i`. Scenes are rendered when asked for; with `cache_dir` all are
    rendered once, by `num_workers` processes (0: this one), into memory-mapped files that later runs open at once. An
    interrupted rendering goes on where it stopped. `supersample`, `version` and `photographs` as in `render_scenes`.
    With `num_workers`, call this under `if __name__ == "__main__":`. Raises ValueError for a bad kind, size, version or
    seed range.
    """

    def __init__(
        self,
        num_scenes: int,
        first_seed: int = 0,
        image_size: int = 256,
        kind: SceneKind = "room",
        cache_dir: str | os.PathLike | None = None,
        num_workers: int = 0,
        supersample: bool = False,
        version: int = SCENE_GENERATOR_VERSION,
        photographs: str | os.PathLike | None = None,
    ):
        check_request(image_size, kind, version)
        check_seed_range(first_seed, num_scenes)
        if num_workers < 0:
            raise ValueError(f"num_workers must be >= 0, got {num_workers}.")
        self.num_scenes = num_scenes
        self.first_seed = first_seed
        self.image_size = image_size
        self.kind: SceneKind = kind
        self.supersample = supersample
        self.version = version
        self.photographs = None if photographs is None else os.fspath(photographs)
        open_photographs(self.photographs, version)
        self.cache_dir = cache_dir
        self._cached = None
        if cache_dir is not None:
            self._cached = open_or_render(cache_dir, self._key(), num_workers)

    def _key(self) -> SceneSetKey:
        return SceneSetKey(
            self.kind,
            self.image_size,
            self.first_seed,
            self.num_scenes,
            self.supersample,
            self.version,
            self.photographs,
        )

    def __len__(self) -> int:
        return self.num_scenes

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        positions = [self._position(index) for index in indices]
        if self._cached is not None:
            images, depth = self._cached["images"], self._cached["depth"]
            return [
                {
                    "image": torch.from_numpy(images[position].copy()),
                    "depth": torch.from_numpy(depth[position].copy()),
                }
                for position in positions
            ]
        seeds = [self.first_seed + position for position in positions]
        batch = render_scenes(
            seeds,
            self.image_size,
            self.kind,
            supersample=self.supersample,
            version=self.version,
            photographs=self.photographs,
        )
        return [{"image": image, "depth": depth} for image, depth in zip(batch.images, batch.depth, strict=True)]

    def _position(self, index: int) -> int:
        position = index + self.num_scenes if index < 0 else index
        if not 0 <= position < self.num_scenes:
            raise IndexError(f"Scene {index} of a set of {self.num_scenes}.")
        return position

    def __getstate__(self) -> dict[str, Any]:
        # A memory map would be pickled as a copy of the whole file; workers reopen it instead.
        return self.__dict__ | {"_cached": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.cache_dir is not None:
            self._cached = open_or_render(self.cache_dir, self._key())


def iterable_scenes(
    first_seed: int,
    num_scenes: int | None = None,
    image_size: int = 256,
    kind: SceneKind = "room",
    batch_size: int = 32,
    supersample: bool = False,
) -> "IterableDataset":
    """Synthetic RGB-D scenes as a stream of `{"image": PIL image, "depth": (H, W) float32 metres, 0 = none}`.

    Scenes are rendered `batch_size` at a time; `num_scenes=None` goes on to the end of the range of seeds (training or
    held-out) that `first_seed` lies in. The stream has up to 64 shards of consecutive seeds, so that data loader
    workers and `split_dataset_by_node` share it without overlap; `supersample` as in `render_scenes`. Raises
    ValueError for a bad kind, size, seed range or batch size.
    """
    import datasets

    check_request(image_size, kind)
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size}.")
    if num_scenes is None:
        ranges = [seeds for seeds in (TRAIN_SEEDS, HELD_OUT_SEEDS) if first_seed in seeds]
        if not ranges:
            raise ValueError(f"Seed {first_seed} lies in neither TRAIN_SEEDS nor HELD_OUT_SEEDS: give num_scenes.")
        num_scenes = ranges[0].stop - first_seed
    check_seed_range(first_seed, num_scenes)
    num_shards = min(_NUM_SHARDS, -(-num_scenes // batch_size))
    edges = [first_seed + num_scenes * shard // num_shards for shard in range(num_shards + 1)]
    shards = [*pairwise(edges)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "depth": datasets.Array2D(shape=(image_size, image_size), dtype="float32"),
        }
    )
    return datasets.IterableDataset.from_generator(
        _generate_scenes,
        features=features,
        gen_kwargs={
            "shards": shards,
            "image_size": image_size,
            "kind": kind,
            "batch_size": batch_size,
            "supersample": supersample,
        },
    )


def _generate_scenes(
    shards: list[tuple[int, int]], image_size: int, kind: SceneKind, batch_size: int, supersample: bool
) -> Iterator[dict[str, Any]]:
    from PIL import Image

    for start, stop in shards:
        for first in range(start, stop, batch_size):
            seeds = range(first, min(first + batch_size, stop))
            batch = render_scenes(seeds, image_size, kind, supersample=supersample)
            for image, depth in zip(batch.images, batch.depth, strict=True):
                yield {
                    "image": Image.fromarray(image.permute(1, 2, 0).numpy()),
                    "depth": depth.numpy(),
                }
