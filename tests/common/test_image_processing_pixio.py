# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""transformers' own image processor tests for both backends; needs its `tests` package on sys.path.

transformers reads its test photos from the network through a script that its source distribution lacks. Where that
script is missing, one deterministic picture takes the place of them all.
"""

import importlib.util
import sys
import tempfile
import types
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

from pixio_hf import PixioImageProcessor, PixioImageProcessorPil

PHOTO_FOLDER = tempfile.TemporaryDirectory()


def write_test_photo(url: str) -> str:
    """Path of a 480 x 640 photo-like PNG, whatever the address."""
    path = Path(PHOTO_FOLDER.name) / "photo.png"
    if not path.exists():
        coarse = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(path)
    return str(path)


if importlib.util.find_spec("fetch_hub_objects_for_ci") is None:
    module = types.ModuleType("fetch_hub_objects_for_ci")
    module.url_to_local_path = write_test_photo  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["fetch_hub_objects_for_ci"] = module

from tests.test_image_processing_common import (  # noqa: E402
    ImageProcessingTester,
    ImageProcessingTestMixin,
    PostProcessSemanticSegmentationTestMixin,
)


class PixioImageProcessingTester(ImageProcessingTester):
    """Small sizes, both of this package's classes instead of those transformers has for the model type."""

    def __init__(self, parent, **kwargs):
        kwargs.setdefault("size", {"height": 32, "width": 48})
        kwargs.setdefault("image_mean", [0.5, 0.4, 0.3])
        kwargs.setdefault("image_std", [0.5, 0.5, 0.5])
        kwargs.setdefault("do_mask", True)
        kwargs.setdefault("mask_ratio", 0.5)
        kwargs.setdefault("mask_grid_size", 1)
        kwargs.setdefault("mask_seed", 3)
        kwargs.setdefault("num_labels", 5)
        super().__init__(parent, **kwargs)

    def _get_image_processing_classes(self):
        return {"torchvision": PixioImageProcessor, "pil": PixioImageProcessorPil}


class PixioImageProcessingTest(ImageProcessingTestMixin, PostProcessSemanticSegmentationTestMixin, unittest.TestCase):
    image_processor_tester_class = PixioImageProcessingTester
    test_cast_dtype = True
    # On the noise these tests feed, PIL and torchvision clip differently between their two resampling passes: single
    # pixels differ by 8 grey levels and more, in transformers' own processors as here. The mean is held to theirs.
    backend_equivalence_atol = 0.2

    def test_pil_can_run_without_torchvision(self):
        self.skipTest("its script knows only transformers' classes; tests/unit tests the same with ours imported")
