# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Scenes with several views as a torch data set of what PixioForReconstruction takes."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from .view_sampling import MIN_COVISIBILITY, ViewRequest, choose_views

EVALUATION_SEED = 777  # of the sets of views in T3's protocol


class Views(NamedTuple):
    """V views of a scene, all of one size; OpenCV axes, pixels count from (0, 0).

    `images` (V, 3, H, W) uint8; `depth` (V, H, W) float32 z depth, 0 where it is unknown, negative where there can be none
    (sky); `intrinsics` (V, 3, 3); `camera_to_world` (V, 4, 4).
    """

    images: Tensor
    depth: Tensor
    intrinsics: Tensor
    camera_to_world: Tensor


class ViewSource(Protocol):
    """Scenes to take views from."""

    def __len__(self) -> int: ...

    def is_metric(self, scene: int) -> bool:
        """Whether a scene's unit is the metre."""
        ...

    def is_synthetic(self, scene: int) -> bool:
        """Whether a scene's depth is exact up to the edges of things."""
        ...

    def covisibility(self, scene: int) -> np.ndarray:
        """What each two views of a scene see of each other: (V, V)."""
        ...

    def load(self, scene: int, views: Sequence[int]) -> Any:
        """These views of a scene, in this order, with the fields of Views."""
        ...


class ViewDataset(Dataset):
    """Samples `{"pixel_values": (V, 3, H, W), "labels": {...}}` for PixioForReconstruction; default collation stacks them.

    Asked for a `ViewRequest`, its seed chooses the views by what they have in common; asked for a number, the sample is
    always the same: with `views_in_turn` the first views of that scene, else ones chosen by the protocol's seed.

    Args:
        source: where the scenes are.
        num_views: of a sample that is asked for by number.
        dense_size: (height, width) of the labels; None: of the pictures. See PixioForReconstruction.forward.
        mirror: mirror half of the requested samples left to right, cameras too.
        views_in_turn: take the first views when asked for a number.
        sets_per_scene: samples of each scene when asked for a number; 10 in T3's protocol.
        min_covisibility: that two views must have in common to follow each other.

    Raises:
        ValueError: no scene, or no view.
    """

    def __init__(
        self,
        source: ViewSource,
        num_views: int = 2,
        dense_size: tuple[int, int] | None = None,
        mirror: bool = False,
        views_in_turn: bool = False,
        sets_per_scene: int = 1,
        min_covisibility: float = MIN_COVISIBILITY,
    ):
        if min(len(source), num_views, sets_per_scene) < 1:
            raise ValueError(
                "Need scenes, and at least one set of one view of each; got"
                f" {len(source)} scenes, num_views {num_views} and sets_per_scene {sets_per_scene}."
            )
        if views_in_turn and sets_per_scene > 1:
            raise ValueError("With views_in_turn every scene has one set of views: sets_per_scene must be 1.")
        self.source, self.num_views, self.dense_size = source, num_views, dense_size
        self.mirror, self.views_in_turn, self.min_covisibility = mirror, views_in_turn, min_covisibility
        self.sets_per_scene = sets_per_scene

    def __len__(self) -> int:
        return len(self.source) * self.sets_per_scene

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int | ViewRequest) -> dict[str, Any]:
        if isinstance(index, ViewRequest):
            scene, generator = index.scene, np.random.default_rng(index.seed)
            views = self.choose(scene, index.num_views, generator)
            loaded = self.source.load(scene, views)
            if self.mirror and generator.random() < 0.5:
                loaded = mirror_views(loaded)
        else:
            if not 0 <= index < len(self):
                raise IndexError(f"Set {index} of {len(self)}.")
            scene, views = index // self.sets_per_scene, range(self.num_views)
            if not self.views_in_turn:
                views = self.choose(scene, self.num_views, np.random.default_rng((EVALUATION_SEED, index)))
            loaded = self.source.load(scene, views)
        return make_sample(loaded, self.dense_size, self.source.is_metric(scene), self.source.is_synthetic(scene))

    def choose(self, scene: int, num_views: int, generator: np.random.Generator) -> list[int]:
        return choose_views(self.source.covisibility(scene), num_views, generator, self.min_covisibility)


def make_sample(views: Any, dense_size: tuple[int, int] | None, is_metric: bool, is_synthetic: bool) -> dict[str, Any]:
    """Normalised pictures and labels of PixioForReconstruction, without the batch axis."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    depth, intrinsics = views.depth, views.intrinsics
    if dense_size is not None:
        depth, intrinsics = resize_depth(depth, intrinsics, dense_size)
    labels = {
        "depth": depth,
        "intrinsics": intrinsics,
        "camera_to_world": views.camera_to_world,
        "is_metric": torch.tensor(is_metric),
        "is_synthetic": torch.tensor(is_synthetic),
    }
    return {"pixel_values": (views.images.float() / 255 - mean) / std, "labels": labels}


def resize_depth(depth: Tensor, intrinsics: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Depth and cameras of maps of another size whose corner pixels stay where they are, as the dense head resizes.

    Depth is that of the nearest pixel, never a mean: (V, H, W), (V, 3, 3) -> (V, h, w), (V, 3, 3).
    """
    places, factors = [], []
    for target, length in zip(size, depth.shape[-2:], strict=True):
        places.append(torch.linspace(0, length - 1, target).round().long())
        factors.append((target - 1) / (length - 1))
    scaled = intrinsics * intrinsics.new_tensor([factors[1], factors[0], 1.0])[:, None]
    return depth[..., places[0][:, None], places[1]], scaled


def mirror_views(views: Any) -> Views:
    """The scene as a mirror shows it, left and right exchanged: pictures, depth and cameras."""
    intrinsics = views.intrinsics.clone()
    intrinsics[:, 0, 2] = views.images.shape[-1] - 1 - intrinsics[:, 0, 2]
    flip = torch.diag(views.camera_to_world.new_tensor([-1.0, 1.0, 1.0, 1.0]))
    return Views(views.images.flip(-1), views.depth.flip(-1), intrinsics, flip @ views.camera_to_world @ flip)
