# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Synthetic data: endless rendered rooms and streets with exact metric depth.

They are computer-made, not photographs. They serve to train and test depth estimation where no data set can be
downloaded; numbers measured on them say nothing about a benchmark of photographs.
"""

from .datasets import (
    SYNTHETIC_DATASETS,
    SceneSet,
    SyntheticSceneDataset,
    check_scene_photographs,
    find_scene_set,
    iterable_scenes,
)
from .rendering import (
    RGBDBatch,
    build_scene,
    render_scene,
    render_scenes,
)
from .scenes import SceneKind
from .seeds import (
    HELD_OUT_SEEDS,
    SCENE_GENERATOR_VERSION,
    TRAIN_SEEDS,
)
from .view_sets import SyntheticViewSet
from .views import SceneViews, ViewMotion, render_views

__all__ = [
    "HELD_OUT_SEEDS",
    "SCENE_GENERATOR_VERSION",
    "SYNTHETIC_DATASETS",
    "TRAIN_SEEDS",
    "RGBDBatch",
    "SceneKind",
    "SceneSet",
    "SceneViews",
    "SyntheticSceneDataset",
    "SyntheticViewSet",
    "ViewMotion",
    "build_scene",
    "check_scene_photographs",
    "find_scene_set",
    "iterable_scenes",
    "render_scene",
    "render_scenes",
    "render_views",
]
