# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth files: millimetres for metres only; relative depth under names of its own."""

import numpy as np
import PIL.Image

from pixio_hf import PixioConfig
from pixio_hf.depth_files import choose_storage, stretch


def test_only_metres_become_millimetres(tmp_path):
    storage = choose_storage(PixioConfig())
    assert storage.suffix == "_depth"
    storage.write_png(tmp_path / "a.png", np.array([[1.5, 100.0]], dtype=np.float32))
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image).tolist() == [[1500, 0]]
    assert "beyond 65.535 m" in storage.describe_lost(np.array([[1.5, 100.0]]))


def test_relative_depth_is_stretched_and_says_so(tmp_path):
    storage = choose_storage(PixioConfig(depth_estimation_type="relative"))
    assert storage.suffix == "_relative_depth"
    assert "no metres" in storage.png_holds
    values = np.array([[2.0, 7.0, 4.0], [np.nan, np.inf, 2.0]], dtype=np.float32)
    storage.write_png(tmp_path / "a.png", values)
    with PIL.Image.open(tmp_path / "a.png") as image:
        assert image.mode.startswith("I;16")
        assert np.asarray(image).tolist() == [[0, 65535, 26214], [0, 0, 0]]
    assert "2 of 6 pixels" in storage.describe_lost(values)
    assert storage.describe_lost(values[:1]) == ""


def test_maps_without_a_range():
    assert stretch(np.full((2, 2), 3.0)).tolist() == [[0, 0], [0, 0]]
    assert stretch(np.full((2, 2), np.nan)).tolist() == [[0, 0], [0, 0]]
