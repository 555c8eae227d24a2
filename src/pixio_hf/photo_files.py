# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Open image files as decoded, upright PIL images. Any problem is a ValueError that names the file."""

import base64
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import PIL.ExifTags
import PIL.Image
from PIL.Image import Transpose

from .listings import HEIF_ENDINGS, check_regular, ending_of, open_image, show_path
from .photo_addresses import fetch, is_address, show_address

# How to turn a photo whose EXIF orientation is not 1 (upright).
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
# Where Pillow keeps the orientation; removed, so that a turned image is not turned again.
_ORIENTATION_SOURCES = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")


@contextmanager
def refuse_damage(name: str, what: str = "an image") -> Iterator[None]:
    """Turn whatever a decoder throws into a ValueError that names the file and says what to do."""
    try:
        yield
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(
            f"{name} is too large: {error} The limit is twice PIL.Image.MAX_IMAGE_PIXELS; raise it for a file that you"
            " trust, or scale the file down."
        ) from error
    except MemoryError as error:
        raise ValueError(f"{name} does not fit into memory; scale it down.") from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        reason = " ".join(str(error).split()) or "no reason given"
        if not isinstance(error, OSError | ValueError | SyntaxError):
            reason = f"{type(error).__name__}: {reason}"
        raise ValueError(
            f"{name} cannot be decoded as {what}: {reason.rstrip('.')}. The file is truncated or damaged; fetch it"
            " again."
        ) from error


def open_photo(source: str | os.PathLike, allow_private: bool = True) -> PIL.Image.Image:
    """Open a local path, an http(s) address or a base64 string as a PIL image, pixels not decoded yet.

    Args:
        allow_private: open addresses in networks that are not public too, since the caller names them, as in transformers;
            False for addresses that come from somebody else.

    Raises:
        ValueError: there is no such file, it is no image, no regular file, or claims more pixels than Pillow allows; an
            address does not answer in time, sends too much, or is not public and may not be opened.
    """
    text = os.fspath(source)
    if is_address(text):
        return _open_address(text, allow_private)
    name = show_path(text)
    try:
        if os.path.lexists(text):
            check_regular(text)
            return open_image(text)
        encoded = text.split(",", 1)[1] if text.startswith("data:image/") else text
        return open_image(io.BytesIO(base64.b64decode(encoded)))
    except (PIL.Image.DecompressionBombError, MemoryError):
        with refuse_damage(name):
            raise
    except Exception as error:  # Pillow raises many kinds
        if isinstance(error, PIL.UnidentifiedImageError) and ending_of(text) in HEIF_ENDINGS:
            raise ValueError(
                f"{name} cannot be opened: HEIC needs pillow-heif (pip install 'pixio-hf[heic]'), or it is damaged."
            ) from error
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(
            f"{name!r} is not an image: expected the path of an image file that exists, an http(s) address or a"
            f" base64 string ({reason})."
        ) from error


def _open_address(address: str, allow_private: bool) -> PIL.Image.Image:
    # Here, since a limit in the environment that is no number should keep nobody from importing the package.
    from .read_limits import MAX_IMAGE_BYTES

    return open_fetched(fetch(address, MAX_IMAGE_BYTES, allow_private), show_address(address))


def open_fetched(content: bytes, name: str) -> PIL.Image.Image:
    """The image in bytes that were fetched, pixels not decoded yet. Raises ValueError that calls it by `name`."""
    try:
        return open_image(io.BytesIO(content))
    except PIL.UnidentifiedImageError as error:
        raise ValueError(f"{name} is no image in a format that is known here.") from error
    except Exception:
        with refuse_damage(name):
            raise


MAX_PIXELS = 178_956_970
"""Pixels that Pillow allows an image by default."""


def decode_image(
    source: str | os.PathLike | bytes | PIL.Image.Image, name: str | None = None, max_pixels: int | None = None
) -> PIL.Image.Image:
    """Image file, its bytes or a PIL image -> PIL image with all of its pixels decoded, not turned.

    Args:
        name: what errors call it; by default the path.
        max_pixels: a limit that holds even if Pillow's own was lifted.

    Raises:
        ValueError: damaged in any way, not a regular file, or more pixels than allowed.
    """
    if isinstance(source, PIL.Image.Image):
        with refuse_damage(name or name_image(source)):
            source.load()
        return source
    if isinstance(source, bytes):
        name = name or "an image without a name"
        stream: Any = io.BytesIO(source)
    else:
        name = name or show_path(source)
        check_regular(source)
        stream = source
    with refuse_damage(name), open_image(stream) as image:
        if max_pixels is not None and image.width * image.height > max_pixels:
            raise PIL.Image.DecompressionBombError(
                f"Image size ({image.width * image.height} pixels) exceeds limit of {max_pixels} pixels."
            )
        image.load()
    return image


def load_upright(image: PIL.Image.Image, name: str | None = None) -> PIL.Image.Image:
    """Decode a PIL image and turn it as its EXIF orientation says; the result has no orientation any more.

    Raises:
        ValueError: the file is truncated or damaged, pixels or EXIF.
    """
    turn = _TURNS.get(read_orientation(decode_image(image, name), name))
    if turn is None:
        return image
    with refuse_damage(name or name_image(image)):
        upright = image.transpose(turn)
    for key in _ORIENTATION_SOURCES:
        upright.info.pop(key, None)
    return upright


def read_orientation(image: PIL.Image.Image, name: str | None = None) -> int:
    """EXIF orientation of an image, 1 (upright) to 8; unknown values count as 1. ValueError: damaged EXIF."""
    with refuse_damage(name or name_image(image)):
        orientation = image.getexif().get(PIL.ExifTags.Base.Orientation, 1)
        return int(orientation) if orientation in _TURNS else 1


def name_image(image: PIL.Image.Image) -> str:
    """What messages call a PIL image: its file, if it has one."""
    path = getattr(image, "filename", "")
    return show_path(path) if isinstance(path, str | os.PathLike) and path else "image"
