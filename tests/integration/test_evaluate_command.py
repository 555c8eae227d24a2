# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate` on tiny models: files, pictures, protocols, and two processes against one."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

from pixio_hf import PixioForDepthEstimation, PixioForSemanticSegmentation, PixioImageProcessor, PixioModel
from pixio_hf.data.labelled.distance_classes import DISTANCE_CLASSES
from pixio_hf_cli import app
from tests.tiny_models import randomize_weights, tiny_config

FILES = {"results.json", "results.md", "per_image.csv"}
PICTURES = {"best.png", "median.png", "worst.png"}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, model in (
        ("depth", PixioForDepthEstimation(tiny_config())),
        ("segmentation", PixioForSemanticSegmentation(tiny_config(num_labels=3, window_size=64))),
        ("encoder", PixioModel(tiny_config())),
    ):
        randomize_weights(model).save_pretrained(folder / name)
        PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder / name)
    return folder


def evaluate(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def read_results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def write_pairs(folder: Path, labels: str, draw) -> Path:
    """images/ and a folder of labels, five pairs of two sizes."""
    generator = np.random.default_rng(0)
    for name in ("images", labels):
        (folder / name).mkdir(parents=True)
    for index, size in enumerate([(70, 100), (70, 100), (90, 80), (70, 100), (90, 80)]):
        pixels = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(folder / "images" / f"{index}.png")
        PIL.Image.fromarray(draw(generator, size)).save(folder / labels / f"{index}.png")
    return folder


def test_depth_of_synthetic_rooms(models, tmp_path):
    out, options = tmp_path / "out", ("--data", "synthetic-rooms", "--num-images", 7, "--num-pictures", 2)
    printed = evaluate("depth", "--model", models / "depth", *options, "--out", out)
    assert {path.name for path in out.iterdir()} == FILES | PICTURES
    report = read_results(out)
    assert report["metrics"]["num_images"] == 7
    assert f"delta1 {report['metrics']['delta1']:.3f}" in printed
    assert report["settings"]["images"] == "whole image, resized for the model"
    with open(out / "per_image.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([float(row["abs_rel"]) for row in rows]) == pytest.approx(report["metrics"]["abs_rel"])
    with PIL.Image.open(out / "worst.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 1000
    printed = evaluate("depth", "--model", models / "depth", *options, "--out", out, exit_code=2)
    assert "--overwrite" in printed


def test_depth_in_windows_with_flip_and_fewer_windows(models, tmp_path):
    def draw(generator, size):
        return generator.integers(500, 9000, size).astype(np.uint16)

    data = write_pairs(tmp_path / "data" / "val", "depth", draw).parent
    shared = ("depth", "--model", models / "depth", "--data", data, "--num-pictures", 0, "--depth-scale")
    reports = {}
    for name, options in {
        "plain": ("--window", 64),
        "flip": ("--window", 64, "--flip-test"),
        "tight": ("--window", 64, "--tight-windows"),
        "whole": ("--window", "none"),
    }.items():
        evaluate(*shared, 0.001, *options, "--out", tmp_path / name)
        reports[name] = read_results(tmp_path / name)
        assert reports[name]["metrics"]["num_images"] == 5
    assert len({report["metrics"]["rmse"] for report in reports.values()}) == 4
    described = reports["plain"]["settings"]
    assert "windows of 64, stride 42, zero padded" in described["images"]
    assert described["max_depth"] == 10.0
    # Taken as metres, every depth lies beyond the limit.
    assert "--depth-scale" in evaluate(*shared, 1.0, "--window", 64, "--out", tmp_path / "far", exit_code=2)
    assert not (tmp_path / "far").exists()
    assert "--window must be" in evaluate(*shared, 1.0, "--window", "x", "--out", tmp_path / "x", exit_code=2)


def test_segmentation_and_its_legend(models, tmp_path):
    data = write_pairs(tmp_path / "data" / "val", "masks", lambda g, size: g.choice(np.uint8([0, 1, 2, 255]), size))
    out = tmp_path / "out"
    evaluate("segmentation", "--model", models / "segmentation", "--data", data.parent, "--out", out)
    report = read_results(out)
    assert {path.name for path in out.iterdir()} == FILES | PICTURES
    assert report["metrics"]["mean_iou"] == pytest.approx(np.mean(report["metrics"]["iou_per_class"]))
    assert "windows of 64, stride 42" in report["settings"]["images"]
    assert "| LABEL_0 | " in (out / "results.md").read_text()


def test_segmentation_of_synthetic_rooms(models, tmp_path):
    """Bands of distance are the classes; a model that was trained on others cannot be judged by them."""
    config = tiny_config(num_labels=len(DISTANCE_CLASSES), id2label=dict(enumerate(DISTANCE_CLASSES)), window_size=64)
    model = tmp_path / "model"
    randomize_weights(PixioForSemanticSegmentation(config)).save_pretrained(model)
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(model)
    options = ("--data", "synthetic-rooms", "--num-images", 3, "--num-pictures", 1, "--out", tmp_path / "out")
    evaluate("segmentation", "--model", model, *options)
    report = read_results(tmp_path / "out")
    assert report["metrics"]["num_images"] == 3
    written = (tmp_path / "out" / "results.md").read_text()
    assert all(f"| {name} | " in written for name in DISTANCE_CLASSES)
    assert "None" not in written
    printed = evaluate("segmentation", "--model", models / "segmentation", *options, "--overwrite", exit_code=2)
    assert "below 2 m" in printed
    assert "LABEL_0" in printed


def test_knn_on_class_folders(models, tmp_path):
    generator = np.random.default_rng(0)
    for index in range(6):
        pixels = generator.integers(0, 256, (70, 90, 3), dtype=np.uint8)
        for split in ("train", "test"):
            folder = tmp_path / split / f"class_{index % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels).save(folder / f"{index}.png")
    folders = ("--train", tmp_path / "train", "--test", tmp_path / "test")
    shared = ("knn", "--model", models / "encoder", *folders)
    evaluate(*shared, "--k", 1, "--k", 6, "--out", tmp_path / "out")
    metrics = read_results(tmp_path / "out")["metrics"]
    assert (metrics["k1_top1"], metrics["num_images"], metrics["num_train_images"]) == (100.0, 6, 6)
    assert "--k 7 needs" in evaluate(*shared, "--k", 7, "--out", tmp_path / "more", exit_code=2)
    assert not (tmp_path / "more").exists()
    # Too few images for any k of the protocol: as many neighbours as a class has images.
    assert "k = 3: 6 training images" in evaluate(*shared, "--out", tmp_path / "small")
    assert read_results(tmp_path / "small")["metrics"]["k3_top5"] == 100.0


def test_names_of_all_kinds_do_not_stop_an_evaluation(models, tmp_path):
    data = write_pairs(tmp_path / "data" / "val", "depth", lambda g, size: g.integers(500, 9000, size, np.uint16))
    names = ["price $\\frac{a}{$", "a_$x^{2}$", "\u7167\u7247", "line\nbreak", "[a](b) c, d"]
    for index, name in enumerate(names):
        for kind in ("images", "depth"):
            (data / kind / f"{index}.png").rename(data / kind / f"{name}.png")
    options = ("--model", models / "depth", "--data", data.parent, "--depth-scale", 0.001, "--out", tmp_path / "out")
    assert "Warning" not in evaluate("depth", *options)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | PICTURES
    with open(tmp_path / "out" / "per_image.csv", newline="") as file:
        assert {Path(row["name"]).stem for row in csv.DictReader(file)} == set(names)


def test_pictures_that_fail_cost_no_results(models, tmp_path, monkeypatch):
    def fail(*arguments):
        assert (tmp_path / "out" / "results.json").is_file()
        raise RuntimeError("no font")

    monkeypatch.setattr("pixio_hf.visualization.worst_cases.draw_depth_cases", fail)
    options = ("--model", models / "depth", "--data", "synthetic-rooms", "--num-images", 3, "--out", tmp_path / "out")
    printed = evaluate("depth", *options)
    assert all(f"Warning: {name} could not be drawn: no font" in printed for name in PICTURES)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


@pytest.mark.slow
def test_two_processes_count_every_image_once(models, tmp_path):
    arguments = ["depth", "--model", models / "depth", "--data", "synthetic-rooms", "--num-images", 5]
    # One image per forward pass: then the numbers depend on nothing but the image.
    arguments += ["--batch-size", 1, "--num-pictures", 0, "--device", "cpu", "--out"]
    # On CPUs accelerate launch needs MPI for several processes; torchrun sets the same variables without.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*launch, "-m", "pixio_hf_cli", "evaluate", *map(str, arguments), str(tmp_path / "two")]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)
    assert result.returncode == 0, result.stderr[-3000:]
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        evaluate(*arguments, tmp_path / "one")
    finally:
        torch.set_num_threads(num_threads)
    one, two = read_results(tmp_path / "one"), read_results(tmp_path / "two")
    assert (one["num_processes"], two["num_processes"]) == (1, 2)
    assert one["metrics"] == two["metrics"]
    assert one["metrics"]["num_images"] == 5
    rows = [(tmp_path / name / "per_image.csv").read_text() for name in ("one", "two")]
    assert rows[0] == rows[1]
