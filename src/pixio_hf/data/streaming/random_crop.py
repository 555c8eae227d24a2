# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Random resized crops of encoded photos, each a function of its seed (docs/specification.md 3.4)."""

import math

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional

from ...photos import load_upright, read_photo
from ...read_limits import check_num_pixels, open_encoded

ASPECT_RATIOS = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def draw_crop(
    height: int, width: int, scale: tuple[float, float], generator: torch.Generator
) -> tuple[int, int, int, int]:
    """Draw (top, left, height, width) of a crop as torchvision does: area and log aspect ratio are uniform.

    After ten draws that do not fit, the largest central crop of an allowed aspect ratio.
    """
    low, high = (math.log(ratio) for ratio in ASPECT_RATIOS)
    for _ in range(_ATTEMPTS):
        area = height * width * torch.empty(1).uniform_(*scale, generator=generator).item()
        ratio = math.exp(torch.empty(1).uniform_(low, high, generator=generator).item())
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            top = int(torch.randint(height - crop_height + 1, (1,), generator=generator))
            left = int(torch.randint(width - crop_width + 1, (1,), generator=generator))
            return top, left, crop_height, crop_width
    crop_width = min(width, round(height * ASPECT_RATIOS[1]))
    crop_height = min(height, round(width / ASPECT_RATIOS[0]))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def crop_photo(data: bytes | PIL.Image.Image, image_size: int, scale: tuple[float, float], seed: int) -> Tensor:
    """Decode a photo whole, crop it at random, resize bicubic with antialiasing: -> (3, S, S) uint8.

    `scale` bounds the crop's share of the area. Photos are turned upright (EXIF) and become 8-bit RGB as in `read_photo`.

    See docs/specification.md 3.4.

    Raises:
        ValueError: the photo is damaged, or has more pixels than MAX_IMAGE_PIXELS.
    """
    if isinstance(data, bytes):
        upright = load_upright(open_encoded(data))
    else:
        check_num_pixels(*data.size)
        upright = load_upright(data)
    generator = torch.Generator().manual_seed(seed)
    top, left, height, width = draw_crop(upright.height, upright.width, scale, generator)
    # Cut out before it is converted: a large photo is held once, not several times.
    crop = upright.crop((left, top, left + width, top + height))
    del data, upright
    photo = read_photo(crop)
    if photo.dtype != np.uint8:
        raise ValueError("a photo to train on must hold integers, not floats.")
    return resize_crop(torch.from_numpy(photo.copy()), image_size)


def resize_crop(crop: Tensor, image_size: int) -> Tensor:
    """Resize to a square, bicubic with antialiasing: (3, H, W) uint8 -> (3, S, S) uint8, a pixel's colours side by side."""
    # The format that torch resizes fastest, and the one that decoders write.
    pixels = crop[None].contiguous(memory_format=torch.channels_last)
    return functional.interpolate(pixels, size=(image_size, image_size), mode="bicubic", antialias=True)[0]
