# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Drawing: panels in a row or a table, depth in colours with a scale bar in metres. Pixels in, PNG bytes out."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from ..depth_files import stretch
from ..label_maps import resize_nearest
from ..shown_text import plot_text
from .color_maps import color_values
from .figures import drawing, encode_png, make_figure, render_figure

DEPTH_COLORS = "Spectral"  # near = red, far = blue
DPI = 144
LONGEST_TEXT = 400  # characters: enough for our own sentences and for any file name
MARGIN, GAP, TITLE_HEIGHT, BAR_WIDTH, BAR_ROOM = 0.2, 0.12, 0.3, 0.13, 0.72  # inches
HEADING_HEIGHT, HEADLINE_HEIGHT, NOTE_HEIGHT, LINE_HEIGHT = 0.45, 0.34, 0.24, 0.17  # inches of text
INK, PALE = "#22262b", "#6a727c"
STACKED_ASPECT = 2.0  # wider pictures, such as panoramas, are drawn one below the other
DRAWN_SIDE = 2048
"""Longest side in pixels of what is drawn: panels are smaller, and a large photo would take gigabytes."""


@dataclass(frozen=True)
class Panel:
    """One picture: (H, W, 3) uint8 pixels or (H, W) depth in metres, a title above and a note below."""

    pixels: np.ndarray
    title: str = ""
    note: str = ""
    depth_range: tuple[float, float] | None = None
    """Metres at the ends of the colours; set for depth."""


@dataclass(frozen=True)
class Row:
    """Panels side by side under a headline; its depth panels share one scale bar, right of the last of them.

    Args:
        leaves_bar_room: room for a scale bar also without one, so that the panel is as wide as those of other rows.
    """

    panels: Sequence[Panel]
    headline: str = ""
    leaves_bar_room: bool = False

    def aspects(self) -> list[float]:
        """Width over height of every panel; extreme shapes are shown smaller within their panel."""
        widest = 4.0 if len(self.panels) > 1 else 24.0
        return [min(max(aspect_of(panel), 0.3), widest) for panel in self.panels]

    def fixed_width(self) -> float:
        """Inches that margins, gaps and scale bar take."""
        has_bar = self.leaves_bar_room or any(panel.depth_range for panel in self.panels)
        return 2 * MARGIN + GAP * (len(self.panels) - 1) + (BAR_ROOM if has_bar else 0.0)

    def extra_height(self) -> float:
        """Inches above and below the panels."""
        titles = TITLE_HEIGHT if any(panel.title for panel in self.panels) else 0.0
        notes = NOTE_HEIGHT if any(panel.note for panel in self.panels) else 0.0
        return titles + notes + (HEADLINE_HEIGHT if self.headline else 0.0)


def aspect_of(panel: Panel) -> float:
    """Width over height of a panel's picture."""
    return panel.pixels.shape[1] / panel.pixels.shape[0]


def drawn_size(height: int, width: int) -> tuple[int, int]:
    """Size (height, width) at which something is drawn: its own, or scaled down to a longest side of DRAWN_SIDE."""
    scale = min(1.0, DRAWN_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink_photo(photo: np.ndarray) -> np.ndarray:
    """Photo (3, H, W) uint8 at the size it is drawn at, each pixel the mean of those it stands for."""
    height, width = drawn_size(*photo.shape[-2:])
    if (height, width) == photo.shape[-2:]:
        return photo
    channels = (PIL.Image.fromarray(channel).resize((width, height), PIL.Image.Resampling.BOX) for channel in photo)
    return np.stack([np.asarray(channel) for channel in channels])


def shrink_map(values: np.ndarray) -> np.ndarray:
    """Map (H, W) at the size it is drawn at; no two values are mixed."""
    size = drawn_size(*values.shape)
    return values if size == values.shape else resize_nearest(values, size)


def depth_limits(*depths: np.ndarray) -> tuple[float, float]:
    """Ends of a common colour scale (metres): least and greatest valid depth, at least 0.2 m apart."""
    lows, highs = [], []
    for depth in depths:
        known = np.isfinite(depth) & (depth > 0)
        if known.any():
            lows.append(float(np.min(depth, where=known, initial=np.inf)))
            highs.append(float(np.max(depth, where=known, initial=0)))
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    missing = max(0.2 - (high - low), 0.0)
    return max(low - missing / 2, 0.0), high + missing / 2


def draw_row(panels: Sequence[Panel], panel_height: float = 3.0, small_print: str = "") -> bytes:
    """PNG of panels side by side, each at its own aspect ratio; wide ones such as panoramas one below the other."""
    if len(panels) > 1 and min(map(aspect_of, panels)) > STACKED_ASPECT:
        has_bar = any(panel.depth_range for panel in panels)
        rows = [Row([panel], leaves_bar_room=has_bar) for panel in panels]
        return draw_page(rows, rows[0].fixed_width() + 4 * panel_height, small_print=small_print)
    row = Row(panels)
    return draw_page([row], row.fixed_width() + panel_height * sum(row.aspects()), small_print=small_print)


def draw_depth(photo: np.ndarray, depth: np.ndarray) -> bytes:
    """PNG with a photo (3, H, W) beside its depth (H, W), and the scale bar in metres; large ones are scaled down."""
    limits = depth_limits(depth)
    return draw_row(
        [
            Panel(np.moveaxis(shrink_photo(photo), 0, -1), "Photo"),
            Panel(shrink_map(depth), "Predicted depth", depth_range=limits),
        ]
    )


def draw_relative_depth(photo: np.ndarray, inverse_depth: np.ndarray) -> bytes:
    """PNG with a photo (3, H, W) beside its relative inverse depth (H, W), from near to far without a scale."""
    return draw_row(
        [
            Panel(np.moveaxis(shrink_photo(photo), 0, -1), "Photo"),
            Panel(color_relative_depth(shrink_map(inverse_depth)), "Relative depth: red is near, blue is far"),
        ]
    )


def color_relative_depth(inverse_depth: np.ndarray) -> np.ndarray:
    """Relative inverse depth (H, W) -> (H, W, 3) uint8, in the colours of metric depth."""
    return color_values(1 - stretch(inverse_depth), (0.0, 1.0), DEPTH_COLORS)


def draw_page(rows: Sequence[Row], page_width: float, heading: str = "", small_print: str = "") -> bytes:
    """PNG of rows of panels, each row scaled to be page_width inches wide, under a heading, above small print.

    Raises:
        ValueError: matplotlib is not installed.
    """
    lines = textwrap.wrap(small_print, int((page_width - 2 * MARGIN) * 15)) if small_print else []
    panel_heights = [(page_width - row.fixed_width()) / sum(row.aspects()) for row in rows]
    row_heights = [height + row.extra_height() for height, row in zip(panel_heights, rows, strict=True)]
    head_room, foot_room = HEADING_HEIGHT if heading else 0.0, LINE_HEIGHT * len(lines) + (0.1 if lines else 0.0)
    page_height = 2 * MARGIN + head_room + sum(row_heights) + GAP * (len(rows) - 1) + foot_room
    size = (page_width, page_height)
    with drawing:
        figure = make_figure(figsize=size, dpi=DPI, facecolor="white")
        page = _Page(figure, *size)
        top = page_height - MARGIN
        if heading:
            page.write(MARGIN, top - 0.24, heading, 15, weight="bold")
            top -= head_room
        for row, panel_height, row_height in zip(rows, panel_heights, row_heights, strict=True):
            _draw_panels(page, row, top, panel_height)
            top -= row_height + GAP
        for line, text in enumerate(lines):
            page.write(MARGIN, MARGIN + LINE_HEIGHT * (len(lines) - 1 - line), text, 7.5, PALE)
        pixels = render_figure(figure)
    return encode_png(pixels, DPI)


@dataclass(frozen=True)
class _Page:
    """A matplotlib figure measured in inches from its lower left corner."""

    figure: Any
    width: float
    height: float

    def write(self, x: float, y: float, text: str, size: float, color: str = INK, **options: Any) -> None:
        where = (x / self.width, y / self.height)
        self.figure.text(*where, plot_text(text, LONGEST_TEXT), fontsize=size, color=color, va="baseline", **options)

    def add_axes(self, x: float, y: float, width: float, height: float) -> Any:
        axes = self.figure.add_axes((x / self.width, y / self.height, width / self.width, height / self.height))
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes


def _draw_panels(page: _Page, row: Row, top: float, panel_height: float) -> None:
    if row.headline:
        page.write(MARGIN, top - 0.23, row.headline, 10.5, weight="bold")
        top -= HEADLINE_HEIGHT
    if any(panel.title for panel in row.panels):
        top -= TITLE_HEIGHT
    last_depth = max((index for index, panel in enumerate(row.panels) if panel.depth_range), default=None)
    x = MARGIN
    for index, (panel, aspect) in enumerate(zip(row.panels, row.aspects(), strict=True)):
        width = aspect * panel_height
        page.write(x, top + 0.09, panel.title, 9.5)
        page.write(x, top - panel_height - 0.16, panel.note, 7.5, PALE)
        _draw_panel(page.add_axes(x, top - panel_height, width, panel_height), panel)
        x += width + GAP
        if index == last_depth and panel.depth_range:
            draw_scale_bar(page.add_axes(x - 0.02, top - panel_height, BAR_WIDTH, panel_height), panel.depth_range)
            x += BAR_ROOM


def _draw_panel(axes: Any, panel: Panel) -> None:
    axes.set_anchor("NW")
    if panel.depth_range is None:
        axes.imshow(panel.pixels, interpolation="antialiased")
        return
    low, high = panel.depth_range
    depth = np.ma.masked_where(~(np.isfinite(panel.pixels) & (panel.pixels > 0)), panel.pixels)
    axes.set_facecolor("#d5d8dc")  # no depth known here
    axes.imshow(depth, cmap=DEPTH_COLORS, vmin=low, vmax=high, interpolation="antialiased")


def draw_scale_bar(axes: Any, depth_range: tuple[float, float]) -> None:
    """Fill axes with the colours of depth, from near below to far above, and metres at their right."""
    from matplotlib.ticker import MaxNLocator

    low, high = depth_range
    ramp = np.linspace(low, high, 256)[:, None]
    # Far at the top, as it mostly is in a photo.
    axes.imshow(ramp, cmap=DEPTH_COLORS, aspect="auto", origin="lower", extent=(0, 1, low, high))
    axes.yaxis.tick_right()
    height = axes.get_position().height * axes.figure.get_figheight()
    axes.yaxis.set_major_locator(MaxNLocator(min(6, max(1, int(height / 0.2)))))
    axes.tick_params(labelsize=8, colors=INK, length=2.5, pad=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} m")
