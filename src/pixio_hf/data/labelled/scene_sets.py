# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Scenes by name, rendered or in folders, to train on and to evaluate by table T3's protocol."""

from pathlib import Path

from ...synthetic import HELD_OUT_SEEDS, SYNTHETIC_DATASETS
from ...synthetic.view_sets import SyntheticViewSet
from .scene_descriptions import is_scene
from .scene_folders import SceneFolders
from .view_dataset import ViewDataset, ViewSource
from .view_sampling import MIN_COVISIBILITY

VIEWS_PER_SCENE = 4  # of a rendered one; sets of fewer views share the cache


def open_scene_sets(
    data: str,
    num_views: int = 2,
    *,
    image_size: int | None = None,
    divisor: int = 16,
    num_scenes: int = 160,
    sets_per_scene: int = 1,
    min_covisibility: float = MIN_COVISIBILITY,
    cache_dir: str | Path | None = None,
) -> ViewDataset:
    """Sets of views to evaluate on, the same in every call.

    Args:
        data: "synthetic-rooms" and the like (held-out scenes, the first views of each), or a folder of scenes, whose `val`
            is taken where it has one.
        image_size: side of rendered pictures; of pictures in folders the longer one. None: 128 rendered, 512 else.
        divisor: sides of pictures in folders are multiples of it: the model's patch size.
        num_scenes: rendered ones.
        sets_per_scene: of a folder; 10 in the protocol.
        min_covisibility: of a folder, of views that follow each other; 0.25 in the protocol, 0.025 for ETH3D.
        cache_dir: keeps rendered scenes, and what pairs of views have in common.

    Raises:
        ValueError: no such data set, or scenes with fewer views.
    """
    if data in SYNTHETIC_DATASETS:
        return ViewDataset(
            _render(data, num_scenes, num_views, HELD_OUT_SEEDS.start, image_size, cache_dir),
            num_views,
            views_in_turn=True,
        )
    folders = open_scene_folders(data, "val", num_views, image_size, divisor, cache_dir)
    return ViewDataset(folders, num_views, sets_per_scene=sets_per_scene, min_covisibility=min_covisibility)


def open_training_scenes(
    data: str,
    max_views: int = 2,
    *,
    image_size: int | None = None,
    divisor: int = 16,
    num_scenes: int = 1024,
    cache_dir: str | Path | None = None,
) -> ViewSource:
    """Scenes to train on, of the same names as in `open_scene_sets`; of a folder its `train`.

    Raises:
        ValueError: as of `open_scene_sets`.
    """
    if data in SYNTHETIC_DATASETS:
        return _render(data, num_scenes, max_views, 0, image_size, cache_dir)
    return open_scene_folders(data, "train", max_views, image_size, divisor, cache_dir)


def open_scene_folders(
    data: str | Path,
    split: str,
    min_views: int,
    image_size: int | None = None,
    divisor: int = 16,
    cache_dir: str | Path | None = None,
) -> SceneFolders:
    """Scenes below DATA/split, or below DATA where there is no such folder.

    Raises:
        ValueError: no such folder, or scenes with fewer views.
    """
    root = Path(data)
    if not root.is_dir():
        raise ValueError(f"{str(data)!r} is neither a folder of scenes nor one of {', '.join(SYNTHETIC_DATASETS)}.")
    if (root / split).is_dir() and not is_scene(root / split):
        root = root / split
    return SceneFolders(root, min_views=min_views, cache_dir=cache_dir, longer_side=image_size, divisor=divisor)


def _render(
    data: str, num_scenes: int, num_views: int, first_seed: int, image_size: int | None, cache_dir: str | Path | None
) -> SyntheticViewSet:
    views = max(VIEWS_PER_SCENE, num_views)
    kind = SYNTHETIC_DATASETS[data]
    return SyntheticViewSet(num_scenes, views, first_seed, image_size or 128, kind, cache_dir=cache_dir)
