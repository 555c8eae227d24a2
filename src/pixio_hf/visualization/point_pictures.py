# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Coloured points as a picture, seen from beside the camera that took the photo: for pages that cannot turn a scene."""

import numpy as np
import PIL.Image

BACKGROUND = 255
FINER = 2
"""The picture is drawn this many times as large and shrunk, which smooths its edges."""
OUTERMOST = 0.5
"""Percent of the points on each side that may lie beyond the picture: single stray points must not shrink the rest."""


def draw_points(
    points: np.ndarray,
    colors: np.ndarray,
    height: int,
    width: int,
    yaw: float = 25.0,
    pitch: float = 12.0,
    dot: int = 4,
) -> np.ndarray:
    """Picture (height, width, 3) uint8 of points (N, 3) in metres with colours (N, 3) uint8, near ones before far ones.

    The camera moves around the middle of the points and keeps looking at it; then the picture is scaled to hold the scene.

    Args:
        yaw: degrees that the camera moves to the right.
        pitch: degrees that it moves up.
        dot: side of a point in pixels of the finer picture.

    Raises:
        ValueError: no points.
    """
    if not len(points):
        raise ValueError("There are no points to draw.")
    seen = _turn(points.astype(np.float64), yaw, pitch)
    before = seen[:, 2] > 1e-3
    seen, colors = seen[before], colors[before]
    flat = seen[:, :2] / seen[:, 2:]
    low, high = np.percentile(flat, (OUTERMOST, 100 - OUTERMOST), axis=0)
    sides = np.array([width, height]) * FINER
    scale = 0.96 * np.min(sides / np.maximum(high - low, 1e-9))
    places = (flat - (low + high) / 2) * scale + sides / 2
    canvas = np.full((height * FINER, width * FINER, 3), BACKGROUND, np.uint8)
    order = np.argsort(-seen[:, 2], kind="stable")
    _paint(canvas, np.rint(places[order]).astype(np.int64), colors[order], dot)
    return np.asarray(PIL.Image.fromarray(canvas).resize((width, height), PIL.Image.Resampling.BOX))


def _turn(points: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """Points as the moved camera sees them: it turns around their median, and keeps its distance from it."""
    middle = np.median(points, axis=0)
    across, up = np.radians(yaw), np.radians(pitch)
    about_y = np.array([[np.cos(across), 0, np.sin(across)], [0, 1, 0], [-np.sin(across), 0, np.cos(across)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(up), -np.sin(up)], [0, np.sin(up), np.cos(up)]])
    return (points - middle) @ (about_x @ about_y).T + [0, 0, np.linalg.norm(middle)]


def _paint(canvas: np.ndarray, places: np.ndarray, colors: np.ndarray, dot: int) -> None:
    """Paint squares at places (N, 2) as x, y, in order: a later one covers an earlier one in all of its pixels."""
    height, width = canvas.shape[:2]
    offsets = np.stack(np.meshgrid(np.arange(dot), np.arange(dot)), axis=-1).reshape(-1, 2) - dot // 2
    pixels = (places[:, None] + offsets).reshape(-1, 2)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    flat = pixels[inside, 1] * width + pixels[inside, 0]
    painters = np.repeat(np.arange(len(places)), len(offsets))[inside]
    # The last painter of each pixel: numpy keeps the last of several values for one index.
    last = np.full(height * width, -1)
    last[flat] = painters
    painted = last >= 0
    canvas.reshape(-1, 3)[painted] = colors[last[painted]]
