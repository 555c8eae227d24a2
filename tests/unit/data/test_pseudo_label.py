# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Labels of a teacher: where both views of a photograph agree, from folders and shards, in sets that can be trained on."""

import io
import json
import runpy
import tarfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from tests.tiny_models import randomize_weights, tiny_config

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "pseudo_label.py"))
ARGUMENTS = {"output_dir": "", "dataset": ""}


@pytest.fixture(scope="module")
def teachers(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("teachers")
    for kind in ("metric", "relative"):
        model = randomize_weights(PixioForDepthEstimation(tiny_config(depth_estimation_type=kind)))
        with torch.no_grad():
            model.head.output_layer.bias.fill_(0.5)
        model.save_pretrained(root / kind)
        PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(root / kind)
    return {kind: str(root / kind) for kind in ("metric", "relative")}


def write_photos(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(count):
        pixels = generator.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).resize((90, 60)).save(folder / f"{number}.jpg")
    return folder


def label(folder: Path, dataset: Path, teacher: str, **options) -> None:
    SCRIPT["main"](
        SCRIPT["LabellingArguments"](
            output_dir=str(folder), dataset=str(dataset), model=teacher, image_size=32, **options
        )
    )


def test_labels_are_the_mean_of_both_views_where_they_agree():
    args = SCRIPT["LabellingArguments"](**ARGUMENTS)
    plain = np.array([[2.0, 4.0, 3.0, 0.05]])
    mirrored = np.array([[2.0, 2.0, 3.12, 0.05]])
    depth = SCRIPT["merge_views"](plain, mirrored, "metric", args)
    assert depth.dtype == np.uint16
    assert depth.tolist() == [[2000, 0, round(1000 * (3 * 3.12) ** 0.5), 0]]
    inverse = SCRIPT["merge_views"](np.array([[0.0, 4.0, 3.0]]), np.array([[0.0, 4.4, 1.0]]), "relative", args)
    assert inverse.tolist() == [[1, 65535, 0]]  # the sky is infinitely far, and has a label


@pytest.mark.parametrize("kind", ["metric", "relative"])
def test_a_folder_is_labelled_once_and_can_be_trained_on(teachers, tmp_path, capsys, kind):
    photos = write_photos(tmp_path / "photos")
    (photos / "broken.jpg").write_bytes(b"no photograph")
    options = {"val_share": 0.4, "max_disagreement": 5.0, "shard_size": 4, "batch_size": 3}
    label(tmp_path / "out", photos, teachers[kind], **options)
    printed = capsys.readouterr().out
    assert "Labelled 6 photographs" in printed
    assert "1 could not be read" in printed
    assert "broken.jpg" in printed
    reports = sorted((tmp_path / "out" / "reports").iterdir())
    assert len(reports) == 2
    assert sum(len(json.loads(path.read_text())["damaged"]) for path in reports) == 1
    relative = kind == "relative"
    scale = None if relative else 0.001
    items = [
        item
        for split in ("train", "val")
        for item in open_depth_dataset(tmp_path / "out", split, depth_scale=scale, relative=relative)
    ]
    assert len(items) == 6
    assert {item["image"].size for item in items} == {(48, 32)}
    # The label is what the model sees in the photograph and in its mirror image.
    model = PixioForDepthEstimation.from_pretrained(teachers[kind]).eval()
    processor = PixioImageProcessor.from_pretrained(teachers[kind])
    with torch.no_grad():
        views = (items[0]["image"], items[0]["image"].transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT))
        plain, mirrored = (model(**processor(view, return_tensors="pt")).predicted_depth for view in views)
    expected = (plain + mirrored.flip(-1)) / 2
    expected = torch.nn.functional.interpolate(expected[None], (32, 48), mode="bilinear")[0, 0].numpy()
    ours = 1 / items[0]["depth"] if relative else items[0]["depth"]
    assert np.corrcoef(ours[ours > 0], expected[ours > 0])[0, 1] > 0.9

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    reports[1].unlink()  # as if stopped before the second shard was finished
    label(tmp_path / "out", photos, teachers[kind], **options)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    assert before.keys() == after.keys()
    assert {path.stem[-1] for path in before if before[path] != after[path]} == {"1"}
    with pytest.raises(ValueError, match="holds another run"):
        label(tmp_path / "out", photos, teachers[kind], **{**options, "val_share": 0.1})


def test_shards(teachers, tmp_path):
    photos = write_photos(tmp_path / "photos", 3)
    (tmp_path / "shards").mkdir()
    for shard in range(2):
        with tarfile.open(tmp_path / "shards" / f"{shard}.tar", "w") as archive:
            for path in sorted(photos.iterdir()):
                content = path.read_bytes()
                member = tarfile.TarInfo(f"{shard}-{path.name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    label(tmp_path / "out", tmp_path / "shards", teachers["relative"], val_share=0.0)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.parquet")) == [
        "train-00000.parquet",
        "train-00001.parquet",
    ]
    assert len(open_depth_dataset(tmp_path / "out", "train", relative=True)) == 6


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="neither images"):
        label(tmp_path / "out", tmp_path, "pixio-tiny-depth")
    photos = write_photos(tmp_path / "photos", 1)
    with pytest.raises(ValueError, match="teacher"):
        label(tmp_path / "out", photos, "pixio-tiny-depth", onnx="nowhere.onnx")
    with pytest.raises(ValueError, match="--predicts must be"):
        label(tmp_path / "out", photos, "pixio-tiny-depth", predicts="metres")
    (photos / "0.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="no photograph that can be read"):
        label(tmp_path / "out", photos, "pixio-tiny-depth")
