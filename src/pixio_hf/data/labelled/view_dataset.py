# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Scenes with several views as a torch data set of what PixioForReconstruction takes."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from pixio_hf.data.labelled.view_sampling import MIN_COVISIBILITY, ViewRequest, choose_views

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
    """Scenes to take views from.

    `is_metric`: lengths are in metres. `is_synthetic`: depth is exact up to the edges of things.
    """

    is_metric: bool
    is_synthetic: bool

    def __len__(self) -> int: ...

    def covisibility(self, scene: int) -> np.ndarray:
        """What each two views of a scene see of each other: (V, V)."""
        ...

    def load(self, scene: int, views: Sequence[int]) -> Views:
        """These views of a scene, in this order."""
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
        min_covisibility: float = MIN_COVISIBILITY,
    ):
        if not len(source) or num_views < 1:
            raise ValueError(f"Need scenes and at least one view of each, got {len(source)} and {num_views}.")
        self.source, self.num_views, self.dense_size = source, num_views, dense_size
        self.mirror, self.views_in_turn, self.min_covisibility = mirror, views_in_turn, min_covisibility

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int | ViewRequest) -> dict[str, Any]:
        if isinstance(index, ViewRequest):
            scene, generator = index.scene, np.random.default_rng(index.seed)
            views = self.choose(scene, index.num_views, generator)
            loaded = self.source.load(scene, views)
            if self.mirror and generator.random() < 0.5:
                loaded = mirror_views(loaded)
        else:
            views = range(self.num_views)
            if not self.views_in_turn:
                views = self.choose(index, self.num_views, np.random.default_rng((EVALUATION_SEED, index)))
            loaded = self.source.load(index, views)
        return make_sample(loaded, self.dense_size, self.source.is_metric, self.source.is_synthetic)

    def choose(self, scene: int, num_views: int, generator: np.random.Generator) -> list[int]:
        return choose_views(self.source.covisibility(scene), num_views, generator, self.min_covisibility)


def make_sample(
    views: Views, dense_size: tuple[int, int] | None, is_metric: bool, is_synthetic: bool
) -> dict[str, Any]:
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


def mirror_views(views: Views) -> Views:
    """The scene as a mirror shows it, left and right exchanged: pictures, depth and cameras."""
    intrinsics = views.intrinsics.clone()
    intrinsics[:, 0, 2] = views.images.shape[-1] - 1 - intrinsics[:, 0, 2]
    flip = torch.diag(views.camera_to_world.new_tensor([-1.0, 1.0, 1.0, 1.0]))
    return Views(views.images.flip(-1), views.depth.flip(-1), intrinsics, flip @ views.camera_to_world @ flip)
