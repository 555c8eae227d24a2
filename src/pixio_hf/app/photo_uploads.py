# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photos from a browser: where they are dropped, and how they are read within the limits of read_limits.py."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from ..cameras import FocalLength, find_focal_length
from ..photo_files import open_photo
from ..photos import read_photo
from ..read_limits import check_num_bytes, check_num_pixels


@dataclass(frozen=True, eq=False)
class UploadedPhoto:
    """An upright photo (3, H, W) uint8, the name of its file without ending, and what its EXIF says of the lens."""

    pixels: np.ndarray
    name: str
    focal: FocalLength


def read_upload(path: str) -> UploadedPhoto:
    """Read an uploaded photo.

    Raises:
        ValueError: no image, damaged, or larger than the limits.
    """
    name = Path(path).name
    try:
        check_num_bytes(Path(path).stat().st_size)
        with open_photo(path) as image:
            check_num_pixels(*image.size)
            if image.mode == "F":
                raise ValueError("holds floats of unknown range; save it with 8 or 16 bits a channel")
            pixels = read_photo(image)
            focal = find_focal_length(*pixels.shape[-2:], image=image)
    except ValueError as error:
        problem = str(error) if name in str(error) else f"{name} {error}"
        raise ValueError(problem if problem.endswith(".") else f"{problem}.") from error
    return UploadedPhoto(pixels, Path(path).stem, focal)


def show_photo_input(elem_id: str, height: int, max_bytes: int) -> gr.Image:
    """A place to drop one photo, from a file, the camera or the clipboard; events get the path of the file."""
    photo = gr.Image(
        label=f"Your photo, {_up_to(max_bytes)}",
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        buttons=["fullscreen"],
        interactive=True,
        height=height,
        elem_id=elem_id,
    )
    return _hand_on_files(photo, lambda payload: None if payload is None else payload.path)


def show_photos_input(elem_id: str, height: int, max_bytes: int) -> gr.Gallery:
    """A place to drop several photos; events get the paths of the files."""
    photos = gr.Gallery(
        label=f"Your photos, each {_up_to(max_bytes)}",
        height=height,
        columns=3,
        file_types=["image"],
        interactive=True,
        buttons=[],
        elem_id=elem_id,
    )

    def list_paths(payload: Any) -> list[str]:
        items = payload.root if payload is not None else []
        return [item.image.path for item in items if getattr(item, "image", None) is not None]

    return _hand_on_files(photos, list_paths)


def _up_to(max_bytes: int) -> str:
    """The limit where it is seen before a photo is chosen; Gradio refuses larger files in the browser, in its words."""
    return f"up to {max_bytes / 2**20:.0f} MB"


def _hand_on_files(component: Any, find_paths: Callable[[Any], Any]) -> Any:
    """Let a component hand on files as they were uploaded, with their EXIF, undecoded; what is wrong we say ourselves.

    It opens no address that somebody writes into a request. Set on the object, as Gradio writes a stub beside the source
    of every subclass.
    """
    move = component.async_move_resource_to_block_cache

    async def move_uploads_only(path: str | Path | None) -> str | None:
        if path is not None and "://" in str(path):
            raise gr.Error("Upload the photo itself; addresses are not opened here.", print_exception=False)
        return await move(path)

    component.preprocess, component.async_move_resource_to_block_cache = find_paths, move_uploads_only
    return component
