# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The page and the sheets of the demo, from results that are made up."""

import io
import re

import numpy as np
import PIL.Image
import pytest

from pixio_hf.visualization.demo_page import render_demo_page
from pixio_hf.visualization.demo_sheet import (
    DemoSample,
    cut_square,
    draw_overview,
    pad_square,
    picture_files,
    put_typical_first,
)
from pixio_hf.visualization.reconstruction import Reconstruction

GREY = np.full((8, 8, 3), 128, np.uint8)


def make_sample(name: str, abs_rel: float | None = None, height: int = 20, width: int = 30) -> DemoSample:
    depth = np.linspace(1, 3, height * width, dtype=np.float32).reshape(height, width)
    picture = np.zeros((height, width, 3), np.uint8)
    return DemoSample(
        name=name,
        label=f"<{name}>",
        photo=np.moveaxis(picture, -1, 0),
        true_depth=None if abs_rel is None else depth,
        depth=depth,
        reconstruction=Reconstruction(GREY, GREY, GREY, 0.5, 0.75),
        features=picture,
        points=picture,
        metrics={} if abs_rel is None else {"delta1": 1.0, "abs_rel": abs_rel, "rmse": 0.1},
    )


def test_the_first_room_is_the_typical_one():
    samples = [make_sample("bad", 0.3), make_sample("middle", 0.2), make_sample("good", 0.19), make_sample("photo")]
    ordered = [sample.name for sample in put_typical_first(samples)]
    assert ordered == ["middle", "good", "bad", "photo"]
    assert [sample.name for sample in put_typical_first([samples[3]])] == ["photo"]


def test_each_picture_is_shown_once_and_nothing_comes_from_elsewhere():
    samples = [make_sample("room", 0.1), make_sample("cat")]
    page = render_demo_page(samples, "on this 1 room", "one", "<two>", 10.0)
    shown = re.findall(r'<img[^>]* src="([^"]+)"', page)
    written = [f"pictures/{sample.name}_{ending}" for sample in samples for ending in picture_files(sample, 10.0)]
    assert sorted(shown) == sorted(written)
    assert len(shown) == len(set(shown)) == 13
    assert not re.findall(r"https?://|<script src|<link", page)
    assert "&lt;two&gt;" in page
    assert "<two>" not in page
    assert "typical" not in page, "one room is the typical one of none"
    assert "typical" in render_demo_page([*samples, make_sample("other", 0.2)], "", "one", "two", 10.0)


def test_pictures_have_the_shape_of_the_photo():
    for ending, content in picture_files(make_sample("room", 0.1), 10.0).items():
        with PIL.Image.open(io.BytesIO(content)) as picture:
            assert picture.size == (30, 20), ending


def test_near_is_red_far_is_blue_unknown_is_grey():
    sample = make_sample("cat")
    sample.depth[0, 0] = 0
    with PIL.Image.open(io.BytesIO(picture_files(sample, 10.0)["depth_color.png"])) as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels[0, 1, 0] > pixels[0, 1, 2]
    assert pixels[-1, -1, 2] > pixels[-1, -1, 0]
    assert np.ptp(pixels[0, 0]) < 10


def test_overview_shows_squares_and_cuts_no_point():
    content = draw_overview([make_sample("room", 0.1), make_sample("tall", height=30, width=20)], 10.0)
    with PIL.Image.open(io.BytesIO(content)) as picture:
        assert picture.width == 13 * 144
    wide = np.zeros((20, 30, 3), np.uint8)
    assert cut_square(wide).shape == (20, 20, 3)
    padded = pad_square(wide)
    assert padded.shape == (30, 30, 3)
    assert (padded == 0).sum() == wide.size


def test_colours_without_matplotlib_name_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ValueError, match=r"pixio-hf\[demo\]"):
        picture_files(make_sample("cat"), 10.0)
