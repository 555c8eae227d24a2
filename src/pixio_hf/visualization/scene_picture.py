# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A reconstructed scene as a picture: its photos, and its points with their cameras from two places."""

from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw

from ..cameras import Camera
from ..shown_text import list_names
from .panels import Panel, Row, draw_page
from .point_clouds import Shape, join_points
from .scene_files import CAMERA_COLORS, camera_corners, choose_frustum_depth

HEIGHT, WIDTH = 480, 640
FOCAL = 560.0  # pixels: about 60 degrees across
PAGE_WIDTH = 12.0  # inches
MAX_PHOTOS, STRIP_ASPECT = 5, 4
_NEAR = 0.05  # share of the distance to the middle; what is nearer hides everything
_BACKGROUND = 238  # light grey: white walls stay visible
# Where to look from: degrees about the middle of the scene (to the right, up), and distances in those of view 0.
_PLACES = (("from behind the first camera", 0.0, 12.0, 1.9), ("from the right and above", 38.0, 24.0, 1.8))


def draw_scene(
    photos: Sequence[np.ndarray] | np.ndarray,
    shapes: Sequence[Shape],
    cameras: Sequence[Camera],
    heading: str = "",
    note: str = "",
) -> bytes:
    """PNG of the photos (H, W, 3) uint8 above the points, seen from two places.

    Raises:
        ValueError: no points.
    """
    cloud = join_points(list(shapes))
    if not len(cloud.points):
        raise ValueError("there are no points to draw.")
    names = list_names([camera.name for camera in cameras])
    photo_row = Row([Panel(join_photos(photos[:MAX_PHOTOS]), names)], headline="Photos")
    pictures = [
        Panel(render_points(cloud, pose, cameras), title) for title, pose in look_around(cloud.points, cameras[0])
    ]
    return draw_page([photo_row, Row(pictures, headline="Points and cameras")], PAGE_WIDTH, heading, note)


def join_photos(photos: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Photos of one size side by side on white, in a strip that is at least STRIP_ASPECT times as wide as high."""
    height, width = photos[0].shape[:2]
    gap = max(1, width // 40)
    total = max(len(photos) * (width + gap) - gap, STRIP_ASPECT * height)
    strip = np.full((height, total, 3), 255, np.uint8)
    for index, photo in enumerate(photos):
        start = index * (width + gap)
        strip[:, start : start + width] = photo
    return strip


def look_around(points: np.ndarray, first: Camera) -> list[tuple[str, np.ndarray]]:
    """Two places to see a scene from, each with its name: camera to world (4, 4), with OpenCV's axes."""
    pose = np.asarray(first.camera_to_world, np.float64)
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    middle = np.median(local, axis=0)
    distance = max(float(np.linalg.norm(middle)), 1e-6)
    places = []
    for title, right, up, factor in _PLACES:
        turn, rise = np.deg2rad((right, up))
        # On a ball about the middle, behind the first camera: it looks along z, and y points down.
        away = np.array([np.sin(turn) * np.cos(rise), -np.sin(rise), -np.cos(turn) * np.cos(rise)])
        forward = -away
        sideways = np.cross([0.0, 1.0, 0.0], forward)
        sideways /= np.linalg.norm(sideways)
        seen = np.eye(4)
        seen[:3, :3] = np.stack((sideways, np.cross(forward, sideways), forward), axis=1)
        seen[:3, 3] = middle + factor * distance * away
        places.append((title, pose @ seen))
    return places


def render_points(cloud: Shape, pose: np.ndarray, cameras: Sequence[Camera] = ()) -> np.ndarray:
    """Points and outlines of cameras as a camera at `pose` sees them: (HEIGHT, WIDTH, 3) uint8 on grey."""
    picture = np.full((HEIGHT, WIDTH, 3), _BACKGROUND, np.uint8)
    columns, rows, depth = project(cloud.points, pose)
    order = np.argsort(-depth)  # the nearest last, over the others
    order = order[depth[order] > _NEAR * np.median(np.abs(depth))]
    # Large enough to close the gaps between them where they cover half of the picture.
    side = int(np.clip(round((HEIGHT * WIDTH / max(len(order), 1)) ** 0.5), 1, 6))
    for shift_y in range(side):
        for shift_x in range(side):
            x = np.rint(columns[order]).astype(int) + shift_x - side // 2
            y = np.rint(rows[order]).astype(int) + shift_y - side // 2
            inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
            picture[y[inside], x[inside]] = cloud.colors[order[inside]]
    image = PIL.Image.fromarray(picture)
    draw = PIL.ImageDraw.Draw(image)
    size = choose_frustum_depth([cloud])
    for index, camera in enumerate(cameras):
        columns, rows, depth = project(camera_corners(camera, size), pose)
        if (depth <= 0).any() or not (np.isfinite(columns) & np.isfinite(rows)).all():
            continue
        corners = list(zip(columns.tolist(), rows.tolist(), strict=True))
        for start, end in ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1)):
            draw.line([corners[start], corners[end]], fill=CAMERA_COLORS[index % len(CAMERA_COLORS)], width=2)
    return np.asarray(image)


def project(points: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, rows and depth of points (N, 3) for a camera at `pose`, each (N)."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    depth = local[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = FOCAL * local[:, 0] / depth + WIDTH / 2
        rows = FOCAL * local[:, 1] / depth + HEIGHT / 2
    return columns, rows, depth
