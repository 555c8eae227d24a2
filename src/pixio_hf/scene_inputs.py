# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photos of scenes, given as lists of lists, to views of one size, and their cameras with them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import PIL.Image
from torch import Tensor

from .arrays import to_array
from .cameras import read_intrinsics
from .image_sizes import check_multiple
from .view_fitting import ViewFit, choose_view_size


def count_views(images: Any) -> list[int] | None:
    """How many photos each scene has where `images` is a list of lists; None for anything else, such as a flat list.

    Raises:
        ValueError: a scene without photos, or lists within the list of a scene.
    """
    if not isinstance(images, list | tuple) or not images:
        return None
    if not all(isinstance(scene, list | tuple) for scene in images):
        return None
    for index, scene in enumerate(images):
        if not scene:
            raise ValueError(f"scene {index} has no photo: pass at least one for each scene, [[a, b], [c, d]].")
        if any(isinstance(view, list | tuple) for view in scene):
            raise ValueError(
                f"scene {index} holds lists: pass a list of scenes, each a list of photos, [[a, b], [c]]."
            )
    return [len(scene) for scene in images]


def plan_views(
    photo_sizes: Sequence[tuple[int, int]], view_size: int, divisor: int, do_resize: bool, has_intrinsics: bool
) -> list[ViewFit]:
    """How each photo (height, width) of a call becomes a view of one common size.

    Args:
        view_size: longer side of the views; see `choose_view_size`.
        do_resize: False: photos are taken as they are.
        has_intrinsics: see `ViewFit.plan`.

    Raises:
        ValueError: do_resize is False, and the photos differ in size or have sides that are no multiple of divisor.
    """
    size = choose_view_size(photo_sizes, view_size, divisor)
    if not do_resize:
        if len(set(photo_sizes)) > 1:
            raise ValueError(
                f"the views have different sizes {sorted(set(photo_sizes))} (height, width): a model takes one size. Leave"
                " do_resize=True, or resize them all to one size."
            )
        size = photo_sizes[0]
        check_multiple(*size, divisor, "with do_resize=False a view of")
    return [ViewFit.plan(photo_size, size, has_intrinsics=has_intrinsics) for photo_size in photo_sizes]


def resize_view(photo: Any, fit: ViewFit) -> np.ndarray:
    """A photo (C, H, W), uint8 or float32, as a view (C, h, w) of the same type: scaled to cover it, then cropped."""
    values = to_array(photo)
    if values.shape[-2:] == (fit.view_height, fit.view_width):
        return values
    if values.dtype == np.uint8 and len(values) == 3:
        resized = fit.resize_photo(PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(values, 0, -1))))
        return np.ascontiguousarray(np.moveaxis(np.asarray(resized), -1, 0))
    # Channel by channel, so that floats keep their precision and no channel acts as opacity.
    return np.stack([np.asarray(fit.resize_photo(PIL.Image.fromarray(channel))) for channel in values])


def fit_intrinsics(intrinsics: Any, counts: Sequence[int], fits: Sequence[ViewFit]) -> list[np.ndarray]:
    """Cameras of photos -> of their views: of each scene (V, 3, 3) float32.

    Args:
        intrinsics: of each scene, of each of its photos a 3x3 matrix or [fx, fy, cx, cy], in pixels of the photo.
        counts: photos of each scene.
        fits: of all photos, scene by scene.

    Raises:
        ValueError: not one camera for each photo, or one that is no pinhole camera of finite numbers; names it.
    """
    given = [len(scene) for scene in intrinsics]
    if given != list(counts):
        raise ValueError(
            f"intrinsics must have one camera for each photo: the scenes have {list(counts)} photos and {given} cameras."
        )
    remaining = iter(fits)
    return [
        np.stack(
            [
                next(remaining).intrinsics_of_view(read_intrinsics(_plain(camera), f"scene {index}, view {view}"))
                for view, camera in enumerate(scene)
            ]
        ).astype(np.float32)
        for index, scene in enumerate(intrinsics)
    ]


def describe_fits(counts: Sequence[int], fits: Sequence[ViewFit]) -> dict[str, list[np.ndarray]]:
    """What leads back to the photos: of each scene `original_sizes` (V, 2) and `photo_to_view` (V, 3, 3) float32."""
    ends = np.cumsum([0, *counts]).tolist()
    scenes = [fits[start:end] for start, end in pairwise(ends)]
    return {
        "original_sizes": [np.array([(fit.height, fit.width) for fit in scene], np.int64) for scene in scenes],
        "photo_to_view": [np.stack([fit.to_view_pixels for fit in scene]).astype(np.float32) for scene in scenes],
    }


def _plain(camera: Any) -> Any:
    """A tensor of any device and type as an array; anything else as it is."""
    return to_array(camera) if isinstance(camera, Tensor) else camera
