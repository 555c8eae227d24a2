# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Read one image and its depth or segmentation map, from files, encoded bytes or arrays, so that both fit each other."""

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from ...label_maps import DEPTH_MODES, SEGMENTATION_MODES, read_map, to_class_ids, to_metres
from ...listings import printable
from ...map_files import read_array
from ...photo_files import MAX_PIXELS, decode_image, read_orientation
from ...photos import read_photo
from .class_numbers import IGNORED, to_classes

DEPTH_ENDINGS = (".exr", ".npy", ".npz", ".pfm", ".pgm", ".png", ".tif", ".tiff")
MASK_ENDINGS = (".bmp", ".gif", ".npy", ".npz", ".pgm", ".png", ".tif", ".tiff")
_UPRIGHT = 1
# If an .npz has several arrays, one of these names is taken.
_KEYS = {"depth map": ("depth", "depth_map"), "segmentation map": ("segmentation_map", "mask", "labels", "label")}


def read_depth_pair(image: Any, depth: Any, depth_scale: float) -> tuple[PIL.Image.Image, np.ndarray]:
    """Image and depth as stored -> RGB image, (H, W) float32 metres as they are: 0, NaN, inf or negative is invalid.

    Each may be a path, the {"path", "bytes"} of a `datasets` image, a PIL image or (depth) an array.

    Raises:
        ValueError: unreadable, different sizes, or an EXIF orientation that may not hold for both; names the file.
    """
    photo, values = _read_pair(image, depth, DEPTH_MODES, "depth map")
    try:
        return photo, to_metres(values, depth_scale)
    except ValueError as error:
        raise ValueError(f"{name_of(depth)}: {error}") from error


def read_mask_pair(
    image: Any, mask: Any, num_classes: int, do_reduce_labels: bool, is_published: bool = False
) -> tuple[PIL.Image.Image, np.ndarray]:
    """Image and mask as stored -> RGB image, (H, W) int64 class numbers, 255 = ignored. See read_depth_pair.

    do_reduce_labels makes 0 the ignored 255 and lowers the others by 1 (docs/specification.md 6.2: LoveDA); with
    is_published a 255 shows that a mask was lowered already, which is an error; so is a number that is no class.
    """
    photo, stored = read_stored_mask_pair(image, mask)
    try:
        if do_reduce_labels and is_published and (stored == IGNORED).any():
            raise ValueError(
                f"holds {IGNORED}, so its numbers were lowered already, but the data set is read as published"
                " (do_reduce_labels=True). Are both kinds mixed?"
            )
        return photo, to_classes(stored, num_classes, do_reduce_labels)
    except ValueError as error:
        raise ValueError(f"{name_of(mask)}: {error}") from error


def read_stored_mask_pair(image: Any, mask: Any) -> tuple[PIL.Image.Image, np.ndarray]:
    """Image and mask as stored -> RGB image, (H, W) int64 numbers as they are stored. See read_depth_pair."""
    photo, values = _read_pair(image, mask, SEGMENTATION_MODES, "segmentation map")
    try:
        return photo, to_class_ids(values, do_reduce_labels=False)
    except ValueError as error:
        raise ValueError(f"{name_of(mask)}: {error}") from error


def read_image(source: Any) -> PIL.Image.Image:
    """Image as stored -> upright RGB image. Raises ValueError naming the file."""
    image = _open_image(source)
    return _to_rgb(PIL.ImageOps.exif_transpose(image), source)


def read_mask(source: Any) -> np.ndarray:
    """Class numbers of a mask as they are stored, (H, W)."""
    return _read_values(source, SEGMENTATION_MODES, "segmentation map")[0]


def name_of(source: Any) -> str:
    """What to call a source in messages."""
    if isinstance(source, dict):
        return printable(source["path"]) if source.get("path") else "an image without a name"
    return printable(source) if isinstance(source, str | Path) else f"a {type(source).__name__}"


def _read_pair(image: Any, label: Any, modes: tuple[str, ...], what: str) -> tuple[PIL.Image.Image, np.ndarray]:
    photo = _open_image(image)
    values, label_orientation = _read_values(label, modes, what)
    orientation = read_orientation(photo)
    upright = PIL.ImageOps.exif_transpose(photo)
    width, height = upright.size
    if values.shape != (height, width):
        raise ValueError(
            f"{name_of(label)} is {values.shape[0]} x {values.shape[1]} (height x width), but its image"
            f" {name_of(image)} is {height} x {width}" + (" once upright" if orientation != _UPRIGHT else "") + "."
        )
    # If tags differ, only a tag that swaps the sides is clear: equal sizes then show that both are upright.
    if orientation != label_orientation and (upright.size == photo.size or label_orientation != _UPRIGHT):
        raise ValueError(
            f"{name_of(image)} has the EXIF orientation {orientation}, its label {name_of(label)} {label_orientation}:"
            " it is not known whether the label is to be turned. Turn the pixels and remove the tag."
        )
    return _to_rgb(upright, image), values


def _open_image(source: Any) -> PIL.Image.Image:
    """PIL image with its pixels decoded, not turned."""
    if isinstance(source, PIL.Image.Image):
        return source
    encoded = _as_encoded(source)
    if isinstance(encoded, str | Path | bytes):
        return decode_image(encoded, name_of(source), MAX_PIXELS)
    try:
        pixels = read_photo(np.asarray(encoded))
        if pixels.dtype != np.uint8:
            raise ValueError("an image must hold integers, not floats.")
    except ValueError as error:
        raise ValueError(f"{name_of(source)}: {error}") from error
    return PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))


def _as_encoded(source: Any) -> Any:
    """A path, the bytes of a file, or an array, from whatever a column of a table holds.

    Raises:
        ValueError: nothing is there.
    """
    if isinstance(source, dict):
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    if source is None:
        raise ValueError("An image is missing (neither a path nor bytes).")
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, list | tuple | np.ndarray):
        # NumPy refuses lists of different lengths with a ValueError of its own.
        values = np.asarray(source)
        # pandas writes the bytes of a file as a list of numbers, too.
        is_file = (
            values.ndim == 1 and values.size and values.dtype.kind in "iu" and 0 <= values.min() <= values.max() < 256
        )
        return values.astype(np.uint8).tobytes() if is_file else values
    return source


def _to_rgb(image: PIL.Image.Image, source: Any) -> PIL.Image.Image:
    if image.mode == "RGB":
        return image
    try:
        photo = read_photo(image)
        if photo.dtype != np.uint8:
            raise ValueError("an image must hold integers, not floats.")
    except ValueError as error:
        raise ValueError(f"{name_of(source)}: {error}") from error
    return PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(photo, 0, -1)))


def _read_values(source: Any, modes: tuple[str, ...], what: str) -> tuple[np.ndarray, int]:
    """(H, W) numbers of a label as stored, turned upright, and its EXIF orientation."""
    try:
        if isinstance(source, PIL.Image.Image):
            return read_map(source, modes, what), read_orientation(source)
        encoded = _as_encoded(source)
        if not isinstance(encoded, str | Path | bytes):
            return read_map(_drop_channel(np.asarray(encoded)), modes, what), _UPRIGHT
        if (values := read_array(encoded, name_of(source), _KEYS[what])) is not None:
            return read_map(_drop_channel(values), modes, what), _UPRIGHT
        image = decode_image(encoded, name_of(source), MAX_PIXELS)
        if modes == SEGMENTATION_MODES and image.mode in ("RGB", "RGBA", "LA", "PA", "CMYK"):
            raise ValueError(
                f"holds colours (PIL mode {image.mode}), not class numbers. Store one channel with the class number of"
                " each pixel."
            )
        return read_map(image, modes, what), read_orientation(image)
    except ValueError as error:
        message, name = str(error), name_of(source)
        raise ValueError(message if name in message else f"{name}: {message}") from error


def _drop_channel(values: np.ndarray) -> np.ndarray:
    """Without a channel axis of length 1, as many programs write it."""
    values = values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
    return values[0] if values.ndim == 3 and len(values) == 1 else values
