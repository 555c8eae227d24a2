# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Read one image and its depth or segmentation map, from files, encoded bytes or arrays, so that both fit each other."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps

from ..label_maps import DEPTH_MODES, SEGMENTATION_MODES, read_map, to_class_ids, to_metres
from ..photos import read_photo

DEPTH_ENDINGS = (".exr", ".npy", ".png", ".tif", ".tiff")
MASK_ENDINGS = (".bmp", ".gif", ".npy", ".png", ".tif", ".tiff")
IGNORED = 255
_UPRIGHT = 1


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
    image: Any, mask: Any, do_reduce_labels: bool, is_published: bool = False
) -> tuple[PIL.Image.Image, np.ndarray]:
    """Image and mask as stored -> RGB image, (H, W) int64 class numbers, 255 = ignored. Sources, errors as for depth.

    do_reduce_labels makes 0 the ignored 255 and lowers the others by 1 (SPEC 6.2: LoveDA); is_published says that 255
    never occurs before, so that a mask which was lowered already is an error.
    """
    photo, values = _read_pair(image, mask, SEGMENTATION_MODES, "segmentation map")
    try:
        if do_reduce_labels and is_published and (values == IGNORED).any():
            raise ValueError(
                f"holds {IGNORED}, so its numbers were lowered already, but the data set is read as published"
                " (do_reduce_labels=True). Are both kinds mixed?"
            )
        return photo, to_class_ids(values, do_reduce_labels)
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
        return source.get("path") or "an image without a name"
    return str(source) if isinstance(source, str | Path) else f"a {type(source).__name__}"


def _read_pair(image: Any, label: Any, modes: tuple[str, ...], what: str) -> tuple[PIL.Image.Image, np.ndarray]:
    photo = _open_image(image)
    values, label_orientation = _read_values(label, modes, what)
    orientation = _orientation(photo)
    upright = PIL.ImageOps.exif_transpose(photo)
    width, height = upright.size
    if values.shape != (height, width):
        raise ValueError(
            f"{name_of(label)} is {values.shape[0]} x {values.shape[1]} (height x width), but its image"
            f" {name_of(image)} is {height} x {width}" + (" once upright" if orientation != _UPRIGHT else "") + "."
        )
    # A tag on one of them is only unambiguous where the sides are swapped: then the equal size shows both are upright.
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
    if isinstance(source, dict) and source.get("bytes") is not None:
        stream: Any = io.BytesIO(source["bytes"])
    else:
        stream = source["path"] if isinstance(source, dict) else source
    if stream is None:
        raise ValueError("An image is missing (neither a path nor bytes).")
    try:
        with PIL.Image.open(stream) as image:
            image.load()
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        raise ValueError(f"{name_of(source)} cannot be read as an image: {error}") from error
    return image


def _orientation(image: PIL.Image.Image) -> int:
    return image.getexif().get(PIL.ExifTags.Base.Orientation, _UPRIGHT)


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
    path = source.get("path") if isinstance(source, dict) else source
    ending = Path(path).suffix.lower() if isinstance(path, str | Path) else ""
    try:
        if ending in (".npy", ".exr"):
            encoded = source.get("bytes") if isinstance(source, dict) else None
            values = _read_npy(path, encoded) if ending == ".npy" else _read_exr(path, encoded)
        elif isinstance(source, PIL.Image.Image | str | Path | dict):
            image = _open_image(source)
            return read_map(image, modes, what), _orientation(image)
        else:
            values = np.asarray(source)
        # A channel axis of length 1, as many programs write it.
        values = values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
        return read_map(values.squeeze(0) if values.ndim == 3 and len(values) == 1 else values, modes, what), _UPRIGHT
    except ValueError as error:
        message, name = str(error), name_of(source)
        raise ValueError(message if name in message else f"{name}: {message}") from error


def _read_npy(path: Any, encoded: bytes | None) -> np.ndarray:
    try:
        return np.load(io.BytesIO(encoded) if encoded is not None else path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a NumPy array: {error}") from error


def _read_exr(path: Any, encoded: bytes | None) -> np.ndarray:
    """The channel Z, or the only channel, of an OpenEXR file."""
    if encoded is not None:
        raise ValueError("OpenEXR depth inside a table is not supported; store it as an array or beside the table.")
    try:
        import OpenEXR  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"{path}: reading .exr needs OpenEXR: pip install 'pixio-hf[exr]'.") from error
    try:
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except Exception as error:  # the binding raises RuntimeError and others for damaged files
        raise ValueError(f"{path} cannot be read as OpenEXR: {error}") from error
    name = "Z" if "Z" in channels else next(iter(channels))
    if len(channels) > 1 and name != "Z":
        raise ValueError(f"{path} must have one channel or a channel Z, got {', '.join(sorted(channels))}.")
    return np.asarray(channels[name].pixels, dtype=np.float32)
