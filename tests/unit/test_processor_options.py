# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options of the image processors that make no sense are refused by name, from a call and from a file alike."""

import json

import numpy as np
import pytest

from pixio_hf import PixioImageProcessor, PixioImageProcessorPil

PHOTO = np.zeros((32, 32, 3), np.uint8)
BAD = [
    ("size_divisor", {}, "whole number"),
    ("size_divisor", 0, "at least 1"),
    ("size_divisor", 10**9, "at most"),
    ("patch_size", "16", "whole number"),
    ("mask_grid_size", True, "whole number"),
    ("depth_scale", None, "above 0"),
    ("depth_scale", float("nan"), "above 0"),
    ("depth_scale", [1], "above 0"),
    ("rescale_factor", "x", "above 0"),
    ("image_mean", {"a": 1}, "one number per channel"),
    ("image_std", [1, "x", 1], "one number per channel"),
    ("do_resize", "yes", "True or False"),
    ("do_mask", [1], "True or False"),
]


@pytest.mark.parametrize("processor_class", [PixioImageProcessor, PixioImageProcessorPil])
@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_absurd_options(processor_class, name, value, message, tmp_path):
    processor = processor_class(size={"height": 32, "width": 32})
    with pytest.raises(ValueError, match=f"{name} must be .*{message}"):
        processor_class(size={"height": 32, "width": 32}, **{name: value})(PHOTO)
    processor.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**stored, name: value}))
    with pytest.raises(ValueError, match=f"{name} must be .*{message}"):
        processor_class.from_pretrained(tmp_path)(PHOTO)


@pytest.mark.parametrize("processor_class", [PixioImageProcessor, PixioImageProcessorPil])
def test_deep_file(processor_class, tmp_path):
    processor_class().save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"size": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ValueError, match="nested too deeply"):
        processor_class.from_pretrained(tmp_path)
