# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How large one image of a stream, a shard or an address may be. What is larger counts as damage, before it fills memory.

A shard of some kB can hold a value that unpacks to gigabytes, and a photo of some kB can claim a billion pixels. Both
limits come from the environment, so that they hold in all processes and workers alike:

    PIXIO_HF_MAX_IMAGE_BYTES   bytes of an encoded image (default 134217728: 128 MiB)
    PIXIO_HF_MAX_IMAGE_PIXELS  width times height (default 134217728, such as 11585 x 11585)
"""

import io
import os

import PIL.Image

from .listings import check_regular, open_image


def read_limit(name: str, default: int) -> int:
    """A positive whole number from the environment. Raises ValueError for anything else there."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"The environment variable {name} must be a positive whole number, got {text!r}.")
    return int(text)


MAX_IMAGE_BYTES = read_limit("PIXIO_HF_MAX_IMAGE_BYTES", 2**27)
MAX_IMAGE_PIXELS = read_limit("PIXIO_HF_MAX_IMAGE_PIXELS", 2**27)


def check_num_bytes(num_bytes: int) -> None:
    """Raise ValueError for a size above the limit, or a negative one, which only damaged files state."""
    if not 0 <= num_bytes <= MAX_IMAGE_BYTES:
        raise ValueError(
            f"unpacks to {num_bytes} bytes, the limit for an image is {MAX_IMAGE_BYTES} (PIXIO_HF_MAX_IMAGE_BYTES)"
        )


def check_num_pixels(width: int, height: int) -> None:
    """Raise ValueError for a size above the limit, before the image is decoded."""
    if width * height > MAX_IMAGE_PIXELS:
        raise ValueError(
            f"claims {width} x {height} pixels, the limit is {MAX_IMAGE_PIXELS} in all (PIXIO_HF_MAX_IMAGE_PIXELS)"
        )


def read_image_file(path: str | os.PathLike) -> bytes:
    """Bytes of an image file. Raises ValueError where it is no regular file, or above the limit."""
    check_regular(path)
    with open(path, "rb") as file:
        check_num_bytes(os.fstat(file.fileno()).st_size)
        return file.read()


def open_encoded(data: bytes) -> PIL.Image.Image:
    """PIL image of an encoded one, pixels not decoded yet.

    Raises:
        ValueError: in no known format, or more pixels than the limit.
    """
    try:
        image = open_image(io.BytesIO(data))
    except PIL.UnidentifiedImageError as error:  # its own message names an object in memory
        raise ValueError("is no image in a known format") from error
    check_num_pixels(*image.size)
    return image
