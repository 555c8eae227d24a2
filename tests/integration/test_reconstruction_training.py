# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Training of feed-forward reconstruction: killed runs end with the same weights; folders of scenes; what is refused."""

import csv
import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioForReconstruction, PixioImageProcessor
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from tests.integration.test_exact_resume import ENVIRONMENT, HARNESS
from tests.integration.test_examples import EXAMPLES, reset_accelerate
from tests.tiny_models import assert_same_state, read_weights, tiny_view_config
from tests.unit.data.labelled.test_scene_folders import write_scene

SCRIPT = EXAMPLES / "reconstruction" / "train_reconstruction.py"
NUM_STEPS = 12


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A tiny model and three scenes in folders."""
    folder = tmp_path_factory.mktemp("reconstruction")
    torch.manual_seed(0)
    PixioForReconstruction(tiny_view_config(image_size=32)).save_pretrained(folder / "start")
    scenes = SyntheticViewSet(3, 3, image_size=64)
    for index in range(3):
        write_scene(folder / "scenes" / f"scene-{index}", scenes[index])
    return folder


def arguments(workplace, name, **changes):
    return {
        "output_dir": str(workplace / name),
        "model": str(workplace / "start"),
        "num_scenes": 3,
        "num_eval_scenes": 2,
        "cache_dir": str(workplace / "cache"),
        "image_size": 32,
        "max_views": 3,
        "images_per_batch": 6,
        "max_steps": NUM_STEPS,
        "logging_steps": 2,
        "eval_steps": 6,
        "save_steps": 2,
        **changes,
    }


def load_module(monkeypatch, script=SCRIPT):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.syspath_prepend(SCRIPT.parent)
    reset_accelerate()
    sys.modules.pop("reconstruction_task", None)
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"example_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_kills_change_nothing(workplace):
    plan = {
        "arguments": arguments(workplace, "killed"),
        "kills": 4,
        "num_processes": 1,
        "seed": 0,
        "script": "reconstruction/train_reconstruction.py",
        "arguments_class": "ReconstructionArguments",
    }
    command = [sys.executable, str(HARNESS), json.dumps(plan)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=550)
    assert result.returncode == 0, result.stderr[-4000:]
    report = json.loads(result.stdout.splitlines()[-1])
    whole = workplace / "killed" / "whole"
    for run in range(report["finished"]):
        killed = workplace / "killed" / f"killed-{run}"
        assert_same_state(read_weights(killed / "model"), read_weights(whole / "model"))
        steps = [int(row["step"]) for row in csv.DictReader((killed / "train.csv").open())]
        assert steps == list(range(2, NUM_STEPS + 1, 2))
    start, end = read_weights(workplace / "start"), read_weights(whole / "model")
    assert sum(not torch.equal(tensor, end[name]) for name, tensor in start.items()) > len(start) / 2


def test_two_steps_on_folders_of_scenes(workplace, monkeypatch):
    module = load_module(monkeypatch)
    scenes = str(workplace / "scenes")
    options = arguments(workplace, "folders", dataset=scenes, eval_dataset=scenes, max_steps=2, eval_steps=2)
    module.main(module.ReconstructionArguments(**options))
    output = workplace / "folders"
    model = PixioForReconstruction.from_pretrained(output / "model").eval()
    processor = PixioImageProcessor.from_pretrained(output / "model")
    photos = [PIL.Image.fromarray(np.zeros((40, 40, 3), np.uint8))] * 2
    with torch.no_grad():
        outputs = model(processor(photos, return_tensors="pt")["pixel_values"][None])
    assert outputs.pointmaps.shape == (1, 2, 32, 32, 3)
    (row,) = csv.DictReader((output / "evaluation.csv").open())
    assert float(row["num_scenes"]) == 3
    assert np.isfinite(float(row["points_rel"]))
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="holds another run"):
        module.main(module.ReconstructionArguments(**{**options, "seed": 1}))


def test_frozen_encoders_stay_and_others_move(workplace, monkeypatch):
    module = load_module(monkeypatch)
    options = arguments(workplace, "frozen", freeze_encoder=True, max_steps=2, eval_steps=2, num_eval_scenes=1)
    module.main(module.ReconstructionArguments(**options))
    start, end = read_weights(workplace / "start"), read_weights(workplace / "frozen" / "model")
    moved = {name for name, tensor in start.items() if not torch.equal(tensor, end[name])}
    assert moved
    assert not any(name.startswith("pixio.") for name in moved)


REFUSED = [
    ({"encoder": "pixio-tiny"}, "either --model"),
    ({"model": "pixio-tiny-depth"}, "is a PixioForDepthEstimation, not a PixioForReconstruction"),
    ({"model": None, "recipe": "mapanything"}, "names no encoder"),
    ({"recipe": "mapanything", "max_steps": None}, "give max_steps"),
    ({"recipe": "nothing"}, "Unknown recipe"),
    ({"dataset": "nothing"}, "neither a folder of scenes"),
    ({"loss_preset": "nothing"}, "Unknown loss_preset"),
    ({"images_per_batch": 2}, "images_per_batch"),
    ({"max_steps": 0}, "max_steps must be at least 1"),
    ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
    ({"warmup_steps": -1.0}, "warmup_steps"),
    ({"mixed_precision": "fp16"}, "mixed_precision must be no or bf16"),
    ({"save_dtype": "float8"}, "save_dtype"),
    ({"eval_views": 9}, "eval_views 9 must be at most"),
    ({"eval_dataset": "somewhere"}, "eval_dataset goes with a folder"),
    ({"dense_divisor": 64}, "leaves nothing"),
    ({"image_size": 40}, "image_size 40 must be a multiple of the patch size 16"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_cannot_work_is_refused_and_leaves_no_folder(workplace, monkeypatch, changes, message):
    module = load_module(monkeypatch)
    with pytest.raises(ValueError, match=message):
        module.main(module.ReconstructionArguments(**arguments(workplace, "refused", **changes)))
    assert not (workplace / "refused").exists()


def test_evaluation_prints_a_row_per_predictor_and_number_of_views(workplace, monkeypatch, capsys):
    module = load_module(monkeypatch, SCRIPT.with_name("evaluate_views.py"))
    start, report = str(workplace / "start"), workplace / "report.json"
    arguments = {"model": start, "num_views": [2, 3], "output_file": str(report)}
    module.main(module.EvaluationArguments(**arguments, smoke=True, depth_model="pixio-tiny-depth"))
    table = capsys.readouterr().out
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 2 + 6
    assert "| pixio-tiny-depth per view, one place, 3 views | " in table
    results = json.loads(report.read_text())
    assert [row["index"] for row in results[f"{start}, 2 views"]["sets"]] == [0, 1]
    scenes = str(workplace / "scenes")
    module.main(module.EvaluationArguments(model=start, dataset=scenes, sets_per_scene=2))
    assert capsys.readouterr().out.splitlines()[-1].endswith("| 6 |")
    with pytest.raises(ValueError, match="choose a synthetic dataset"):
        module.main(module.EvaluationArguments(model=start, dataset=scenes, depth_model="pixio-tiny-depth"))
