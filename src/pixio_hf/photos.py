# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photos of any kind to arrays the image processors share: upright, 8 bit, RGB, checked. Pure functions."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image
from transformers.utils import logging

from .arrays import is_image_or_array, to_array
from .photo_files import load_upright, name_image, open_photo, refuse_damage

logger = logging.get_logger(__name__)

PHOTO_CHANNELS = (1, 3, 4)
BAND_PIXELS = 2**22
"""Larger PIL images are converted in bands of this many pixels, so that not several whole copies are held."""


def flatten_inputs(
    inputs: Any, item_ndims: tuple[int, ...], name: str, open_path: Callable[[Any], Any] = open_photo
) -> list[Any]:
    """Flat list of photos or maps from one of them, a batch array or (nested) lists of these.

    An array whose number of dimensions is in item_ndims is one item; with one more than the largest it is a batch.
    Maps are 2-D: a channel axis of length 1 is dropped. open_path opens paths and addresses.
    """
    is_map = max(item_ndims) == 2

    def walk(value: Any) -> Iterator[Any]:
        if isinstance(value, list | tuple):
            for item in value:
                yield from walk(item)
        elif isinstance(value, str | os.PathLike):
            yield open_path(value)
        elif isinstance(value, PIL.Image.Image):
            yield value
        elif is_image_or_array(value):
            value = drop_channel_axis(value) if is_map else value
            if value.ndim in item_ndims:
                yield value
            elif value.ndim == max(item_ndims) + 1:
                yield from value
            else:
                allowed = " or ".join(str(ndim) for ndim in item_ndims)
                raise ValueError(f"{name} must have {allowed} dimensions each, got shape {tuple(value.shape)}.")
        else:
            raise ValueError(
                f"{name} must be PIL images, NumPy arrays, torch tensors, paths or addresses, got"
                f" {type(value).__name__}."
            )

    items = list(walk(inputs))
    if not items:
        raise ValueError(f"{name} is empty: pass at least one.")
    return items


def drop_channel_axis(maps: Any) -> Any:
    """One map (H, W, 1) or a batch (B, H, W, 1) or (B, 1, H, W) without its channel axis; others as they are."""
    if maps.ndim == 4 and maps.shape[1] == 1:
        return maps[:, 0]
    return maps[..., 0] if maps.ndim in (3, 4) and maps.shape[-1] == 1 else maps


def find_channel_axis(shape: tuple[int, ...], input_data_format: Any = None) -> int:
    """Axis of the channels, 0 or 2, in a 3-D photo with 1, 3 or 4 channels.

    A side of 3 or 4 wins over a side of 1; if both ends could hold channels, the first is taken, as in transformers.

    Raises:
        ValueError: no end holds 1, 3 or 4 channels, or not the one that input_data_format names.
    """
    first, last = shape[0], shape[2]
    if input_data_format is not None:
        layout = getattr(input_data_format, "value", input_data_format)
        if layout not in ("channels_first", "channels_last"):
            raise ValueError(f'input_data_format must be "channels_first" or "channels_last", got {layout!r}.')
        axis = 0 if layout == "channels_first" else 2
        if shape[axis] not in PHOTO_CHANNELS:
            raise ValueError(f"a photo must have 1, 3 or 4 channels, got {shape[axis]} in shape {shape} ({layout}).")
        return axis
    for channels in ((3, 4), (1,)):
        if first in channels and last in channels:
            if max(shape) > 1:
                logger.warning_once(
                    f"A photo of shape {shape} could have its channels first or last; taken as first. Pass"
                    " input_data_format to decide."
                )
            return 0
        if first in channels or last in channels:
            return 0 if first in channels else 2
    raise ValueError(
        f"a photo must have 1, 3 or 4 channels, first or last, got shape {shape}. Drop or merge the other channels."
    )


def read_photo(image: Any, do_convert_rgb: bool = True, input_data_format: Any = None) -> np.ndarray:
    """One photo -> (C, H, W) uint8 in 0..255, or float32 when it came as floats.

    PIL images are turned upright (EXIF). 16-bit grey is scaled by 1/257, so that white stays white. With
    do_convert_rgb, C is 3: grey is repeated, palettes and CMYK are converted and transparency is laid over white.

    Raises:
        ValueError: truncated file, wrong channel count, empty, NaN or infinite pixels, integers outside 0..255, or a
            PIL mode that only do_convert_rgb can read.
    """
    if isinstance(image, PIL.Image.Image):
        photo = read_pil_photo(load_upright(image), do_convert_rgb)
        warn_if_clipped(photo)
    else:
        photo = to_byte_or_float(to_array(image))
        photo = (
            photo[None]
            if photo.ndim == 2
            else np.moveaxis(photo, find_channel_axis(photo.shape, input_data_format), 0)
        )
    if 0 in photo.shape:
        raise ValueError(f"the photo is empty: shape {photo.shape}.")
    if photo.dtype == np.float32 and not np.isfinite(photo).all():
        raise ValueError("the photo holds NaN or infinite pixels; replace them first.")
    return to_three_channels(photo) if do_convert_rgb else photo


def read_pil_photo(image: PIL.Image.Image, do_convert_rgb: bool) -> np.ndarray:
    """Upright PIL image -> (C, H, W) uint8, or float32 for mode F; a large one in bands of rows."""
    width, height = image.size
    rows = max(1, BAND_PIXELS // max(1, width))
    if height <= rows:
        return read_band(image, do_convert_rgb)
    photo = np.empty(0)
    for top in range(0, height, rows):
        band = read_band(image.crop((0, top, width, min(top + rows, height))), do_convert_rgb)
        if not top:
            photo = np.empty((band.shape[0], height, width), band.dtype)
        photo[:, top : top + rows] = band
    return photo


def read_band(image: PIL.Image.Image, do_convert_rgb: bool) -> np.ndarray:
    """Decoded PIL image, or a part of one, -> (C, H, W) uint8, or float32 for mode F."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = to_array(image)
        if image.mode == "F":
            return values.astype(np.float32)[None]
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise ValueError(
                f"a photo of mode {image.mode} must hold values in 0..65535, got {values.min()}..{values.max()}."
            )
        return to_byte_or_float(values.astype(np.uint16))[None]
    if do_convert_rgb:
        with refuse_damage(name_image(image)):
            if image.has_transparency_data:
                opaque = PIL.Image.new("RGBA", image.size, (255, 255, 255, 255))
                image = PIL.Image.alpha_composite(opaque, image.convert("RGBA"))
            return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    if image.mode not in ("L", "RGB", "RGBA"):
        raise ValueError(f"a photo of mode {image.mode} can only be read with do_convert_rgb=True.")
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def to_byte_or_float(values: np.ndarray) -> np.ndarray:
    """Pixels of any real dtype -> uint8 or float32: 16 bit is scaled by 1/257, bool to 0 and 255."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype == np.uint16:
        # 65535 = 257 * 255; adding half of 257 rounds to the nearest.
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32, copy=False)
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"a photo must hold real numbers, got dtype {values.dtype}.")
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ValueError(
            f"a photo of dtype {values.dtype} must hold values in 0..255, got {values.min()}..{values.max()}; pass"
            " 16-bit photos as uint16."
        )
    return values.astype(np.uint8)


def to_three_channels(photo: np.ndarray) -> np.ndarray:
    """(1 or 3 or 4, H, W) -> (3, H, W): grey is repeated, RGBA is laid over white."""
    if photo.shape[0] == 1:
        return np.repeat(photo, 3, axis=0)
    if photo.shape[0] == 3:
        return photo
    if photo.dtype == np.uint8:
        opacity = photo[3:].astype(np.float32) / 255
        return np.rint(photo[:3] * opacity + 255 * (1 - opacity)).astype(np.uint8)
    if photo.min() < 0 or photo.max() > 1:
        raise ValueError(
            f"an RGBA photo of floats must lie in [0, 1], got {photo.min()}..{photo.max()}; pass uint8 or RGB."
        )
    return photo[:3] * photo[3:] + (1 - photo[3:])


def per_channel_statistics(photos: list[Any], image_mean: Any, image_std: Any) -> dict[str, tuple[float, ...]]:
    """Mean and std as tuples, one number per channel of every photo; a single number stands for all channels."""
    channels = {photo.shape[0] for photo in photos}
    if len(channels) > 1:
        raise ValueError(f"the photos have different channel counts {sorted(channels)}; use do_convert_rgb=True.")
    (num_channels,) = channels
    statistics = {}
    for name, values in (("image_mean", image_mean), ("image_std", image_std)):
        values = (float(values),) * num_channels if isinstance(values, int | float) else tuple(values)
        if len(values) != num_channels:
            raise ValueError(
                f"{name} has {len(values)} numbers but the photos have {num_channels} channels; pass one per channel"
                " or use do_convert_rgb=True."
            )
        statistics[name] = values
    if 0 in statistics["image_std"]:
        raise ValueError(f"image_std must not hold 0, got {statistics['image_std']}.")
    return statistics


def warn_if_clipped(photo: np.ndarray) -> None:
    """Warn of an all-white photo: that is what pipelines turn a 16-bit grey one into."""
    if photo.dtype == np.uint8 and photo.size and photo[:, 0, 0].min() == 255 and photo.min() == 255:
        logger.warning_once(
            "A photo is white all over. A pipeline clips a 16-bit grey photo so: give its path to the image processor"
            " or to `pixio-hf depth` instead."
        )


def warn_if_rescaled_twice(photos: list[Any], do_rescale: bool | None, rescale_factor: float | None) -> None:
    """Warn when float photos that already lie in [0, 1] are about to be divided by 255 and so turned black."""
    if not do_rescale or rescale_factor is None or rescale_factor > 1 / 128:
        return
    if any("float" in str(photo.dtype) and 0 < float(photo.max()) <= 1 for photo in photos):
        logger.warning_once(
            "Photos of floats in [0, 1] are rescaled again; pass do_rescale=False to keep their range."
        )
