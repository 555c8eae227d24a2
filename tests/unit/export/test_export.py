"""Exports of tiny models: torch's numbers in every runtime, for other batches and sizes, in pipeline and command."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.tiny_models import random_images, randomize_weights, tiny_config, tiny_view_config
from transformers import pipeline
from typer.testing import CliRunner

from pixio_hf import (
    PixioBackbone,
    PixioForDepthEstimation,
    PixioForImageClassification,
    PixioForReconstruction,
    PixioForSemanticSegmentation,
    PixioImageProcessor,
    bundled_checkpoint,
)
from pixio_hf.export import PixioExportedModel, export_model
from pixio_hf_cli import app

pytest.importorskip("onnxruntime", reason="the export extra is not installed")
pytest.importorskip("openvino", reason="the export extra is not installed")
pytestmark = pytest.mark.slow


def save(folder: Path, model) -> Path:
    randomize_weights(model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def depth_folder(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("depth") / "model", PixioForDepthEstimation(tiny_config()))


@pytest.fixture(scope="module")
def exported(tmp_path_factory, depth_folder: Path) -> Path:
    target = tmp_path_factory.mktemp("exported") / "depth"
    export_model(depth_folder, target, format="openvino")
    return target


def test_batches_and_sizes_stay_open(depth_folder: Path, exported: Path) -> None:
    ours, theirs = (
        PixioForDepthEstimation.from_pretrained(depth_folder).eval(),
        PixioExportedModel.from_pretrained(exported),
    )
    for batch_size, height, width in ((1, 64, 64), (3, 48, 96)):
        images = random_images(batch_size, height, width)
        with torch.no_grad():
            expected = ours(images).predicted_depth
        output = theirs(images)
        assert type(output).__name__ == "DepthEstimatorOutput"
        torch.testing.assert_close(output.predicted_depth, expected, rtol=1e-4, atol=1e-4)


def test_windows_are_averaged_as_in_torch(depth_folder: Path, exported: Path) -> None:
    ours, theirs = (
        PixioForDepthEstimation.from_pretrained(depth_folder).eval(),
        PixioExportedModel.from_pretrained(exported),
    )
    ours.config.window_size = theirs.config.window_size = 64
    images = random_images(1, 80, 100)
    with torch.no_grad():
        torch.testing.assert_close(theirs(images).predicted_depth, ours(images).predicted_depth, rtol=1e-4, atol=1e-4)


def test_the_depth_pipeline_takes_it(depth_folder: Path, exported: Path) -> None:
    processor = PixioImageProcessor.from_pretrained(exported)
    photo = Image.open(Path(bundled_checkpoint("pixio-tiny")).parent / "photos" / "cat.jpg")
    theirs = pipeline(
        "depth-estimation", model=PixioExportedModel.from_pretrained(exported), image_processor=processor, device="cpu"
    )
    ours = pipeline("depth-estimation", model=str(depth_folder), image_processor=processor, device="cpu")
    torch.testing.assert_close(theirs(photo)["predicted_depth"], ours(photo)["predicted_depth"], rtol=1e-4, atol=1e-4)


def test_the_command_takes_it(exported: Path, tmp_path: Path) -> None:
    photo = Path(bundled_checkpoint("pixio-tiny")).parent / "photos" / "cat.jpg"
    result = CliRunner().invoke(app, ["depth", str(photo), "--out", str(tmp_path / "out"), "--model", str(exported)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "cat_depth.png").is_file()
    refused = CliRunner().invoke(
        app, ["depth", str(photo), "--out", str(tmp_path / "out2"), "--model", str(exported), "--dtype", "bfloat16"]
    )
    assert refused.exit_code == 2


@pytest.mark.parametrize("format", ["openvino", "onnx", "torch"])
def test_threads_do_not_disturb_each_other(depth_folder: Path, exported: Path, tmp_path: Path, format: str) -> None:
    if format != "openvino":
        export_model(depth_folder, tmp_path / "made", format=format)
        exported = tmp_path / "made"
    model = PixioExportedModel.from_pretrained(exported)
    batches = [random_images(2, 64, 64, seed=seed) for seed in range(12)]
    expected = [model(batch).predicted_depth for batch in batches]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda batch: model(batch).predicted_depth, batches))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_shapes_that_it_cannot_take_are_refused(exported: Path) -> None:
    model = PixioExportedModel.from_pretrained(exported)
    with pytest.raises(ValueError, match="multiples of 16, from 48 pixels on"):
        model(random_images(1, 64, 60))
    with pytest.raises(ValueError, match="shape"):
        model(random_images(1, 64, 64)[0])
    with pytest.raises(ValueError, match="pixel_values only, not labels"):
        model(random_images(1, 64, 64), labels=torch.zeros(1, 64, 64))


def test_a_failed_verification_leaves_no_folder(depth_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="differs from torch"):
        export_model(depth_folder, tmp_path / "made", format="torch", dtype="bfloat16", max_difference=1e-9)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("format", "dtype"), [("onnx", "float32"), ("onnx", "int8"), ("openvino", "int8-weights")])
def test_formats_and_number_formats(depth_folder: Path, tmp_path: Path, format: str, dtype: str) -> None:
    photos = Path(bundled_checkpoint("pixio-tiny")).parent / "photos"
    record = export_model(
        depth_folder, tmp_path / "made", format=format, dtype=dtype, calibration=photos, max_difference=0.5
    )
    assert record["dtype"] == dtype
    assert json.loads((tmp_path / "made" / "pixio_export.json").read_text()) == json.loads(json.dumps(record))
    output = PixioExportedModel.from_pretrained(tmp_path / "made", num_threads=1)(random_images(2, 64, 80))
    assert output.predicted_depth.shape == (2, 64, 80)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        (PixioBackbone(tiny_config(out_indices=[1, 3])), "feature_maps"),
        (PixioForSemanticSegmentation(tiny_config(num_labels=5, head_type="linear")), "logits"),
        (PixioForImageClassification(tiny_config(num_labels=5)), "logits"),
        (PixioForReconstruction(tiny_view_config()), "pointmaps"),
    ],
)
def test_other_tasks(tmp_path: Path, model, field: str) -> None:
    save(tmp_path / "model", model)
    export_model(tmp_path / "model", tmp_path / "made", format="torch")
    images = random_images(2, 64, 64)
    images = images[:, None].expand(-1, 2, -1, -1, -1) if field == "pointmaps" else images
    theirs = PixioExportedModel.from_pretrained(tmp_path / "made")(images)
    with torch.no_grad():
        expected = model(images)
    torch.testing.assert_close(getattr(theirs, field), getattr(expected, field), rtol=1e-4, atol=1e-4)
