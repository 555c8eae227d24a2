# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth and segmentation maps in files: NumPy's .npy and .npz, OpenEXR, or images. From paths and bytes.

An array file is recognised by its first bytes, not by its name. Sizes in its header are checked before any memory is taken.
"""

import io
import math
import os
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL.Image

from .listings import check_regular, ending_of
from .photo_files import open_photo, refuse_damage, show_path

ARRAY_ENDINGS = (".exr", ".npy", ".npz")
_NPY, _ZIP, _EXR = b"\x93NUMPY", b"PK\x03\x04", b"\x76\x2f\x31\x01"
# If an .npz has several arrays, one of these names is taken.
_KEYS = ("depth", "depth_map", "segmentation_map", "mask", "labels", "label")
# Versions 2 and 3 differ only in the spelling of field names, which plain arrays lack.
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def open_map(source: str | os.PathLike) -> np.ndarray | PIL.Image.Image:
    """Depth or segmentation map in a file: an array for .npy, .npz and .exr, else an image, pixels not decoded yet.

    Raises:
        ValueError: no such file, damaged, or no map.
    """
    if ending_of(os.fspath(source)) in ARRAY_ENDINGS and (values := read_array(source)) is not None:
        return values
    return open_photo(source)


def read_array(
    source: str | os.PathLike | bytes, name: str | None = None, keys: tuple[str, ...] = _KEYS
) -> np.ndarray | None:
    """The array of an .npy, .npz or .exr, or of its bytes; None when it is a file of another kind.

    From an .npz comes the only array, or the first with one of the names `keys`; from an .exr the channel Z, or the
    only one, as float32.

    Args:
        name: what errors call it; by default the path.

    Raises:
        ValueError: no regular file, damaged, more numbers than an image may have pixels, or Python objects.
    """
    if not isinstance(source, bytes):
        check_regular(source)
    name = name or ("an array without a name" if isinstance(source, bytes) else show_path(source))
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        start = file.read(6)
        file.seek(0)
        if start == _NPY:
            with refuse_damage(name, "a NumPy array"):
                return _read_npy(file)
        if start.startswith(_ZIP):
            with refuse_damage(name, "NumPy arrays"):
                return _read_npz(file, keys)
    if start.startswith(_EXR):
        return _read_exr(source, name)
    if not isinstance(source, bytes) and (ending := ending_of(os.fspath(source))) in ARRAY_ENDINGS:
        raise ValueError(f"{name} cannot be decoded: it is no {ending} file, or its beginning is damaged.")
    return None


def _read_npy(file: IO[bytes]) -> np.ndarray:
    """The array after the header, in the file's own byte order."""
    version = np.lib.format.read_magic(file)
    shape, is_fortran, dtype = _HEADERS.get(version, _HEADERS[2, 0])(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which can run code when they are loaded; store numbers")
    if min(shape, default=1) < 0 or not 0 < dtype.itemsize <= 32:
        raise ValueError(f"shape {shape} of {dtype} is no array of numbers")
    check_num_pixels(math.prod(shape))
    claimed = math.prod(shape) * dtype.itemsize
    content = file.read(claimed)
    if len(content) < claimed:
        raise ValueError(f"it claims {claimed} bytes of shape {shape}, but holds only {len(content)}")
    return np.frombuffer(bytearray(content), dtype).reshape(shape, order="F" if is_fortran else "C")


def _read_npz(file: IO[bytes], keys: tuple[str, ...]) -> np.ndarray:
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        chosen = names[0] if len(names) == 1 else next((key for key in keys if key in names), None)
        if chosen is None:
            raise ValueError(f"it must hold one array or one named {keys[0]}, got {', '.join(names[:10]) or 'none'}")
        with archive.open(next(name for name in archive.namelist() if name.removesuffix(".npy") == chosen)) as member:
            return _read_npy(member)


def _read_exr(source: str | os.PathLike | bytes, name: str) -> np.ndarray:
    """(H, W) float32: the channel Z, or the only channel, of an OpenEXR file or its bytes."""
    if isinstance(source, bytes):  # OpenEXR reads no streams
        with tempfile.NamedTemporaryFile(suffix=".exr") as file:
            file.write(source)
            file.flush()
            return _read_exr(Path(file.name), name)
    try:
        import OpenEXR  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ValueError(f"{name}: reading .exr needs OpenEXR: pip install 'pixio-hf[exr]'.") from error
    path = os.fspath(source)
    with refuse_damage(name, "OpenEXR"):
        (left, top), (right, bottom) = OpenEXR.File(path, header_only=True).header()["dataWindow"]
        check_num_pixels((int(right) - int(left) + 1) * (int(bottom) - int(top) + 1))
        channels: dict[str, Any] = OpenEXR.File(path, separate_channels=True).channels()
    channel = "Z" if "Z" in channels else next(iter(channels), None)
    if channel is None or (len(channels) > 1 and channel != "Z"):
        raise ValueError(f"{name} must have one channel or a channel Z, got {', '.join(sorted(channels)) or 'none'}.")
    return np.asarray(channels[channel].pixels, dtype=np.float32)


def check_num_pixels(num_pixels: int) -> None:
    """Refuse sizes that Pillow would refuse, before memory is taken; to be called inside refuse_damage."""
    limit = PIL.Image.MAX_IMAGE_PIXELS
    if limit is not None and num_pixels > 2 * limit:
        raise PIL.Image.DecompressionBombError(
            f"Image size ({num_pixels} pixels) exceeds limit of {2 * limit} pixels."
        )
