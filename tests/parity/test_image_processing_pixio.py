# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Normalised photos and metric depth labels of both backends against the original's NYUv2 and KITTI loading."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixio_hf.image_processing_pil_pixio import PixioImageProcessorPil
from pixio_hf.image_processing_pixio import PixioImageProcessor
from tests.golden import GOLDEN_DIR, load_case

pytestmark = pytest.mark.parity

# Metres per unit, crop (rows, columns) and a size divisor that the cropped sides meet (docs/specification.md 5.8).
DATA_SETS = {
    "data_nyuv2": (1 / 1000, (slice(45, 471), slice(41, 601)), 2),
    "data_kitti": (1 / 256, (slice(None), slice(None)), 16),
}


@pytest.mark.parametrize("processor_class", [PixioImageProcessor, PixioImageProcessorPil])
@pytest.mark.parametrize("name", list(DATA_SETS))
def test_pixels_and_depth_equal_the_original(name: str, processor_class: Any) -> None:
    case = load_case(name)
    depth_scale, crop, size_divisor = DATA_SETS[name]
    photo = np.asarray(Image.open(GOLDEN_DIR / case.values["rgb_file"]))[crop]
    depth = np.asarray(Image.open(GOLDEN_DIR / case.values["depth_file"]))[crop]
    processor = processor_class(do_resize=False, size_divisor=size_divisor, depth_scale=depth_scale)
    batch = processor(photo, depth_maps=depth, return_tensors="np")
    pixels, labels = batch.pixel_values[0], batch.labels[0]
    assert list(pixels.shape) == case.values["image_shape"]
    assert list(labels.shape) == case.values["depth_shape"]
    np.testing.assert_allclose(pixels.mean((1, 2), np.float64), case.values["image_mean_per_channel"], atol=1e-5)
    np.testing.assert_allclose(
        pixels.std((1, 2), np.float64), case.values["image_std_per_channel_population"], atol=1e-5
    )
    np.testing.assert_allclose(labels.sum(dtype=np.float64), case.values["depth_sum"], rtol=1e-6)
    assert int((labels > 0).sum()) == case.values["valid_count"]
    for probe in case.values["probes"]:
        row, column = probe["row"], probe["col"]
        np.testing.assert_allclose(pixels[:, row, column], probe["image"], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(labels[row, column], probe["depth"], atol=1e-6, rtol=1e-6)
