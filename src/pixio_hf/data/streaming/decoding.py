# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Random resized crops of encoded photos, decoding no more of a JPEG than the crop needs.

The crop is drawn before decoding. A JPEG is then decoded at the smallest DCT scale (1/8, 1/4, 1/2, 1) at which the crop
still has as many pixels as the result, and only down to the crop's last row; everything else takes the plain path of
random_crop.py, with the same crop.
"""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ...read_limits import check_num_pixels
from .random_crop import crop_photo, draw_crop, resize_crop

# Start-of-frame markers that are decoded here: baseline, extended sequential and progressive Huffman.
SEQUENTIAL_FRAMES, PROGRESSIVE_FRAME = (0xC0, 0xC1), 0xC2
START_OF_SCAN, EXIF_SEGMENT, END_OF_IMAGE = 0xDA, 0xE1, b"\xff\xd9"
# Chroma upsampling looks one row further than the rows that are asked for.
MARGIN_ROWS = 16


class JpegHeader(NamedTuple):
    """What the fast path needs to know of a JPEG before decoding it."""

    height: int
    width: int
    # Where the file says its height, as two bytes; None where rows cannot be left out, as in progressive files.
    height_offset: int | None


def decode_random_crop(
    data: bytes | PIL.Image.Image, image_size: int, scale: tuple[float, float], seed: int
) -> Tensor:
    """Decode a photo, crop it at random and resize the crop, bicubic with antialiasing: -> (3, S, S) uint8.

    The crop is a function of `seed` and the photo's size; `scale` bounds its share of the area. Photos are turned
    upright (EXIF) and become 8-bit RGB as in `read_photo`. See docs/specification.md 3.4.

    Raises:
        ValueError: the photo is damaged, or has more pixels than MAX_IMAGE_PIXELS.
    """
    header = read_jpeg_header(data) if isinstance(data, bytes) else None
    if header is None:
        return crop_photo(data, image_size, scale, seed)
    assert isinstance(data, bytes)
    top, left, height, width = draw_crop(header.height, header.width, scale, torch.Generator().manual_seed(seed))
    denominator = next(k for k in (8, 4, 2, 1) if k == 1 or min(height, width) // k >= image_size)
    photo = decode_rows(data, header, top + height, denominator)
    first_row, first_column = round(top / denominator), round(left / denominator)
    last_row, last_column = round((top + height) / denominator), round((left + width) / denominator)
    return resize_crop(photo[:, first_row:last_row, first_column:last_column], image_size)


def decode_rows(data: bytes, header: JpegHeader, num_rows: int, denominator: int) -> Tensor:
    """Decode the upper rows of a JPEG at 1/denominator of its size: -> (3, at least num_rows / denominator, W') uint8.

    Raises:
        ValueError: the file is damaged.
    """
    rows = header.height
    if header.height_offset is not None and num_rows + MARGIN_ROWS < rows:
        # A file that claims fewer rows is decoded that far and no further; what follows is ignored.
        rows = num_rows + MARGIN_ROWS
        offset = header.height_offset
        data = b"".join((data[:offset], struct.pack(">H", rows), data[offset + 2 :]))
    photo = load_simplejpeg().decode_jpeg(
        data,
        min_height=-(-rows // denominator),
        min_width=-(-header.width // denominator),
        min_factor=denominator,
        # A sixth faster than the exact transform and smooth chroma; at above 42 dB the loss is smaller than JPEG's own.
        fastdct=True,
        fastupsample=True,
        strict=False,
    )
    return torch.from_numpy(np.asarray(photo)).permute(2, 0, 1)


@cache
def load_simplejpeg() -> Any:
    """The library that decodes parts of a JPEG. Raises ValueError where it is not installed."""
    try:
        import simplejpeg
    except ImportError as error:
        raise ValueError("Reading photos for pre-training needs simplejpeg: pip install 'pixio-hf[train]'.") from error
    return simplejpeg


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """Header of a whole, upright JPEG with one or three 8-bit components; None where the plain path has to decide.

    Raises:
        ValueError: more pixels than MAX_IMAGE_PIXELS.
    """
    if data[:2] != b"\xff\xd8":
        return None
    frame, position = None, 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == START_OF_SCAN:
            # Without its end the file is truncated, which the decoder would fill with grey.
            return frame if data.rfind(END_OF_IMAGE, position) != -1 else None
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker == EXIF_SEGMENT and b"Exif" in data[position : position + 12]:
            orientation = PIL.Image.Exif()
            orientation.load(data[position + 4 : position + 2 + length])
            if orientation.get(0x0112, 1) != 1:
                return None
        if marker in (*SEQUENTIAL_FRAMES, PROGRESSIVE_FRAME):
            if position + 10 > len(data):
                return None
            precision, height, width, components = struct.unpack_from(">BHHB", data, position + 4)
            if precision != 8 or components not in (1, 3) or not height or not width:
                return None
            check_num_pixels(width, height)
            frame = JpegHeader(height, width, position + 5 if marker in SEQUENTIAL_FRAMES else None)
        position += 2 + length
    return None


def stack_crops(crops: Sequence[Tensor]) -> Tensor:
    """Stack crops as they lie in memory, the colours of a pixel side by side: B x (3, S, S) -> (B, 3, S, S)."""
    return torch.stack([crop.permute(1, 2, 0) for crop in crops]).permute(0, 3, 1, 2)


def normalize_crops(
    crops: Tensor,
    image_mean: Sequence[float] = IMAGENET_DEFAULT_MEAN,
    image_std: Sequence[float] = IMAGENET_DEFAULT_STD,
) -> Tensor:
    """Rescale to [0, 1] and normalise a batch on its device, as the image processor does: (B, 3, S, S) uint8 -> float32.

    The result has the batch's memory format.
    """
    mean, std = (torch.tensor(values, device=crops.device) * 255 for values in (image_mean, image_std))
    normalized = torch.empty_like(crops, dtype=torch.float32)
    if crops.is_contiguous(memory_format=torch.channels_last):
        # One long row of a picture, with the colours' means and deviations repeated beside it.
        width = crops.shape[-1]
        sources, targets = (images.permute(0, 2, 3, 1).flatten(2) for images in (crops, normalized))
        mean, std = mean.repeat(width), std.repeat(width)
    else:
        sources, targets = crops, normalized
        mean, std = mean[:, None, None], std[:, None, None]
    factor = 1 / std
    # On a CPU one image at a time, which then stays in the cache.
    images_at_once = 1 if crops.device.type == "cpu" else len(crops)
    for source, target in zip(sources.split(images_at_once), targets.split(images_at_once), strict=True):
        target.copy_(source).sub_(mean).mul_(factor)
    return normalized
