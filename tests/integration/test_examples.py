# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The example scripts as users start them, and a pre-training run that is interrupted and resumed."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import datasets
import numpy as np
import PIL.Image
import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from transformers import AutoImageProcessor, AutoModel, AutoModelForDepthEstimation, AutoModelForPreTraining

import pixio_hf
from tests.tiny_models import assert_same_state, read_weights

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PRETRAIN = EXAMPLES / "pretrain.py"
FINETUNE = EXAMPLES / "finetune_trainer.py"
EVALUATE = EXAMPLES / "evaluate_depth.py"
EVALUATE_RECONSTRUCTION = EXAMPLES / "evaluate_reconstruction.py"


def run_script(script: Path, *arguments: str | Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, str(script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def load_script(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def reset_accelerate() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def pretrain(monkeypatch, tmp_path_factory):
    """The pre-training script as a module, on the CPU, with accelerate's process-wide state put back afterwards."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets_cache"))
    reset_accelerate()
    yield load_script(PRETRAIN)
    reset_accelerate()


@pytest.fixture(scope="module")
def depth_run(tmp_path_factory) -> Path:
    """Output folder of the fine-tuning script's smoke run."""
    output_dir = tmp_path_factory.mktemp("depth")
    run_script(FINETUNE, "--task", "depth", "--smoke", "--output_dir", output_dir)
    return output_dir


@pytest.mark.slow
def test_pretraining_smoke(tmp_path):
    assert "Saved" in run_script(PRETRAIN, "--smoke", "--output_dir", tmp_path)
    folder = tmp_path / "model"
    model = AutoModelForPreTraining.from_pretrained(folder)
    assert type(model) is pixio_hf.PixioForPreTraining
    assert_same_state(AutoModel.from_pretrained(folder).state_dict(), model.pixio.state_dict())
    processor = AutoImageProcessor.from_pretrained(folder)
    assert type(processor) is pixio_hf.PixioImageProcessor
    pixel_values = processor(PIL.Image.new("RGB", (200, 150), "tan"), return_tensors="pt").pixel_values
    assert pixel_values.shape == (1, 3, 128, 128)
    assert torch.isfinite(model(pixel_values).loss)


@pytest.mark.slow
def test_finetuning_smoke(depth_run):
    folder = depth_run / "model"
    model, info = AutoModelForDepthEstimation.from_pretrained(folder, output_loading_info=True)
    assert type(model) is pixio_hf.PixioForDepthEstimation
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    processor = AutoImageProcessor.from_pretrained(folder)
    photo = PIL.Image.new("RGB", (200, 150), "tan")
    with torch.no_grad():
        outputs = model(**processor(photo, return_tensors="pt"))
    (depth,) = processor.post_process_depth_estimation(outputs, [(150, 200)])
    assert depth["predicted_depth"].shape == (150, 200)
    assert depth["predicted_depth"].min() > 0
    assert depth["predicted_depth"].max() < 10
    metrics = json.loads((depth_run / "metrics.json").read_text())["metrics"]
    assert metrics["num_images"] == 8
    assert 0 <= metrics["delta1"] <= 1
    assert metrics["rmse"] > 0


@pytest.mark.slow
def test_evaluation_smoke(depth_run, tmp_path):
    report = tmp_path / "reports" / "held_out.json"
    printed = run_script(EVALUATE, "--smoke", "--model", depth_run / "model", "--output_file", report)
    results = json.loads(report.read_text())
    assert set(results) == {"model", "mean_depth"}
    assert [path.name for path in report.parent.iterdir()] == ["held_out.json"]
    for name, values in results.items():
        assert values["num_images"] == 4
        assert f"{name}: delta1 {values['delta1']:.4f}, abs_rel {values['abs_rel']:.4f}" in printed
    assert results["model"]["rmse"] != results["mean_depth"]["rmse"]


@pytest.mark.slow
def test_pretraining_on_a_folder_of_images(pretrain, tmp_path):
    generator = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for index, (height, width) in enumerate([(40, 60), (130, 90), (64, 64)]):
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).convert("L" if index == 2 else "RGB").save(folder / f"{index}.png")
    arguments = {"dataset": str(folder), "smoke": True, "mixed_precision": "no"}
    for name in ("run", "same", "other"):
        seed = 1 if name == "other" else 0
        pretrain.main(pretrain.PretrainingArguments(output_dir=str(tmp_path / name), seed=seed, **arguments))
    weights = {name: read_weights(tmp_path / name / "model") for name in ("run", "same", "other")}
    assert_same_state(weights["same"], weights["run"])
    assert not all(torch.equal(tensor, weights["other"][key]) for key, tensor in weights["run"].items())


class Interrupted(Exception):
    """Stands for a killed process."""


@pytest.mark.slow
@pytest.mark.parametrize("drop_path_rate", [0.0, 0.3])
def test_resumed_pretraining_equals_an_uninterrupted_one_bit_for_bit(
    pretrain, monkeypatch, tmp_path, capsys, drop_path_rate
):
    def run(name: str) -> None:
        pretrain.main(
            pretrain.PretrainingArguments(
                output_dir=str(tmp_path / name),
                num_scenes=6,
                max_steps=4,
                warmup_steps=1,
                batch_size=2,
                save_steps=2,
                panel_steps=2,
                logging_steps=1,
                drop_path_rate=drop_path_rate,
                mixed_precision="no",
            )
        )

    run("whole")

    save_run = pretrain.save_run

    def save_and_stop(*args, **kwargs):
        save_run(*args, **kwargs)
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(pretrain, "save_run", save_and_stop)
        with pytest.raises(Interrupted):
            run("stopped")
    assert not (tmp_path / "stopped" / "model").exists()
    at_step_2 = read_weights(tmp_path / "stopped" / "checkpoint-2")
    capsys.readouterr()
    reset_accelerate()  # as in a new process
    torch.manual_seed(999)
    run("stopped")
    assert "Resuming from" in capsys.readouterr().out

    whole, resumed = (read_weights(tmp_path / name / "model") for name in ("whole", "stopped"))
    assert_same_state(resumed, whole)
    moved = [
        tensor for tensor in at_step_2.values() if not any(torch.equal(tensor, other) for other in whole.values())
    ]
    assert len(moved) > len(at_step_2) / 2, "training did not go on after the checkpoint"
    for step in (2, 4):
        panels = [(tmp_path / name / "panels" / f"step-{step:07d}.png").read_bytes() for name in ("whole", "stopped")]
        assert panels[0] == panels[1]


def test_reconstruction_evaluation_smoke():
    """The bundled model fills hidden patches better than the mean colour of the visible ones."""
    loss, loss_of_mean_color, images = re.findall(r"[\d.]*\d", run_script(EVALUATE_RECONSTRUCTION, "--smoke"))
    assert images == "4"
    assert 0 < float(loss) < 0.8 * float(loss_of_mean_color)
