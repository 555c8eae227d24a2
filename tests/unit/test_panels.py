# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pages of pictures of every shape: nothing is cut, nothing is lost in white."""

import io

import numpy as np
import PIL.Image
import pytest

from pixio_hf.visualization.panels import Panel, color_relative_depth, draw_relative_depth, draw_row

PHOTO_COLOR = (10, 200, 30)


def draw(height: int, width: int) -> np.ndarray:
    """Page (H, W, 3) with a photo of one colour and a depth that grows to the right."""
    photo = np.full((height, width, 3), PHOTO_COLOR, np.uint8)
    depth = np.tile(np.linspace(1, 3, width, dtype=np.float32), (height, 1))
    page = draw_row([Panel(photo, "Photo"), Panel(depth, "Depth", depth_range=(1, 3))])
    return np.asarray(PIL.Image.open(io.BytesIO(page)).convert("RGB"))


def box_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that a mask spans."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


@pytest.mark.parametrize(
    ("height", "width", "is_stacked"),
    [(300, 400, False), (400, 300, False), (200, 400, False), (200, 450, True), (100, 1000, True), (60, 1200, True),
     (1000, 100, False)],
)  # fmt: skip
def test_wide_photos_lie_one_below_the_other(height, width, is_stacked):
    page = draw(height, width)
    rows, columns = box_of(np.abs(page.astype(int) - PHOTO_COLOR).max(axis=-1) < 3)
    shown = (rows.stop - rows.start, columns.stop - columns.start)
    assert shown[1] / shown[0] == pytest.approx(width / height, rel=0.03)
    # The depth's red end: right of the photo or below it, and as large.
    red = (page[..., 0] > 140) & (page[..., 1] < 30) & (page[..., 2] < 90)
    below, right = red[rows.stop + 5 :, columns].any(), red[rows, columns.stop + 5 : -150].any()
    assert (below, right) == ((True, False) if is_stacked else (False, True))
    if is_stacked:  # no empty half of a page
        inked = (page < 240).any(axis=-1)
        assert inked[:, columns].any(axis=1).mean() > 0.6
        assert shown[1] > 0.85 * page.shape[1]


def test_relative_depth_has_the_colours_of_metric_depth():
    inverse = np.array([[0.0, 1.0], [2.0, np.nan]])
    colors = color_relative_depth(inverse)
    assert colors.shape == (2, 2, 3)
    assert colors[1, 0, 0] > colors[1, 0, 2]  # the nearest is red
    assert colors[0, 0, 2] > colors[0, 0, 0]  # the farthest is blue
    photo = np.zeros((3, 40, 60), dtype=np.uint8)
    with PIL.Image.open(io.BytesIO(draw_relative_depth(photo, np.zeros((40, 60))))) as picture:
        assert picture.width > 400
