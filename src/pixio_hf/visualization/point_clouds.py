# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth to coloured points and to a mesh that is cut where the depth jumps. Pure; scene_files.py writes them.

Axes are OpenCV's, as everywhere in the package: x right, y down, z forward, metres.
"""

from dataclasses import dataclass

import numpy as np

from .panels import shrink_photo

MAX_JUMP = 0.05
"""A triangle is cut where its farthest corner lies more than this share beyond its nearest: 5 cm at 1 m."""
MAX_POINTS = 2**18
"""Points of one picture, 512 x 512: what viewers turn smoothly, and about what a model sees of a photo."""


@dataclass(frozen=True, eq=False)
class Shape:
    """Coloured points, and the triangles between them where it is a mesh.

    Args:
        points: (N, 3) float32 metres.
        colors: (N, 3) uint8.
        faces: (M, 3) int32 indices of points, counter-clockwise as the camera saw them; None for points alone.
        photo: (H, W, 3) uint8 that is laid over the mesh; None where points bring their own colours.
        photo_places: (N, 2) where each point lies in the photo, from 0 to 1 to the right and down.
    """

    points: np.ndarray
    colors: np.ndarray
    faces: np.ndarray | None = None
    photo: np.ndarray | None = None
    photo_places: np.ndarray | None = None


def unproject_depth(
    depth: np.ndarray, intrinsics: np.ndarray, camera_to_world: np.ndarray | None = None
) -> np.ndarray:
    """Points of all pixels: z depth (H, W) in metres, (3, 3), (4, 4) -> (H, W, 3) float32.

    They lie in the camera, or in the world where a pose is given. A pixel without a depth gives a point that means nothing.
    """
    height, width = depth.shape
    return _unproject(depth, np.arange(height), np.arange(width), intrinsics, camera_to_world)


def shape_of_depth(
    depth: np.ndarray,
    photo: np.ndarray,
    intrinsics: np.ndarray,
    camera_to_world: np.ndarray | None = None,
    keep: np.ndarray | None = None,
    max_jump: float = MAX_JUMP,
    max_points: int = MAX_POINTS,
) -> Shape:
    """The surface that a depth map shows, as a mesh with the photo laid over it.

    Each cell of four neighbouring pixels gives two triangles; one is left out where a corner has no depth, or where the
    depth jumps within it (`max_jump`). Points that no triangle holds, such as those that float between an object and what
    is behind it, are left out too. `as_points` makes a point cloud of the result.

    Args:
        depth: (H, W) z depth in metres; 0, NaN and infinite are unknown.
        photo: (3, H, W) uint8.
        intrinsics: (3, 3) of the photo.
        camera_to_world: (4, 4); by default points stay in the camera.
        keep: (H, W) bool, pixels to use, such as those that a model is sure of.
        max_jump: see MAX_JUMP.
        max_points: of larger pictures every second, third, ... row and column is taken.

    Raises:
        ValueError: shapes that do not belong together, or a limit that is not positive.
    """
    _check_shapes(depth, photo, intrinsics, keep)
    if not max_jump > 0 or max_points < 4:
        raise ValueError(f"max_jump must be positive and max_points at least 4, got {max_jump} and {max_points}.")
    height, width = depth.shape
    step = 1
    while -(-height // step) * -(-width // step) > max_points:
        step += 1
    rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
    picked = np.ix_(rows, columns)
    sampled = depth[picked].astype(np.float32)
    known = np.isfinite(sampled) & (sampled > 0)
    if keep is not None:
        known &= keep[picked]
    faces, used = _connect(np.where(known, sampled, np.nan), max_jump)
    points = _unproject(sampled, rows, columns, intrinsics, camera_to_world).reshape(-1, 3)[used]
    places = np.stack(np.broadcast_arrays((columns + 0.5) / width, ((rows + 0.5) / height)[:, None]), axis=-1)
    return Shape(
        points=points,
        colors=np.moveaxis(photo, 0, -1)[picked].reshape(-1, 3)[used],
        faces=faces,
        photo=np.ascontiguousarray(np.moveaxis(shrink_photo(photo), 0, -1)),
        photo_places=places.reshape(-1, 2)[used].astype(np.float32),
    )


def as_points(shape: Shape) -> Shape:
    """The points of a mesh without its triangles."""
    return Shape(shape.points, shape.colors)


def join_points(shapes: list[Shape]) -> Shape:
    """The points of several shapes in one; none of them gives an empty one."""
    points = [np.zeros((0, 3), np.float32), *(shape.points for shape in shapes)]
    colors = [np.zeros((0, 3), np.uint8), *(shape.colors for shape in shapes)]
    return Shape(np.concatenate(points), np.concatenate(colors))


def _unproject(
    depth: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    intrinsics: np.ndarray,
    camera_to_world: np.ndarray | None,
) -> np.ndarray:
    """Points of the pixels at `rows` and `columns`, whose depth is given: (h, w) -> (h, w, 3) float32."""
    (focal_x, _, centre_x), (_, focal_y, centre_y), _ = np.asarray(intrinsics, np.float64)
    x, y = (columns - centre_x) / focal_x, (rows - centre_y) / focal_y
    points = np.stack((depth * x, depth * y[:, None], depth), axis=-1, dtype=np.float32)
    if camera_to_world is None:
        return points
    pose = np.asarray(camera_to_world, np.float32)
    return points @ pose[:3, :3].T + pose[:3, 3]


def _connect(depth: np.ndarray, max_jump: float) -> tuple[np.ndarray, np.ndarray]:
    """Triangles between neighbours, (h, w) with NaN where unknown -> faces (M, 3), indices of the used pixels (N)."""
    height, width = depth.shape
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    upper_left, upper_right = pixels[:-1, :-1].ravel(), pixels[:-1, 1:].ravel()
    lower_left, lower_right = pixels[1:, :-1].ravel(), pixels[1:, 1:].ravel()
    triangles = np.concatenate(
        (
            np.stack((upper_left, lower_left, upper_right), axis=-1),
            np.stack((upper_right, lower_left, lower_right), axis=-1),
        )
    )
    corners = depth.ravel()[triangles]
    # NaN compares as False: a triangle with an unknown corner goes with those that are cut.
    triangles = triangles[corners.max(axis=-1) <= (1 + max_jump) * corners.min(axis=-1)]
    used = np.unique(triangles)
    numbers = np.zeros(height * width, np.int32)
    numbers[used] = np.arange(len(used), dtype=np.int32)
    return numbers[triangles], used


def _check_shapes(depth: np.ndarray, photo: np.ndarray, intrinsics: np.ndarray, keep: np.ndarray | None) -> None:
    if depth.ndim != 2 or photo.shape != (3, *depth.shape) or photo.dtype != np.uint8:
        raise ValueError(
            f"depth must be (H, W) and photo (3, H, W) uint8, got {depth.shape} and {photo.shape} {photo.dtype}."
        )
    if np.shape(intrinsics) != (3, 3):
        raise ValueError(f"intrinsics must be (3, 3), got {np.shape(intrinsics)}.")
    if keep is not None and keep.shape != depth.shape:
        raise ValueError(f"keep must have the depth's shape {depth.shape}, got {keep.shape}.")
