# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a folder of one scene says of its views: our cameras.json, or the scene_meta.json of MapAnything's data sets.

Both are read into the same frames. Poses are camera to world in OpenCV axes; the first pixel has its centre at (0, 0).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...cameras import read_intrinsics, read_numbers
from ...listings import show_path
from ...text_files import read_json_object

CAMERAS_FILE, SCENE_META_FILE = "cameras.json", "scene_meta.json"
MAX_DESCRIPTION_BYTES = 256 * 2**20  # a pose for each of some hundred thousand frames
_DEPTH_KEYS = ("depth", "rendered_depth")  # of frames in scene_meta.json, where frame_modalities names none
_VIEW_KEYS = ("image", "depth", "mask", "intrinsics", "camera_to_world")
_SCENE_KEYS = ("views", "unit", "is_synthetic", "depth_scale")


@dataclass(frozen=True)
class Frame:
    """One view of a scene.

    Args:
        image: the picture.
        depth: its z depth, of the picture's aspect ratio; None: there is none.
        mask: a picture that is 0 where there can be no depth, such as sky; None: there is none.
        intrinsics: (3, 3) in pixels of the picture.
        camera_to_world: (4, 4).
        size: (height, width) that the picture should have; None: not stated.
    """

    image: Path
    depth: Path | None
    mask: Path | None
    intrinsics: np.ndarray
    camera_to_world: np.ndarray
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class SceneDescription:
    """A scene's frames and what holds for all of them.

    Args:
        depth_scale: metres (or the scene's unit) per stored number of depth.
        covisibility: file of pairwise covisibility, None: to be computed.
    """

    folder: Path
    frames: tuple[Frame, ...]
    is_metric: bool
    is_synthetic: bool
    depth_scale: float
    covisibility: Path | None


def is_scene(folder: Path) -> bool:
    """Whether a folder holds a description of a scene."""
    return any((folder / name).is_file() for name in (CAMERAS_FILE, SCENE_META_FILE))


def read_scene(folder: Path) -> SceneDescription:
    """Read the description in a scene's folder.

    Raises:
        ValueError: names the file, the view and what is wrong with it.
    """
    if (folder / CAMERAS_FILE).is_file():
        return read_cameras_file(folder)
    if (folder / SCENE_META_FILE).is_file():
        return read_scene_meta(folder)
    raise ValueError(f"{show_path(folder)} holds neither {CAMERAS_FILE} nor {SCENE_META_FILE}.")


def read_cameras_file(folder: Path) -> SceneDescription:
    """Read our own format, cameras.json; see docs/reconstruction.md.

    Raises:
        ValueError: names the file, the view and what is wrong with it.
    """
    file = folder / CAMERAS_FILE
    content = read_json_object(file, MAX_DESCRIPTION_BYTES)
    _refuse_unknown(content, _SCENE_KEYS, show_path(file))
    unit = content.get("unit", "metre")
    if unit not in ("metre", "unknown"):
        raise ValueError(f'{show_path(file)}: unit must be "metre" or "unknown", got {unit!r}.')
    scale = content.get("depth_scale", 1.0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < float("inf"):
        raise ValueError(f"{show_path(file)}: depth_scale must be a number above 0, got {scale!r}.")
    is_synthetic = content.get("is_synthetic", False)
    if not isinstance(is_synthetic, bool):
        raise ValueError(f"{show_path(file)}: is_synthetic must be true or false, got {is_synthetic!r}.")
    frames = []
    for number, view in enumerate(_objects_of(content, "views", file)):
        where = f"{show_path(file)}, view {number}"
        _refuse_unknown(view, _VIEW_KEYS, where)
        frames.append(
            Frame(
                image=_path_of(folder, view, "image", where),
                depth=_path_of(folder, view, "depth", where) if view.get("depth") is not None else None,
                mask=_path_of(folder, view, "mask", where) if view.get("mask") is not None else None,
                intrinsics=read_intrinsics(view.get("intrinsics"), where),
                camera_to_world=check_pose(view.get("camera_to_world"), "camera_to_world", where),
            )
        )
    stored = folder / "covisibility.npy"
    return SceneDescription(
        folder, tuple(frames), unit == "metre", is_synthetic, float(scale), stored if stored.is_file() else None
    )


def read_scene_meta(folder: Path) -> SceneDescription:
    """Read scene_meta.json, as MapAnything's conversion of ScanNet++ v2, ETH3D and TartanAirV2 writes it.

    Frames without depth, as before the rendering of ScanNet++'s meshes, are left out.

    Raises:
        ValueError: names the file, the frame and what is wrong with it.
    """
    file = folder / SCENE_META_FILE
    content = read_json_object(file, MAX_DESCRIPTION_BYTES)
    name = show_path(file)
    if content.get("camera_convention", "opencv") != "opencv":
        raise ValueError(f"{name}: camera_convention must be opencv, got {content['camera_convention']!r}.")
    modalities = content.get("frame_modalities")
    depth_keys = _DEPTH_KEYS
    if isinstance(modalities, dict) and isinstance(named := modalities.get("depth"), dict):
        depth_keys = (str(named.get("frame_key", "depth")), *_DEPTH_KEYS)
    frames = []
    for number, entry in enumerate(_objects_of(content, "frames", file)):
        where = f"{name}, frame {entry.get('frame_name', number)}"
        camera = {**content, **entry}
        if camera.get("camera_model", "PINHOLE") != "PINHOLE":
            raise ValueError(
                f"{where}: camera_model must be PINHOLE, got {camera['camera_model']!r}; undistort it first."
            )
        depth_key = next((key for key in depth_keys if entry.get(key) is not None), None)
        if depth_key is None:
            continue
        values = [camera.get(key) for key in ("fl_x", "fl_y", "cx", "cy")]
        height, width = camera.get("h"), camera.get("w")
        frames.append(
            Frame(
                image=_path_of(folder, entry, "image" if "image" in entry else "file_path", where),
                depth=_path_of(folder, entry, depth_key, where),
                mask=None,
                intrinsics=read_intrinsics(values, where),
                camera_to_world=check_pose(entry.get("transform_matrix"), "transform_matrix", where),
                size=(height, width) if isinstance(height, int) and isinstance(width, int) else None,
            )
        )
    if not frames:
        raise ValueError(f"{name} has no frame with depth; looked for {', '.join(dict.fromkeys(depth_keys))}.")
    covisibility = None
    scene_modalities = content.get("scene_modalities")
    if isinstance(scene_modalities, dict) and isinstance(named := scene_modalities.get("pairwise_covisibility"), dict):
        covisibility = _path_of(folder, named, "scene_key", f"{name}, pairwise_covisibility")
        if len(frames) != len(content["frames"]) or not covisibility.is_file():
            covisibility = None  # it counts frames that were left out, or was not downloaded
    is_metric = content.get("scale_type", "metric") == "metric"
    return SceneDescription(folder, tuple(frames), is_metric, False, 1.0, covisibility)


def check_pose(values: Any, key: str, where: str) -> np.ndarray:
    """A rigid camera-to-world matrix: (4, 4).

    Raises:
        ValueError: another shape, or no proper rotation.
    """
    array = read_numbers(values, key, where)
    if array.shape != (4, 4) or not np.allclose(array[3], [0, 0, 0, 1], atol=1e-6):
        raise ValueError(f"{where}: {key} must be a 4x4 matrix whose last row is 0 0 0 1.")
    rotation = array[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2):
        raise ValueError(f"{where}: the upper left of {key} is no rotation; scaled poses are not read.")
    if np.linalg.det(rotation) < 0:
        raise ValueError(
            f"{where}: {key} mirrors the scene (determinant -1); poses must be of OpenCV's right-handed axes."
        )
    return array


def _objects_of(content: Mapping[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{show_path(file)}: {key} must be a list of objects, one per view.")
    return entries


def _refuse_unknown(entry: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(entry) - set(known)):
        raise ValueError(f"{where} names {', '.join(unknown)}, but only {', '.join(known)} are known.")


def _path_of(folder: Path, entry: Mapping[str, Any], key: str, where: str) -> Path:
    """A file inside the scene's folder."""
    value = entry.get(key)
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{where}: {key} must be the path of a file, got {value!r:.100}.")
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{where}: {key} must lie in the scene's folder, got {value!r:.200}.")
    return folder / path
