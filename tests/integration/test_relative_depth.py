# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Relative depth from training to the table: both scripts, resumed exactly; evaluation of folders and of pairs."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

from pixio_hf import PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.starting_model import start_model
from pixio_hf.finetuning.tasks import open_task
from pixio_hf_cli import app
from tests.integration.test_examples import reset_accelerate
from tests.integration.test_finetuning_scripts import (
    load,  # noqa: F401 - a fixture
    run_depth,
    stop_at_first_checkpoint,
)
from tests.tiny_models import assert_same_state, randomize_weights, read_weights, tiny_config


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    """Four frames of two sources, and their depth in millimetres."""
    root = tmp_path_factory.mktemp("frames")
    generator = np.random.default_rng(0)
    for folder in ("images", "depth"):
        (root / "val" / folder).mkdir(parents=True)
    for name in ("lab_0", "lab_1", "lab_2", "hall_0"):
        pixels = generator.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).resize((96, 72)).save(root / "val" / "images" / f"{name}.png")
        depth = generator.integers(200, 12_000, (72, 96)).astype(np.uint16)
        PIL.Image.fromarray(depth).save(root / "val" / "depth" / f"{name}.png")
    return root


def save_model(folder: Path, **fields) -> Path:
    model = randomize_weights(PixioForDepthEstimation(tiny_config(**fields)))
    with torch.no_grad():
        model.head.output_layer.bias.fill_(3.0)
    model.save_pretrained(folder)
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def judge(model, processor, image: Path, truth: np.ndarray, relative: bool) -> tuple[float, float]:
    """delta1 and order of one frame, written out: truth from 0.3 to 10 m, aligned depth clipped to 0.1 to 20 m."""
    with PIL.Image.open(image) as opened, torch.no_grad():
        depth = model(**processor(opened.convert("RGB"), return_tensors="pt")).predicted_depth
    depth = torch.nn.functional.interpolate(depth[None], truth.shape, mode="bilinear")[0, 0].double().numpy()
    valid = (truth >= 0.3) & (truth <= 10)
    inverse = depth[valid] if relative else 1 / depth[valid].clip(0.1)
    truth = truth[valid]
    system = np.stack([inverse, np.ones_like(inverse)], 1)
    aligned = 1 / np.clip(system @ np.linalg.lstsq(system, 1 / truth, rcond=None)[0], 1 / 20, 1 / 0.1)
    chosen = np.random.default_rng(0).choice(len(truth), 3000, replace=False)
    ranks = [values[chosen].argsort().argsort() for values in (-inverse, truth)]
    delta1 = float((np.maximum(aligned / truth, truth / aligned) < 1.25).mean())
    return delta1, float(np.corrcoef(np.stack(ranks))[0, 1])


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_evaluation_of_a_folder_equals_the_formula(frames, tmp_path, kind):
    folder = save_model(tmp_path / "model", depth_estimation_type=kind)
    command = ["evaluate", "depth", "--relative", "--model", str(folder), "--data", str(frames)]
    command += ["--depth-scale", "0.001", "--truth-range", "0.3,10", "--clip-range", "0.1,20", "--by-source"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out"), "--num-pictures", "1"])
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "out" / "results.json").read_text())["metrics"]
    model = PixioForDepthEstimation.from_pretrained(folder).eval()
    processor = PixioImageProcessor.from_pretrained(folder)
    rows = {}
    for image in sorted((frames / "val" / "images").iterdir()):
        with PIL.Image.open(frames / "val" / "depth" / image.name) as opened:
            truth = np.asarray(opened).astype(np.float32) / np.float32(1000)
        rows[image.stem] = judge(model, processor, image, truth.astype(np.float64), kind == "relative")
    means = np.mean(list(rows.values()), axis=0)
    np.testing.assert_allclose([metrics["delta1"], metrics["order"]], means, atol=2e-3)
    lab = np.mean([rows[name] for name in rows if name.startswith("lab")], axis=0)
    by_source = np.mean([lab, rows["hall_0"]], axis=0)
    np.testing.assert_allclose([metrics["delta1_of_sources"], metrics["order_of_sources"]], by_source, atol=2e-3)
    assert metrics["num_sources"] == 2
    assert (tmp_path / "out" / "best.png").is_file()


def test_pairs_and_what_does_not_fit(frames, tmp_path):
    folder = save_model(tmp_path / "model", depth_estimation_type="relative")
    pair = {"point1": [2, 3], "point2": [60, 80], "closer_point": "point2"}
    (frames / "annotations.json").write_text(
        json.dumps({"val/images/lab_0.png": [pair, {**pair, "closer_point": "point1"}]})
    )
    command = ["evaluate", "depth", "--model", str(folder), "--data", str(frames)]
    result = CliRunner().invoke(app, [*command, "--relative", "--out", str(tmp_path / "pairs")])
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "pairs" / "results.json").read_text())["metrics"]
    assert metrics == {"accuracy": 0.5, "num_pairs": 2, "num_images": 1}
    (frames / "annotations.json").unlink()
    for options, message in (
        ([], "pass --relative"),
        (["--relative", "--window", "64"], "no common scale"),
        (["--relative", "--truth-range", "3"], "--truth-range must be two numbers"),
        (["--by-source"], "are for --relative"),
    ):
        result = CliRunner().invoke(app, [*command, *options, "--out", str(tmp_path / "out")])
        assert result.exit_code == 2, options
        assert message in result.output


def test_a_metric_head_begins_in_order(tmp_path):
    folder = save_model(tmp_path / "metric")
    args = FineTuningArguments(
        task="depth", output_dir="x", dataset="synthetic-rooms", model=str(folder), depth_estimation_type="relative"
    )
    start = open_task(args).build_model()
    assert "turned from metres" in start.origin
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        depth = PixioForDepthEstimation.from_pretrained(folder).eval()(images).predicted_depth
        inverse = start.model.eval()(images).predicted_depth
    assert torch.corrcoef(torch.stack([depth.flatten(), inverse.flatten()]))[0, 1] < -0.9
    save_model(tmp_path / "relative", depth_estimation_type="relative")
    args = FineTuningArguments(task="depth", output_dir="x", model=str(tmp_path / "relative"))
    back = start_model(PixioForDepthEstimation, args, depth_estimation_type="metric")
    assert not back.has_trained_head


@pytest.mark.parametrize("options", [{"depth_loss_trim": 0.1}, {"strong_perturbations": True, "recipe": "nyuv2-dpt"}])
def test_options_of_relative_depth_need_it(options):
    with pytest.raises(ValueError, match=r"--depth_loss_trim|--strong_perturbations"):
        open_task(FineTuningArguments(task="depth", output_dir="x", smoke=True, **options))


@pytest.mark.slow
@pytest.mark.parametrize("library", ["trainer", "accelerate"])
def test_students_resume_exactly(load, tmp_path, monkeypatch, library):  # noqa: F811
    script, folder = load(f"finetune_{library}"), save_model(tmp_path / "teacher")
    arguments = {"model": str(folder), "dataset": "synthetic-rooms", "mix_with": ["synthetic-outdoor"]}
    arguments |= {"recipe": "relative-student", "num_scenes": 6, "num_eval_scenes": 2, "max_steps": 5, "eval_steps": 2}
    arguments |= {"total_batch_size": 4}
    whole = run_depth(script, tmp_path / "whole", **arguments)
    stop_at_first_checkpoint(monkeypatch, script, library, tmp_path / "stopped", **arguments)
    reset_accelerate()
    torch.manual_seed(999)
    resumed = run_depth(script, tmp_path / "stopped", **arguments)
    assert_same_state(*(read_weights(tmp_path / run / "model") for run in ("stopped", "whole")))
    assert resumed == whole
    assert set(whole["baselines"]) == {"a constant", "near at the bottom"}
    model = PixioForDepthEstimation.from_pretrained(tmp_path / "whole" / "model")
    assert (model.config.depth_estimation_type, model.config.depth_loss_trim) == ("relative", 0.1)
    assert "Relative depth" in (tmp_path / "whole" / "model" / "README.md").read_text()


@pytest.mark.slow
def test_comparison_of_relative_depth(tmp_path):
    folder = save_model(tmp_path / "model")
    command = ["compare", "--models", str(folder), "--data", "synthetic-rooms", "--heads", "linear", "--relative"]
    command += ["--steps", "2", "--batch-size", "2", "--num-train", "4", "--num-eval", "2", "--crop-size", "64"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "order" in result.output
    assert "Relative depth" in result.output
    (row,) = json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]
    assert -1 <= row["metrics"]["order"] <= 1
    assert row["paper"] is None
