# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Tiny models of random weights and a photo, for the tests of commands."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioForPreTraining, PixioImageProcessor

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "image_size": 64,
    "decoder_hidden_size": 16,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "neck_hidden_sizes": [8, 8, 8, 8],
    "fusion_hidden_size": 8,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[str, str]:
    """Folders of a depth, a pre-training and a far-sighted depth model."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    config = PixioConfig.preset("pixio-tiny", **TINY)
    PixioForDepthEstimation(config).save_pretrained(folder / "depth")
    PixioForPreTraining(config).save_pretrained(folder / "pretraining")
    far = PixioConfig.preset("pixio-tiny", **{**TINY, "max_depth": 1000.0})
    PixioForDepthEstimation(far).save_pretrained(folder / "far")
    processor = PixioImageProcessor(size={"height": 64, "width": 64}, keep_aspect_ratio=True)
    processor.save_pretrained(folder / "depth")
    return {path.name: str(path) for path in folder.iterdir()}


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    PIL.Image.fromarray(pixels).save(path)
    return path
