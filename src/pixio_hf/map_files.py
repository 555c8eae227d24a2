# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files of depth and class numbers that are no images, .npy and .exr, to arrays; sizes are checked before reading."""

import io
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL.Image

from .photo_files import check_regular_file, open_photo, refuse_damage, show_path


def open_map(source: str | os.PathLike) -> np.ndarray | PIL.Image.Image:
    """Depth or segmentation map in a file: an array for .npy and .exr, else an image whose pixels are not decoded yet.

    Raises:
        ValueError: no such file, damaged, or no map.
    """
    ending = Path(source).suffix.lower()
    if ending == ".npy":
        return read_npy(source)
    return read_exr(source) if ending == ".exr" else open_photo(source)


def read_npy(source: str | os.PathLike | bytes, name: str | None = None) -> np.ndarray:
    """Array of a .npy file or its bytes. `name` is what errors call it; by default the path.

    Raises:
        ValueError: damaged, Python objects, or a header that claims more numbers than the file holds.
    """
    name = name or ("an array without a name" if isinstance(source, bytes) else show_path(source))
    if not isinstance(source, bytes):
        check_regular_file(source)
    with refuse_damage(name, "a NumPy array"):
        if isinstance(source, bytes):
            return _read_npy(io.BytesIO(source), len(source))
        with open(source, "rb") as file:
            return _read_npy(file, os.fstat(file.fileno()).st_size)


def _read_npy(file: BinaryIO, num_bytes: int) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    # Versions 2 and 3 differ in the spelling of field names only.
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, not numbers")
    claimed, held = math.prod(shape) * dtype.itemsize, num_bytes - file.tell()
    if min(shape, default=0) < 0 or claimed > held:
        raise ValueError(f"it claims {claimed} bytes of shape {shape}, but holds only {held}")
    file.seek(0)
    return np.load(file, allow_pickle=False)


def read_exr(path: str | os.PathLike, name: str | None = None) -> np.ndarray:
    """(H, W) float32: the channel Z, or the only channel, of an OpenEXR file. `name` is what errors call it.

    Raises:
        ValueError: OpenEXR is not installed, damaged, larger than Pillow allows of images, or several channels.
    """
    name = name or show_path(path)
    check_regular_file(path)
    try:
        import OpenEXR  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"{name}: reading .exr needs OpenEXR: pip install 'pixio-hf[exr]'.") from error
    with refuse_damage(name, "OpenEXR"):
        if not os.path.isfile(path):
            raise FileNotFoundError("no such file")
        (left, top), (right, bottom) = OpenEXR.File(os.fspath(path), header_only=True).header()["dataWindow"]
        _check_num_pixels(int(right) - int(left) + 1, int(bottom) - int(top) + 1)
        channels: dict[str, Any] = OpenEXR.File(os.fspath(path), separate_channels=True).channels()
    channel = "Z" if "Z" in channels else next(iter(channels), None)
    if channel is None or (len(channels) > 1 and channel != "Z"):
        raise ValueError(f"{name} must have one channel or a channel Z, got {', '.join(sorted(channels)) or 'none'}.")
    return np.asarray(channels[channel].pixels, dtype=np.float32)


def _check_num_pixels(width: int, height: int) -> None:
    limit = PIL.Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > 2 * limit:
        raise PIL.Image.DecompressionBombError(
            f"Image size ({width * height} pixels) exceeds limit of {2 * limit} pixels."
        )
