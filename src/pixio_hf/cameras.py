# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The camera that took a photo: its focal length from a field of view, from EXIF or assumed, and its pinhole matrix.

Lengths are in pixels unless they say otherwise; the first pixel has its centre at (0, 0), as in geometry.py.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.ExifTags
import PIL.Image

ASSUMED_DEGREES = 60.0
"""Field of view across the longer side where nothing is known: between a phone's main camera and a normal lens."""
FILM_DIAGONAL = math.hypot(36, 24)
"""Millimetres of the frame of 35 mm film; cameras compare by the diagonal (CIPA DCG-001)."""
# Millimetres per FocalPlaneResolutionUnit (EXIF 2.3, tag 41488).
_UNITS = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}
_LENS_DEGREES = (1.0, 175.0)  # what no lens has is damage
_STITCHED_ASPECT = 2.5  # no camera takes wider photos at once: what EXIF says belongs to a part of it
_SAME_ASPECT = 1.02


@dataclass(frozen=True)
class FocalLength:
    """A focal length in pixels, and where it comes from in words."""

    pixels: float
    origin: str
    is_assumed: bool = False


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera of one picture, with OpenCV's axes: x right, y down, z forward.

    Args:
        intrinsics: (3, 3) in pixels of the picture of (height, width).
        camera_to_world: (4, 4) pose in metres.
        name: the picture's file, as COLMAP lists it.
    """

    intrinsics: np.ndarray
    height: int
    width: int
    camera_to_world: np.ndarray
    name: str = ""


def find_focal_length(
    height: int, width: int, fov: float | None = None, image: PIL.Image.Image | None = None
) -> FocalLength:
    """Focal length of a photo of (height, width), upright: from `fov`, else from the EXIF of `image`, else assumed.

    Args:
        fov: field of view across the width, in degrees.
        image: the photo as it was opened, for its EXIF; turned upright by load_upright it has none any more.

    Raises:
        ValueError: a field of view outside 1..175 degrees.
    """
    if fov is not None:
        return FocalLength(focal_of_fov(fov, width), f"from the field of view of {fov:g} degrees")
    if image is not None and (found := _read_exif(image, height, width)):
        return found
    return FocalLength(
        focal_of_fov(ASSUMED_DEGREES, max(height, width)),
        f"assumed: {ASSUMED_DEGREES:g} degrees across the longer side, as the photo does not tell it",
        is_assumed=True,
    )


def focal_of_fov(fov: float, side: int) -> float:
    """Focal length in pixels of a field of view in degrees across `side` pixels: side / (2 tan(fov / 2)).

    Raises:
        ValueError: a field of view outside 1..175 degrees.
    """
    low, high = _LENS_DEGREES
    if not low <= fov <= high:
        raise ValueError(f"A field of view must lie between {low:g} and {high:g} degrees, got {fov:g}.")
    return side / (2 * math.tan(math.radians(fov) / 2))


def fov_of_focal(focal: float, side: int) -> float:
    """Field of view in degrees across `side` pixels of a focal length in pixels."""
    return math.degrees(2 * math.atan(side / (2 * focal)))


def make_intrinsics(focal: float, height: int, width: int) -> np.ndarray:
    """Pinhole matrix (3, 3) with square pixels and the principal point in the middle of a picture of (height, width)."""
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], np.float64)


def read_intrinsics(values: Any, where: str) -> np.ndarray:
    """A pinhole camera from [fx, fy, cx, cy] or a 3x3 matrix: (3, 3).

    Raises:
        ValueError: it is neither, or focal lengths are not positive.
    """
    array = read_numbers(values, "intrinsics", where)
    if array.shape == (4,):
        array = np.array([[array[0], 0, array[2]], [0, array[1], array[3]], [0, 0, 1]])
    if array.shape != (3, 3) or not np.array_equal(array[2], [0, 0, 1]) or array[1, 0] != 0:
        raise ValueError(f"{where}: intrinsics must be [fx, fy, cx, cy] or a 3x3 pinhole matrix, got {values!r:.200}.")
    if array[0, 0] <= 0 or array[1, 1] <= 0:
        raise ValueError(f"{where}: focal lengths must be above 0, got {array[0, 0]} and {array[1, 1]}.")
    if array[0, 1] != 0:
        raise ValueError(f"{where}: a camera with skew ({array[0, 1]}) is no pinhole of this model.")
    return array


def read_numbers(values: Any, key: str, where: str) -> np.ndarray:
    """An array of finite numbers. Raises ValueError that names the key."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if not np.isfinite(array).all():
        raise ValueError(f"{where}: {key} must hold finite numbers, got {values!r:.200}.")
    return array


def _read_exif(image: PIL.Image.Image, height: int, width: int) -> FocalLength | None:
    """What EXIF says of the lens; None where it says nothing that fits this photo."""
    try:
        exif = image.getexif().get_ifd(PIL.ExifTags.IFD.Exif)
    except Exception:  # damaged EXIF says nothing; reading the pixels complains of what matters
        return None
    longer, shorter = max(height, width), min(height, width)
    taken = _read_number(exif, PIL.ExifTags.Base.ExifImageWidth), _read_number(exif, PIL.ExifTags.Base.ExifImageHeight)
    taken_longer, taken_shorter = (max(taken), min(taken)) if all(taken) else (longer, shorter)
    change = (longer / shorter) / (taken_longer / taken_shorter)
    # Scaled as a whole, a photo keeps its field of view; cut or stitched, it does not.
    if longer / shorter > _STITCHED_ASPECT or not 1 / _SAME_ASPECT < change < _SAME_ASPECT:
        return None
    film_length = _read_number(exif, PIL.ExifTags.Base.FocalLengthIn35mmFilm)
    length = _read_number(exif, PIL.ExifTags.Base.FocalLength)
    density = _read_number(exif, PIL.ExifTags.Base.FocalPlaneXResolution)
    unit = _UNITS.get(int(_read_number(exif, PIL.ExifTags.Base.FocalPlaneResolutionUnit) or 2))
    if film_length:
        focal = film_length / FILM_DIAGONAL * math.hypot(height, width)
        found = FocalLength(focal, f"from EXIF: {film_length:g} mm on 35 mm film")
    elif length and density and unit:
        focal = length * density / unit * longer / taken_longer
        found = FocalLength(focal, f"from EXIF: {length:g} mm before a sensor of {density / unit:.1f} pixels per mm")
    else:
        return None
    low, high = _LENS_DEGREES
    return found if low <= fov_of_focal(found.pixels, width) <= high else None


def _read_number(exif: PIL.Image.Exif | dict, tag: int) -> float:
    """A positive finite number of EXIF; 0 for anything else."""
    try:
        number = float(exif.get(tag, 0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
