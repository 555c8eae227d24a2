# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photographs to calibrate and to verify with, as the model sees them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..bundled import ASSETS
from ..listings import find_files, photo_endings
from ..photo_files import open_photo

LARGEST_CALIBRATION = 128
"""Photographs of a folder that are used, evenly spread over its names: ranges hardly change with more."""


def find_photographs(folder: Path | None) -> list[Path]:
    """Photographs of a folder, by name; those in the package where no folder is given.

    Raises:
        ValueError: no such folder, or no photograph in it.
    """
    place = ASSETS / "photos" if folder is None else folder
    if not place.is_dir():
        raise ValueError(f"calibration needs a folder of photographs; {place} is none.")
    endings = photo_endings()
    photos = [place / name for name in find_files(place, endings, only_utf8=False).files]
    if not photos:
        raise ValueError(
            f"calibration needs photographs, but {place} holds none ({', '.join(endings[:6])} and so on)."
        )
    step = max(1, len(photos) // LARGEST_CALIBRATION)
    return photos[::step][:LARGEST_CALIBRATION]


def read_inputs(
    paths: Sequence[Path], processor: Any, views: int | None = None, size: tuple[int, int] | None = None
) -> list[Tensor]:
    """pixel_values of each photograph: (1, 3, H, W), at the processor's size unless `size` is given.

    With `views`, scenes (1, V, 3, H, W) of as many photographs in a row, which begin again at the end.

    Raises:
        ValueError: a file that is no image.
    """
    options: dict[str, Any] = {}
    if size is not None:
        options = {"size": {"height": size[0], "width": size[1]}, "keep_aspect_ratio": False}
    images = []
    for path in paths:
        with open_photo(path) as photo:
            images.append(processor(photo.convert("RGB"), return_tensors="pt", **options)["pixel_values"])
    if views is None:
        return images
    around = [images[(start + view) % len(images)] for start in range(len(images)) for view in range(views)]
    return [torch.cat(around[start : start + views])[None] for start in range(0, len(around), views)]
