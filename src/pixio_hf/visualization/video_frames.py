# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Frames of videos: pictures side by side at one size, depth in colours of one scale. Fast, since there are thousands.

draw_video of pixio_hf.video_writing makes a video of them.
"""

from collections.abc import Sequence

import numpy as np
import PIL.Image

from .color_maps import color_values
from .figures import make_figure, render_figure
from .panels import DEPTH_COLORS, STACKED_ASPECT, draw_scale_bar

LARGEST = (1080, 1920)
"""Height and width that all panels together have at most, without the scale bar."""
SMALLEST_HEIGHT = 240  # smaller videos are drawn larger: the scale bar has to be read
GAP = 8
BAR_WIDTH = 84
_BAR_DPI = 108


def panel_size(photo: np.ndarray, num_panels: int) -> tuple[int, int]:
    """Height and width, even numbers, at which each of some panels of a frame (3, H, W) is drawn."""
    height, width = photo.shape[-2:]
    rows, columns = (num_panels, 1) if width > STACKED_ASPECT * height else (1, num_panels)
    room_height = (LARGEST[0] - GAP * (rows - 1)) / (height * rows)
    room_width = (LARGEST[1] - GAP * (columns - 1)) / (width * columns)
    scale = min(max(1.0, SMALLEST_HEIGHT / height), room_height, room_width)
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


def photo_panel(photo: np.ndarray) -> np.ndarray:
    """A frame (3, H, W) as a panel (H, W, 3)."""
    return np.moveaxis(photo, 0, -1)


def join_panels(pictures: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Pictures (h, w, 3) uint8, each scaled to (height, width), side by side; wide ones one below the other."""
    panels = [_scale(picture, height, width) for picture in pictures]
    axis = 0 if width > STACKED_ASPECT * height else 1
    gap = np.full((GAP, width, 3) if axis == 0 else (height, GAP, 3), 255, np.uint8)
    with_gaps = [part for panel in panels for part in (gap, panel)][1:]
    return np.concatenate(with_gaps, axis=axis)


class DepthFrames:
    """Draws frames beside their depth, all in the colours of one scale, with its bar in metres at the right.

    Args:
        depth_range: metres at the ends of the colours; what lies beyond has the colour of the end.
        photo: a frame (3, H, W), for its size.

    Raises:
        ValueError: matplotlib is not installed.
    """

    def __init__(self, depth_range: tuple[float, float], photo: np.ndarray) -> None:
        self.depth_range = depth_range
        self.size = panel_size(photo, 2)
        self._bar = draw_bar(depth_range, join_panels([np.zeros((1, 1, 3), np.uint8)] * 2, *self.size).shape[0])

    def draw(self, photo: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Picture (h, w, 3) uint8 of a frame (3, H, W) uint8 and its depth (H, W) in metres."""
        known = np.where(depth > 0, depth, np.nan)
        colors = color_values(known, self.depth_range, DEPTH_COLORS)
        panels = join_panels([photo_panel(photo), colors], *self.size)
        return np.concatenate((panels, self._bar), axis=1)


def draw_bar(depth_range: tuple[float, float], height: int) -> np.ndarray:
    """The scale bar with its metres: (height, BAR_WIDTH, 3) uint8."""
    figure = make_figure(figsize=(BAR_WIDTH / _BAR_DPI, height / _BAR_DPI), dpi=_BAR_DPI, facecolor="white")
    axes = figure.add_axes((0.14, 0.03, 0.17, 0.94))
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    draw_scale_bar(axes, depth_range)
    return _scale(render_figure(figure), height, BAR_WIDTH)  # rounding can make it a pixel smaller


def _scale(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    image = PIL.Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize((width, height), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0))
