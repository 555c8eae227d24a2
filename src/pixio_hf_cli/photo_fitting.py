# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""One photo for a model: read it, choose the size it is seen at, make the tensor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from torch import Tensor

from pixio_hf.image_sizes import nearest_multiple
from pixio_hf.photo_files import open_photo
from pixio_hf.photos import read_photo
from pixio_hf.vit_encoders import square_side

MAX_PATCHES = 16384
"""Attention is quadratic in patches; above this number (2048 x 2048 pixels) use windows."""


def load_photo(path: Path) -> np.ndarray:
    """Photo as the upright (3, H, W) uint8 array all commands start from.

    Raises:
        ValueError: no image, truncated, or of floats, whose range is unknown.
    """
    with open_photo(path) as image:
        return read_pixels(image)


def read_pixels(image: PIL.Image.Image) -> np.ndarray:
    """The same of an open image."""
    if image.mode == "F":
        raise ValueError("the photo holds floats of unknown range; save it with 8 or 16 bits a channel.")
    return read_photo(image)


def scaled_size(height: int, width: int, short_side: int, patch_size: int) -> tuple[int, int]:
    """(height, width) with the aspect ratio kept, the short side at short_side and both multiples of patch_size.

    Raises:
        ValueError: the result has more patches than MAX_PATCHES.
    """
    scale = short_side / min(height, width)
    size = nearest_multiple(height * scale, patch_size), nearest_multiple(width * scale, patch_size)
    if size[0] * size[1] // patch_size**2 > MAX_PATCHES:
        raise ValueError(
            f"a photo of {height} x {width} would be seen at {size[0]} x {size[1]} (height x width), too much at once."
            " Pass a smaller --size, or cut the photo."
        )
    return size


def check_side(side: int, patch_size: int | Sequence[int], option: str) -> None:
    """Raise ValueError unless a side given as an option is a positive multiple of the patch size."""
    patch_size = square_side(patch_size)
    if side < patch_size or side % patch_size:
        raise ValueError(
            f"{option} {side} must be a positive multiple of the model's patch size {patch_size}; the nearest is"
            f" {nearest_multiple(side, patch_size)}."
        )


def to_pixel_values(processor: Any, photos: np.ndarray | Sequence[np.ndarray], size: tuple[int, int] | None) -> Tensor:
    """(3, H, W) uint8, one or several -> normalised (B, 3, height, width) of `size`, or of their own size where None."""
    if size is None:
        options: dict[str, Any] = {"do_resize": False, "size_divisor": 1}
    else:
        options = {"size": {"height": size[0], "width": size[1]}, "keep_aspect_ratio": False}
    photos = photos if isinstance(photos, np.ndarray) else list(photos)
    return processor(photos, input_data_format="channels_first", return_tensors="pt", **options)["pixel_values"]
