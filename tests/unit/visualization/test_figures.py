# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures: the same from several threads as from one, and what a file of them holds."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image

from pixio_hf.visualization.figures import encode_png
from pixio_hf.visualization.panels import draw_depth


def test_threads_draw_what_one_thread_draws():
    generator = np.random.default_rng(0)
    photos = generator.integers(0, 255, (6, 3, 40, 60), np.uint8)
    depths = [np.linspace(1, 2 + index, 2400, dtype=np.float32).reshape(40, 60) for index in range(6)]
    expected = [draw_depth(*each) for each in zip(photos, depths, strict=True)]
    assert len(set(expected)) == 6
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(draw_depth, photos, depths)) == expected


def test_a_png_holds_the_pixels_and_their_density():
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    image = PIL.Image.open(io.BytesIO(encode_png(pixels, 144)))
    np.testing.assert_array_equal(np.asarray(image), pixels)
    np.testing.assert_allclose(image.info["dpi"], 144, atol=0.02)
