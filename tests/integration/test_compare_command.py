# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf compare` on tiny encoders of random weights: all families, resuming, rooms and a folder like NYUv2's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from typer.testing import CliRunner

from pixio_hf import PixioImageProcessor, PixioModel
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.evaluation import comparison
from pixio_hf.evaluation.comparison import ComparisonRecipe, compare_model, train_probe
from pixio_hf.evaluation.depth import evaluate_depth
from pixio_hf.evaluation.prediction import PredictionOptions
from pixio_hf.evaluation.probes import load_probe
from pixio_hf_cli import app
from tests.fake_datasets import write_nyuv2
from tests.tiny_models import tiny_config

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 64,
}
FAMILIES = ("pixio", "mae", "dinov2", "dinov3")
SHORT = ("--steps", 2, "--batch-size", 2, "--num-train", 4, "--num-eval", 2, "--crop-size", 64)
SMALL_HEAD = ("--neck-hidden-sizes", "8,8,8,8", "--fusion-hidden-size", 8)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, str]:
    """Folders of one tiny encoder per family; only Pixio's has an image processor."""
    folder = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    patch14 = {**SMALL, "image_size": 56, "patch_size": 14}
    models = {
        "pixio": PixioModel(tiny_config()),
        "mae": transformers.ViTMAEForPreTraining(
            transformers.ViTMAEConfig(**SMALL, decoder_hidden_size=16, decoder_num_hidden_layers=1)
        ),
        "dinov2": transformers.Dinov2Model(transformers.Dinov2Config(**patch14)),
        "dinov3": transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**SMALL, num_register_tokens=2)),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
    PixioImageProcessor().save_pretrained(folder / "pixio")
    return {name: str(folder / name) for name in models}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("scenes")


def run(*arguments, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["compare", *(str(argument) for argument in arguments)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return " ".join(result.output.split())


def test_one_table_of_all_families(encoders, scenes, tmp_path):
    out = tmp_path / "out"
    models = [encoders[name] for name in FAMILIES]
    common = ("--data", "synthetic-rooms", "--cache-dir", scenes, "--out", out, *SHORT, *SMALL_HEAD)
    output = run("--models", *models, *common)
    report = json.loads((out / "comparison.json").read_text())
    rows = report["rows"]
    assert [(row["model"], row["head"]) for row in rows] == [(m, h) for m in models for h in ("linear", "dpt")]
    assert [row["settings"]["crop_size"] for row in rows[::2]] == [64, 64, 56, 64]
    assert [row["settings"]["learning_rate"] for row in rows[:2]] == [2e-4, 1e-4]
    assert rows[0]["settings"]["normalization"]["source"] == "its image processor"
    assert "mae came without image processor: normalised with the default of vit_mae" in output
    for row in rows:
        assert row["metrics"]["num_images"] == 2
        assert 0 <= row["metrics"]["delta1"] <= 1
        assert row["metrics"]["rmse"] > 0
        assert row["milliseconds_per_image"] > 0
        assert row["paper"] is None
    page = (out / "comparison.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 8
    assert "paper" not in table[0]
    assert f"| {rows[0]['metrics']['delta1']:.3f} | {rows[0]['metrics']['rmse']:.3f} |" in table[2]
    assert page.splitlines()[0] in output

    # Everything is there: nothing is trained again, and no file changes.
    before = (out / "comparison.json").read_bytes()
    again = run("--models", *models, *common)
    assert again.count("finished already") == 8
    assert (out / "comparison.json").read_bytes() == before
    assert "other settings: seed (0, now 1)" in run("--models", models[0], *common, "--seed", 1, exit_code=2)


def test_a_row_is_the_training_and_evaluation_that_it_says(encoders, scenes):
    recipe = ComparisonRecipe(
        num_steps=3, batch_size=2, learning_rate=1e-2, crop_size=64, neck_hidden_sizes=(8,) * 4, fusion_hidden_size=8
    )
    train, held_out = (
        open_depth_dataset("synthetic-rooms", split, num_scenes=count, image_size=64, cache_dir=str(scenes))
        for split, count in (("train", 4), ("val", 2))
    )
    row, repeated = (compare_model(encoders["dinov3"], "linear", train, held_out, recipe) for _ in range(2))
    assert row["metrics"] == repeated["metrics"]
    assert row["train_loss"] == repeated["train_loss"]
    torch.manual_seed(0)
    probe, processor, _ = load_probe(encoders["dinov3"], "linear")
    frozen = {name: weight.clone() for name, weight in probe.encoder.state_dict().items()}
    untrained = evaluate_depth(probe, processor, held_out, PredictionOptions(64)).metrics
    assert untrained["rmse"] != row["metrics"]["rmse"]
    assert train_probe(probe, processor, train, recipe) == row["train_loss"]
    assert evaluate_depth(probe, processor, held_out, PredictionOptions(64, batch_size=2)).metrics == row["metrics"]
    assert all(torch.equal(weight, frozen[name]) for name, weight in probe.encoder.state_dict().items())


def test_training_lowers_the_error(encoders, scenes):
    items = open_depth_dataset("synthetic-rooms", "train", num_scenes=4, image_size=64, cache_dir=str(scenes))
    losses = []
    for steps in (1, 40):
        torch.manual_seed(0)
        probe, processor, _ = load_probe(encoders["mae"], "linear")
        recipe = ComparisonRecipe(num_steps=steps, batch_size=4, learning_rate=0.05, crop_size=64)
        losses.append(train_probe(probe, processor, items, recipe))
    assert losses[1] < 0.8 * losses[0]
    with pytest.raises(ValueError, match="the loss is nan at step 10; lower the learning rate"):
        train_probe(probe, processor, items, ComparisonRecipe(10, 4, learning_rate=1e30, crop_size=64))


def test_interrupted_comparisons_go_on(encoders, scenes, tmp_path, monkeypatch):
    models = [encoders["pixio"], encoders["mae"]]
    common = ("--data", "synthetic-rooms", "--cache-dir", scenes, "--out", tmp_path, "--heads", "linear", *SHORT)
    compare_once = comparison.compare_model
    done = []

    def stop_at_the_second(name, *arguments, **options):
        done.append(name)
        if len(done) == 2:
            raise KeyboardInterrupt
        return compare_once(name, *arguments, **options)

    monkeypatch.setattr(comparison, "compare_model", stop_at_the_second)
    run("--models", *models, *common, exit_code=130)
    first = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert [row["model"] for row in first] == models[:1]
    run("--models", *models, *common)
    assert done == [models[0], models[1], models[1]]
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert [row["model"] for row in rows] == models
    assert rows[0] == first[0]


def test_published_numbers_stand_beside_ours(encoders, tmp_path, monkeypatch):
    """A folder in NYUv2's layout, under a name for which the paper has a result."""
    data, out = tmp_path / "nyuv2", tmp_path / "out"
    write_nyuv2(data, num_train=2, num_val=1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facebook").mkdir()
    (tmp_path / "facebook" / "dinov2-large").symlink_to(encoders["dinov2"])
    short = ("--steps", 1, "--batch-size", 2, "--heads", "linear", "--dtype", "bfloat16")
    output = run("--models", "facebook/dinov2-large", encoders["mae"], "--data", data, "--out", out, *short)
    header, _, ours, other = [line for line in (out / "comparison.md").read_text().splitlines() if line[:1] == "|"]
    assert header.endswith("| paper: NYUv2 delta1 | paper: NYUv2 rmse (m) |")
    assert ours.endswith("| 0.720 | 0.599 |")
    assert "| 252 px, patches of 14 |" in ours
    assert other.endswith("| - | - |")
    assert "| 256 px, patches of 16 |" in other
    assert "not measured here" in output
    row = json.loads((out / "comparison.json").read_text())["rows"][0]
    assert row["settings"]["images"] == "native size, windows of 252, stride 168, zero padded at the border"


def test_what_is_wrong_is_said_before_any_work(encoders, tmp_path):
    out = tmp_path / "out"
    common = ("--data", "synthetic-rooms", "--out", out, *SHORT)
    pixio = encoders["pixio"]
    assert "'nowhere'" in run("--models", pixio, "nowhere", *common, exit_code=2)
    assert "Unknown head 'mlp'" in run("--models", pixio, *common, "--heads", "linear,mlp", exit_code=2)
    assert "named twice" in run("--models", pixio, pixio, *common, exit_code=2)
    assert "smaller than a patch" in run("--models", pixio, *common, "--crop-size", 15, exit_code=2)
    assert "numbers between commas" in run("--models", pixio, *common, "--neck-hidden-sizes", "8;8", exit_code=2)
    assert "4 positive sizes" in run("--models", pixio, *common, "--neck-hidden-sizes", "8,8", exit_code=2)
    assert "fewer than a batch of 9" in run("--models", pixio, *common, "--batch-size", 9, exit_code=2)
    assert not (out / "comparison.json").exists()
    out.mkdir(exist_ok=True)
    (out / "comparison.json").write_text("{")
    assert "pass --overwrite" in run("--models", pixio, *common, exit_code=2)
