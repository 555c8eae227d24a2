# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photos in: read one, fit it to a model, and go through many without one bad photo stopping the others."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import typer
from torch import Tensor
from tqdm import tqdm

from pixio_hf.image_sizes import nearest_multiple
from pixio_hf.photo_files import open_photo
from pixio_hf.photos import read_photo

from .early_checks import show_name

MAX_PATCHES = 16384
"""Attention is quadratic in patches; above this number (2048 x 2048 pixels) use windows."""

Failures = list[tuple[Path, str]]


def process_photos(photos: Sequence[Path], process: Callable[[Path], None], title: str) -> Failures:
    """Process every photo with a progress bar; return those that failed, for whatever reason, each with its reason."""
    failures: Failures = []
    for photo in tqdm(photos, desc=title, unit="photo", disable=len(photos) == 1):
        try:
            with warnings.catch_warnings():
                # Cameras of 100 megapixels exist; what is beyond Pillow's limit is an error all the same.
                warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
                process(photo)
        except Exception as error:  # no error of one photo may stop the others
            known = isinstance(error, ValueError | OSError | torch.OutOfMemoryError)
            failures.append((photo, str(error) if known else f"{type(error).__name__}: {error}"))
    return failures


def finish(failures: Failures, num_photos: int, out: Path) -> None:
    """Say where the results are; list the photos that failed, if any, and leave with code 1."""
    done = num_photos - len(failures)
    if done:
        typer.echo(
            f"{done} of {num_photos} {'photo' if num_photos == 1 else 'photos'} done, results in {show_name(out)}"
        )
    for photo, message in failures:
        typer.echo(f"Failed: {show_name(photo)}: {message}", err=True)
    if failures:
        raise typer.Exit(1)


def load_photo(path: Path) -> np.ndarray:
    """Photo as the upright (3, H, W) uint8 array all commands start from.

    Raises:
        ValueError: no image, truncated, or of floats, whose range is unknown.
    """
    with open_photo(path) as image:
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


def check_side(side: int, patch_size: int, option: str) -> None:
    """Raise ValueError unless a side given as an option is a positive multiple of the patch size."""
    if side < patch_size or side % patch_size:
        raise ValueError(
            f"{option} {side} must be a positive multiple of the model's patch size {patch_size}; the nearest is"
            f" {nearest_multiple(side, patch_size)}."
        )


def to_pixel_values(processor: Any, photo: np.ndarray, size: tuple[int, int] | None) -> Tensor:
    """(3, H, W) uint8 -> normalised (1, 3, height, width) of `size`, or of the photo's own size where None."""
    if size is None:
        options: dict[str, Any] = {"do_resize": False, "size_divisor": 1}
    else:
        options = {"size": {"height": size[0], "width": size[1]}, "keep_aspect_ratio": False}
    batch = processor(photo, input_data_format="channels_first", return_tensors="pt", **options)
    return batch["pixel_values"]
