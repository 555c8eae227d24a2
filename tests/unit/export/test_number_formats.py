# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers of exports in fewer bits, of the bundled trained depth model, and of one of B/16's size in float32."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.bundled import ASSETS
from pixio_hf.export import PixioExportedModel, export_model

pytest.importorskip("onnxruntime", reason="the export extra is not installed")
openvino = pytest.importorskip("openvino", reason="the export extra is not installed")
pytest.importorskip("nncf", reason="the export extra is not installed")
pytestmark = pytest.mark.slow

PHOTOS = ASSETS / "photos"


@pytest.mark.parametrize(
    ("format", "dtype", "limit"),
    [
        ("onnx", "float16", 0.005),
        ("onnx", "int8", 0.03),
        ("openvino", "float16", 0.005),
        ("openvino", "bfloat16", 0.05),
        ("openvino", "int8", 0.03),
        ("openvino", "int8-weights", 0.05),
        ("torch", "float16", 0.005),
        ("torch", "bfloat16", 0.05),
    ],
)
def test_depth_of_a_trained_model(tmp_path: Path, format: str, dtype: str, limit: float) -> None:
    """On photographs one by one, as a batch and at another size, and on a mirrored one that nothing was fitted to."""
    target = tmp_path / "made"
    record = export_model(
        "pixio-tiny-depth", target, format=format, dtype=dtype, calibration=PHOTOS, max_difference=limit
    )
    difference = record["verification"]["differences"]["predicted_depth"]
    assert difference["mean"] <= limit * difference["size"]
    photo = Image.open(PHOTOS / "cat.jpg").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    images = PixioImageProcessor.from_pretrained(target)(photo, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        model = PixioForDepthEstimation.from_pretrained("pixio-tiny-depth", dtype=torch.float32).eval()
        expected = model(images).predicted_depth
    actual = PixioExportedModel.from_pretrained(target)(images).predicted_depth
    assert (actual - expected).abs().mean() <= limit * expected.mean()


def test_convolutions_without_bias_keep_their_size() -> None:
    """A bias is added where there is none, and nowhere else; results stay."""
    from openvino import opset13

    from pixio_hf.export.openvino_format import add_missing_biases

    weights = np.ones((4, 3, 3, 3), np.float32)
    image = opset13.parameter([1, 3, 8, 8], np.float32)
    first = opset13.convolution(image, opset13.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
    biased = opset13.add(first, opset13.constant(np.full((1, 4, 1, 1), 2, np.float32)))
    bare = opset13.convolution(
        opset13.relu(biased), opset13.constant(np.ones((4, 4, 1, 1), np.float32)), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    model = openvino.Model([opset13.relu(bare)], [image])
    pixels = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    before = openvino.Core().compile_model(model, "CPU")(pixels)[0]
    add_missing_biases(model)
    assert sum(node.get_type_name() == "Add" for node in model.get_ordered_ops()) == 2
    np.testing.assert_allclose(openvino.Core().compile_model(model, "CPU")(pixels)[0], before, atol=1e-3, rtol=1e-4)


@pytest.fixture(scope="module")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """B/16 with the DPT head in its default sizes, random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base") / "model"
    PixioForDepthEstimation(PixioConfig.preset("pixio-b16")).save_pretrained(folder)
    return folder


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_depth_at_full_size(base_folder: Path, tmp_path: Path, format: str) -> None:
    export_model(base_folder, tmp_path / "made", format=format)
    exported = PixioExportedModel.from_pretrained(tmp_path / "made")
    model = PixioForDepthEstimation.from_pretrained(base_folder).eval()
    for batch_size, height, width in ((1, 256, 256), (3, 64, 96)):
        images = torch.randn(batch_size, 3, height, width)
        with torch.no_grad():
            expected = model(images).predicted_depth
        torch.testing.assert_close(exported(images).predicted_depth, expected, rtol=1e-3, atol=1e-3)
