# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the tab "Depth" answers: metres, a picture of them, a surface in 3D, and files to take away."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..cameras import Camera, FocalLength, find_focal_length, fov_of_focal, make_intrinsics
from ..depth_files import describe_unknown, write_depth_png, write_npz
from ..files import write_bytes
from ..visualization.color_maps import color_values
from ..visualization.panels import DEPTH_COLORS, depth_limits, draw_depth, shrink_map
from ..visualization.point_clouds import Shape, shape_of_depth
from ..visualization.scene_files import write_scene
from .photo_uploads import read_upload
from .scale_bars import render_scale_bar
from .shelf import ModelShelf

VIEW_POINTS = 2**16
"""Points of the surface in the browser; a phone turns it smoothly, and it is written in a moment."""


@dataclass(frozen=True, eq=False)
class DepthAnswer:
    """A photo (3, H, W) uint8, its depth (H, W) in metres, the file's name, and what is known of the lens."""

    photo: np.ndarray
    metres: np.ndarray
    name: str
    focal: FocalLength

    @property
    def fov(self) -> float:
        """Field of view across the width in degrees, as the photo tells it or as it is assumed."""
        return fov_of_focal(self.focal.pixels, self.photo.shape[-1])

    def camera(self, fov: float) -> Camera:
        """The camera of the photo with a field of view across its width in degrees."""
        height, width = self.metres.shape
        focal = find_focal_length(height, width, fov=fov).pixels
        return Camera(make_intrinsics(focal, height, width), height, width, np.eye(4), self.name)


class DepthFiles(NamedTuple):
    """Files to take away."""

    png: Path
    picture: Path
    npz: Path
    ply: Path
    glb: Path


def predict_depth(shelf: ModelShelf, path: str, model_name: str | None) -> DepthAnswer:
    """Depth of an uploaded photo. Raises ValueError for a photo or a model that cannot be read."""
    upload = read_upload(path)
    metres = shelf.predictors.predict_depth(shelf.get("depth", model_name), upload.pixels)
    return DepthAnswer(upload.pixels, metres, upload.name, upload.focal)


def draw_depth_map(answer: DepthAnswer) -> tuple[np.ndarray, str]:
    """The map in colours, (H, W, 3) uint8, and its scale in metres as HTML."""
    limits = depth_limits(answer.metres)
    shown = shrink_map(answer.metres)
    picture = color_values(np.where(shown > 0, shown, np.nan), limits, DEPTH_COLORS)
    return picture, render_scale_bar(limits, DEPTH_COLORS, " m", "near", "far")


def describe_depth(answer: DepthAnswer, warning: str) -> str:
    """What was found in words, the field of view that 3D takes, and what to keep in mind."""
    near, far = depth_limits(answer.metres)
    lines = [f"**{near:.2f} m to {far:.2f} m.** Click the picture to read the distance of a point."]
    lines.append(f"Field of view for 3D: {answer.fov:.0f}° across the width, {answer.focal.origin}.")
    if unknown := describe_unknown(answer.metres):
        lines.append(f"{unknown} in the 16-bit PNG.")
    if warning:
        lines.append(f"*{warning}*")
    return "\n\n".join(lines)


def read_distance(answer: DepthAnswer, x: float, y: float) -> str:
    """The distance at a point of the drawn map, in pixels of that map."""
    shown = shrink_map(answer.metres)
    height, width = shown.shape
    metres = float(shown[min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)])
    return f"**{metres:.2f} m** away." if np.isfinite(metres) and metres > 0 else "The distance here is not known."


def make_surface(answer: DepthAnswer, fov: float, max_points: int) -> Shape:
    """The surface that the photo shows, seen with a field of view in degrees."""
    intrinsics = answer.camera(fov).intrinsics
    return shape_of_depth(answer.metres, answer.photo, intrinsics, max_points=max_points)


def write_view(answer: DepthAnswer, fov: float, folder: Path) -> Path:
    """A light .glb for the browser, in a new folder inside `folder`."""
    target = _make_folder(folder) / f"{answer.name}_view.glb"
    write_scene(target, [make_surface(answer, fov, VIEW_POINTS)])
    return target


def write_depth_files(answer: DepthAnswer, fov: float, folder: Path) -> DepthFiles:
    """Everything to take away, in a new folder inside `folder`.

    NAME_depth.png holds 16-bit millimetres, NAME_depth.npz `depth` (H, W) float32 metres, `intrinsics` (3, 3) and `fov`.
    """
    place = _make_folder(folder)
    files = DepthFiles(
        *(
            place / f"{answer.name}{ending}"
            for ending in ("_depth.png", "_depth_color.png", "_depth.npz", ".ply", ".glb")
        )
    )
    camera = answer.camera(fov)
    write_depth_png(files.png, answer.metres)
    write_bytes(files.picture, draw_depth(answer.photo, answer.metres))
    write_npz(files.npz, depth=answer.metres.astype(np.float32), intrinsics=camera.intrinsics, fov=fov)
    surface = make_surface(answer, fov, VIEW_POINTS * 4)
    write_scene(files.ply, [surface])
    write_scene(files.glb, [surface])
    return files


def _make_folder(folder: Path) -> Path:
    """A new folder with a name that nobody guesses."""
    return Path(tempfile.mkdtemp(dir=folder))
