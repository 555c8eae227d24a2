# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Points, meshes and cameras to files that other programs open: .ply, .glb, .npz, and COLMAP's text folder.

.ply, .npz and COLMAP keep OpenCV's axes (x right, y down, z forward); .glb has glTF's (x right, y up, z backward), so that
viewers show a picture as it was taken. Everything is in metres, and written whole or not at all.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

from pixio_hf.cameras import Camera
from pixio_hf.files import folder_in_progress, write_bytes
from pixio_hf.geometry import matrix_to_quaternion, world_to_camera
from pixio_hf.listings import ending_of, show_path

from .point_clouds import Shape, join_points

TO_GLTF = np.array([1, -1, -1], np.float32)
"""OpenCV's axes to glTF's: half a turn about x, which keeps the turn of triangles."""
CAMERA_COLORS = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (255, 127, 14), (148, 103, 189), (23, 190, 207))


def write_scene(target: str | Path, shapes: Sequence[Shape], cameras: Sequence[Camera] = ()) -> None:
    """Write shapes and cameras as the file's ending says: .ply, .glb or .npz; an older file of that name is replaced.

    - .glb: every shape by itself, a mesh with its photo; cameras as outlines of what they see.
    - .ply: one mesh where there is one shape and it has triangles, else all points together; no cameras.
    - .npz: `points` (N, 3), `colors` (N, 3), and of the cameras `intrinsics` (V, 3, 3), `camera_to_world` (V, 4, 4),
      `sizes` (V, 2) as height and width.

    Raises:
        ValueError: another ending, nothing to write, or trimesh is missing.
    """
    writers: dict[str, Callable[[Sequence[Shape], Sequence[Camera]], bytes]] = {
        ".glb": encode_glb,
        ".npz": _encode_npz,
        ".ply": _encode_ply,
    }
    encode = writers.get(ending_of(str(target)))
    if encode is None:
        raise ValueError(f"{show_path(target)} must end in {', '.join(writers)}.")
    if not any(len(shape.points) for shape in shapes):
        raise ValueError(f"{show_path(target)} would be empty: no pixel has a depth that belongs to a surface.")
    write_bytes(target, encode(shapes, cameras))


def encode_glb(shapes: Sequence[Shape], cameras: Sequence[Camera] = (), frustum_depth: float | None = None) -> bytes:
    """A .glb with every shape and an outline of every camera, seen without lights, so that colours are the photo's.

    Args:
        frustum_depth: metres from a camera to the far end of its outline; by default a share of the scene.

    Raises:
        ValueError: trimesh is missing.
    """
    trimesh = load_trimesh()
    scene = trimesh.Scene()
    for index, shape in enumerate(shapes):
        if len(shape.points):
            kind = "points" if shape.faces is None else "mesh"
            scene.add_geometry(_to_trimesh(trimesh, shape), geom_name=f"{kind}_{index}")
    depth = frustum_depth or choose_frustum_depth(shapes)
    for index, camera in enumerate(cameras):
        scene.add_geometry(_outline(trimesh, camera, depth, CAMERA_COLORS[index % 6]), geom_name=f"camera_{index}")
    return scene.export(file_type="glb", tree_postprocessor=_switch_off_lights)


def write_colmap(folder: str | Path, cameras: Sequence[Camera], shapes: Sequence[Shape] = ()) -> None:
    """Write COLMAP's text format into a folder that is replaced as a whole: cameras.txt, images.txt, points3D.txt.

    Each picture has its own PINHOLE camera; poses are world to camera, and pixels have their centres at (0.5, 0.5), as
    COLMAP counts. Points have their colours and no tracks, which is what Gaussian splatting starts from.

    Raises:
        ValueError: no camera, one without a name or two of one name, or a name that COLMAP's lines cannot hold.
    """
    names = [camera.name for camera in cameras]
    if (
        not names
        or not all(names)
        or len(set(names)) < len(names)
        or any(len(name.splitlines()) != 1 for name in names)
    ):
        raise ValueError(
            "COLMAP needs at least one camera, and for each the name of its picture, one line and its own."
        )
    camera_lines, image_lines = (
        ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"],
        [
            "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME",
            "# POINTS2D[] as (X, Y, POINT3D_ID)",
        ],
    )
    for number, camera in enumerate(cameras, start=1):
        focal_x, focal_y = camera.intrinsics[0, 0], camera.intrinsics[1, 1]
        centre_x, centre_y = camera.intrinsics[0, 2] + 0.5, camera.intrinsics[1, 2] + 0.5
        numbers = _join(focal_x, focal_y, centre_x, centre_y)
        camera_lines.append(f"{number} PINHOLE {camera.width} {camera.height} {numbers}")
        pose = world_to_camera(torch.from_numpy(np.asarray(camera.camera_to_world, np.float64)))
        x, y, z, w = matrix_to_quaternion(pose[:3, :3]).tolist()
        image_lines += [f"{number} {_join(w, x, y, z, *pose[:3, 3].tolist())} {number} {camera.name}", ""]
    cloud = join_points(list(shapes))
    point_lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)"]
    for number, (point, color) in enumerate(zip(cloud.points.tolist(), cloud.colors.tolist(), strict=True), start=1):
        point_lines.append(f"{number} {_join(*point)} {' '.join(map(str, color))} 0")
    with folder_in_progress(Path(folder)) as partial:
        for name, lines in (("cameras", camera_lines), ("images", image_lines), ("points3D", point_lines)):
            (partial / f"{name}.txt").write_bytes(("\n".join(lines) + "\n").encode())


def load_trimesh() -> Any:
    """The library that writes .ply and .glb. Raises ValueError where it is not installed."""
    try:
        import trimesh
    except ImportError as error:
        raise ValueError("Writing .ply and .glb needs trimesh: pip install 'pixio-hf[3d]'.") from error
    return trimesh


def _encode_ply(shapes: Sequence[Shape], cameras: Sequence[Camera]) -> bytes:
    trimesh = load_trimesh()
    shape = shapes[0] if len(shapes) == 1 else join_points(list(shapes))
    opaque = np.insert(shape.colors, 3, 255, axis=1)
    if shape.faces is None:
        return trimesh.PointCloud(shape.points, opaque).export(file_type="ply")
    mesh = trimesh.Trimesh(shape.points, shape.faces, vertex_colors=opaque, process=False)
    return mesh.export(file_type="ply", vertex_normal=False)


def _encode_npz(shapes: Sequence[Shape], cameras: Sequence[Camera]) -> bytes:
    cloud = join_points(list(shapes))
    arrays: dict[str, Any] = {"points": cloud.points, "colors": cloud.colors}
    if cameras:
        arrays["intrinsics"] = np.stack([camera.intrinsics for camera in cameras])
        arrays["camera_to_world"] = np.stack([camera.camera_to_world for camera in cameras])
        arrays["sizes"] = np.array([(camera.height, camera.width) for camera in cameras])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _to_trimesh(trimesh: Any, shape: Shape) -> Any:
    points = shape.points * TO_GLTF
    if shape.faces is None:
        return trimesh.PointCloud(points, np.insert(_to_linear(shape.colors), 3, 255, axis=1))
    if shape.photo is None or shape.photo_places is None:
        colors = np.insert(_to_linear(shape.colors), 3, 255, axis=1)
        return trimesh.Trimesh(points, shape.faces, vertex_colors=colors, process=False)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=PIL.Image.fromarray(shape.photo), metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True
    )
    # trimesh counts texture rows from below.
    places = shape.photo_places * (1, -1) + (0, 1)
    visual = trimesh.visual.TextureVisuals(uv=places, material=material)
    return trimesh.Trimesh(points, shape.faces, visual=visual, process=False)


def _to_linear(colors: np.ndarray) -> np.ndarray:
    """sRGB to linear light, uint8 to uint8: the colours of points in glTF are linear (glTF 2.0, 3.7.2.1)."""
    shares = np.arange(256) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return np.rint(255 * linear).astype(np.uint8)[colors]


def choose_frustum_depth(shapes: Sequence[Shape]) -> float:
    """A twentieth of the extent of most points: outlines stay small beside the scene."""
    points = join_points(list(shapes)).points
    if not len(points):
        return 0.1
    low, high = np.percentile(points, (5, 95), axis=0)
    return max(float(np.linalg.norm(high - low)) / 20, 1e-3)


def camera_corners(camera: Camera, depth: float) -> np.ndarray:
    """A camera's centre and the four corners of its picture `depth` metres before it, in the world: (5, 3)."""
    (focal_x, _, centre_x), (_, focal_y, centre_y), _ = np.asarray(camera.intrinsics, np.float64)
    columns, rows = np.array([0, 1, 1, 0]) * camera.width - 0.5, np.array([0, 0, 1, 1]) * camera.height - 0.5
    directions = np.stack(((columns - centre_x) / focal_x, (rows - centre_y) / focal_y, np.ones(4)), axis=-1)
    corners = np.concatenate((np.zeros((1, 3)), directions * depth))
    pose = np.asarray(camera.camera_to_world, np.float64)
    return corners @ pose[:3, :3].T + pose[:3, 3]


def _outline(trimesh: Any, camera: Camera, depth: float, color: tuple[int, int, int]) -> Any:
    """Lines from a camera's centre to the corners of its picture, `depth` metres before it, and around the picture."""
    line = trimesh.path.entities.Line
    return trimesh.path.Path3D(
        entities=[line([0, 1, 2, 0]), line([0, 3, 4, 0]), line([2, 3]), line([4, 1])],
        vertices=camera_corners(camera, depth) * TO_GLTF,
        colors=np.tile(np.array([*_to_linear(np.array(color)), 255], np.uint8), (4, 1)),
        process=False,
    )


def _switch_off_lights(tree: dict[str, Any]) -> None:
    """Materials that show their colours as they are, whatever lights a viewer brings (KHR_materials_unlit)."""
    for material in tree.get("materials", ()):
        material["extensions"] = {"KHR_materials_unlit": {}}
    if tree.get("materials"):
        tree["extensionsUsed"] = sorted({*tree.get("extensionsUsed", ()), "KHR_materials_unlit"})


def _join(*numbers: float) -> str:
    return " ".join(f"{number:.9g}" for number in numbers)
