# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf check-data`, `evaluate scene` and `compare --task scene` on rendered scenes in folders."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner

from pixio_hf import PixioForReconstruction, PixioModel
from pixio_hf.data.labelled import SceneFolders, ViewDataset
from pixio_hf.data.labelled.scene_sets import open_scene_sets
from pixio_hf.evaluation.reconstruction import evaluate_reconstruction, model_predictor
from pixio_hf.evaluation.view_probes import SceneRecipe, compare_scene_model, load_view_probe
from pixio_hf.synthetic.views import render_views
from pixio_hf_cli import app
from tests.scene_files import save_stand_in, write_scene
from tests.tiny_models import tiny_config

SIZE = 64


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for name, seed in (("hall", 20_000_003), ("kitchen", 20_000_005)):
        write_scene(folder / name, render_views(seed, 3, SIZE))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_stand_in(tmp_path_factory.mktemp("scene_model"))


def run(*arguments, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def change_poses(source: Path, target: Path, change) -> Path:
    import shutil

    shutil.copytree(source, target)
    for file in target.glob("*/cameras.json"):
        content = json.loads(file.read_text())
        for view in content["views"]:
            view["camera_to_world"] = change(np.array(view["camera_to_world"])).tolist()
        file.write_text(json.dumps(content))
    return target


def test_good_scenes_have_no_problems(scenes, tmp_path):
    output = run("check-data", scenes, "--out", tmp_path)
    assert "hall: 3 views, 3 read" in output
    assert "No problems" in output
    assert sorted(os.listdir(tmp_path)) == ["contact_sheet.png", "report.json"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["task"] == "scene"
    assert report["scenes"]["kitchen"]["median_share_seen_by_another_view"] > 0.3


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (np.linalg.inv, "world to camera"),
        (lambda pose: pose @ np.diag([1.0, -1, -1, 1]), "OpenGL"),
        (lambda pose: np.concatenate((pose[:, :3], pose[:, 3:] * [[1000], [1000], [1000], [1]]), 1), "in millimetres"),
    ],
)
def test_poses_of_another_convention_are_recognised(scenes, tmp_path, change, advice):
    turned = np.array([[0, 0, 1.0, 5], [0, 1, 0, -2], [-1, 0, 0, 3], [0, 0, 0, 1]])  # a world that is not view 0
    changed = change_poses(scenes, tmp_path / "scenes", lambda pose: change(turned @ pose))
    output = run("check-data", changed, "--out", tmp_path / "out", exit_code=1)
    assert advice in output


def test_what_else_is_wrong_is_named(scenes, tmp_path):
    changed = change_poses(scenes, tmp_path / "scenes", lambda pose: pose)
    (changed / "hall" / "depth" / "000001.npy").unlink()
    content = json.loads((changed / "kitchen" / "cameras.json").read_text())
    content["depth_scale"] = 1000
    (changed / "kitchen" / "cameras.json").write_text(json.dumps(content))
    (changed / "empty").mkdir()
    (changed / "empty" / "cameras.json").write_text("{}")
    output = run("check-data", changed, "--task", "scene", "--out", tmp_path / "out", exit_code=1)
    assert "000001.npy is missing" in output
    assert "unit looks wrong" in output
    assert "views must be a list" in output
    run("check-data", tmp_path / "out", "--task", "scene", "--out", tmp_path / "none", exit_code=2)


def test_evaluate_scene_is_the_evaluation_of_the_package(scenes, model, tmp_path):
    arguments = ("--model", model, "--data", scenes, "--sets-per-scene", 2, "--image-size", SIZE, "--out", tmp_path)
    output = run("evaluate", "scene", *arguments)
    assert "points rel" in output
    report = json.loads((tmp_path / "results.json").read_text())
    sets = ViewDataset(SceneFolders(scenes, size=(SIZE, SIZE)), 2, sets_per_scene=2)
    expected = evaluate_reconstruction(model_predictor(PixioForReconstruction.from_pretrained(model)), sets)
    for name, value in expected.metrics.items():
        assert report["metrics"][name] == pytest.approx(value, rel=1e-6)
    assert report["metrics"]["num_scenes"] == 4
    assert len((tmp_path / "per_image.csv").read_text().splitlines()) == 5
    assert "Results exist already" in run("evaluate", "scene", *arguments, exit_code=2)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    models = {
        "pixio": PixioModel(tiny_config()),
        "mae": transformers.ViTMAEModel(transformers.ViTMAEConfig(**small, image_size=64)),
        "dinov2": transformers.Dinov2Model(transformers.Dinov2Config(**small, image_size=56, patch_size=14)),
        "dinov3": transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**small, image_size=64)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
    return {name: str(folder / name) for name in models}


SMALL = {
    "view_hidden_size": 16,
    "view_num_hidden_layers": 2,
    "view_num_attention_heads": 2,
    "view_taps": (0, 1),
    "reconstruction_neck_hidden_sizes": (8, 8, 8, 8),
    "reconstruction_fusion_hidden_size": 8,
    "pose_hidden_size": 8,
    "scale_hidden_size": 8,
}


@pytest.mark.parametrize("family", ["pixio", "mae", "dinov2", "dinov3"])
def test_every_family_stands_under_the_same_heads(encoders, scenes, family):
    recipe = SceneRecipe(num_steps=2, images_per_batch=4, image_size=64, model_fields=SMALL)
    row = compare_scene_model(encoders[family], str(scenes), recipe)
    assert row["settings"]["image_size"] == (56 if family == "dinov2" else 64)
    assert row["metrics"]["num_scenes"] == 2
    assert np.isfinite(row["metrics"]["points_rel"])
    probe, _ = load_view_probe(encoders[family], SMALL)
    assert not any(weight.requires_grad for weight in probe.pixio.parameters())


def test_pixio_under_the_probe_is_pixio(encoders):
    """The probe's features are those of PixioForReconstruction with the same encoder."""
    probe, _ = load_view_probe(encoders["pixio"], SMALL)
    model = PixioForReconstruction(tiny_config(**SMALL))
    model.pixio = PixioModel.from_pretrained(encoders["pixio"])
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(probe.encode_views(images, None)[0], model.encode_views(images, None)[0])


def test_compare_command_goes_on_where_it_stopped(encoders, scenes, tmp_path, monkeypatch):
    options = ("--task", "scene", "--data", scenes, "--steps", 2, "--batch-size", 4, "--crop-size", 64)
    run("compare", "--models", encoders["pixio"], *options, "--out", tmp_path)
    output = run("compare", "--models", encoders["pixio"], encoders["mae"], *options, "--out", tmp_path)
    assert "finished already" in output
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert [row["model"] for row in rows] == [encoders["pixio"], encoders["mae"]]
    assert "points rel" in (tmp_path / "comparison.md").read_text()
    again = run("compare", "--models", encoders["pixio"], *options, "--seed", 1, "--out", tmp_path, exit_code=2)
    assert "other settings" in again


def test_sets_by_name(scenes):
    with pytest.raises(ValueError, match="neither a folder of scenes"):
        open_scene_sets("nowhere")
    sets = open_scene_sets("synthetic-rooms", 2, image_size=32, num_scenes=1)
    assert sets[0]["pixel_values"].shape == (2, 3, 32, 32)
    assert open_scene_sets(str(scenes), 2, image_size=64)[0]["pixel_values"].shape == (2, 3, 64, 64)
