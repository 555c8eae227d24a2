# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth and segmentation maps in files that are no pictures: NumPy's .npy and .npz, and OpenEXR. From paths and bytes.

A file is known by its first bytes, not by its name. What its header claims is checked before memory is taken for it.
"""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from ...image_files import check_num_pixels, check_regular
from ...map_files import read_exr

_NPY, _ZIP, _EXR = b"\x93NUMPY", b"PK\x03\x04", b"\x76\x2f\x31\x01"
# Names under which one of several arrays of an .npz is taken.
_KEYS = {"depth map": ("depth", "depth_map"), "segmentation map": ("segmentation_map", "mask", "labels", "label")}
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_array(source: str | Path | bytes, name: str, what: str) -> np.ndarray | None:
    """The array of an .npy, .npz or .exr; None when it is a file of another kind.

    Of an .npz the only array is taken, or the one named "depth" (masks: "segmentation_map", "mask", "labels"); of an .exr
    the channel Z, or the only one.

    Args:
        name: of the file, for messages.
        what: "depth map" or "segmentation map".

    Raises:
        ValueError: no regular file, damaged, absurdly large, or holding Python objects; whatever a decoder throws.
    """
    if not isinstance(source, bytes):
        check_regular(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            start = file.read(6)
            file.seek(0)
            if start == _NPY:
                return _read_npy(file)
            if start.startswith(_ZIP):
                return _read_npz(file, _KEYS[what])
            if not start.startswith(_EXR):
                _check_ending(source)
                return None
        return _read_exr(source)
    except Exception as error:  # NumPy, zipfile and OpenEXR raise whatever a damaged file leads them to
        text = str(error) or type(error).__name__
        raise ValueError(f"{name} cannot be read as a {what}: {text}") from error


def _check_ending(source: str | Path | bytes) -> None:
    if not isinstance(source, bytes) and (ending := Path(source).suffix.lower()) in (".npy", ".npz", ".exr"):
        raise ValueError(f"it is no {ending} file, or its beginning is damaged.")


def _read_npy(file: IO[bytes]) -> np.ndarray:
    """An array behind its header, in the file's own order of bytes."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format is not read.")
    shape, is_fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which can run code when they are loaded; store numbers.")
    if min(shape, default=1) < 0 or not 0 < dtype.itemsize <= 32:
        raise ValueError(f"shape {shape} of {dtype} is no array of numbers.")
    count = 1
    for side in shape:
        count *= side
    check_num_pixels(count, 1)
    content = file.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise ValueError(
            f"it ends early: shape {shape} needs {count * dtype.itemsize} bytes, {len(content)} are there."
        )
    return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")


def _read_npz(file: IO[bytes], keys: tuple[str, ...]) -> np.ndarray:
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        chosen = names[0] if len(names) == 1 else next((key for key in keys if key in names), None)
        if chosen is None:
            raise ValueError(f"it must hold one array or one named {keys[0]}, got {', '.join(names[:10]) or 'none'}.")
        with archive.open(next(name for name in archive.namelist() if name.removesuffix(".npy") == chosen)) as member:
            return _read_npy(member)


def _read_exr(source: str | Path | bytes) -> np.ndarray:
    """The channel Z, or the only channel, of an OpenEXR file or its bytes."""
    if not isinstance(source, bytes):
        return read_exr(source, "the file")
    # OpenEXR reads no streams.
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(source)
        file.flush()
        return read_exr(file.name, "the file")
