# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fine-tuning that is killed at random moments, in both scripts of both tasks, ends with bit-identical weights."""

import csv
import json
import subprocess
import sys

import pytest
import torch

from pixio_hf import PixioForDepthEstimation, PixioModel
from tests.integration.test_exact_resume import ENVIRONMENT, HARNESS
from tests.tiny_models import assert_same_state, read_weights, tiny_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    """An encoder, and a depth model with a trained head; both drop whole residual branches while they train."""
    folder = tmp_path_factory.mktemp("exact_finetuning")
    torch.manual_seed(0)
    PixioModel(tiny_config(drop_path_rate=0.2)).save_pretrained(folder / "encoder")
    PixioForDepthEstimation(tiny_config(drop_path_rate=0.2)).save_pretrained(folder / "depth")
    return folder


@pytest.mark.parametrize(
    ("task", "library", "start", "kills", "options"),
    [
        ("depth", "trainer", "encoder", 20, {"whole_images": True, "num_workers": 2, "ema_decay": 0.7}),
        ("depth", "accelerate", "depth", 20, {"whole_images": True, "ema_decay": 0.7}),
        ("depth", "trainer", "depth", 4, {"whole_images": False, "head_type": "linear"}),
        ("depth", "accelerate", "encoder", 4, {"whole_images": False, "num_workers": 2}),
        ("segmentation", "trainer", "encoder", 6, {"ema_decay": 0.7}),
        ("segmentation", "accelerate", "encoder", 6, {"num_workers": 2, "head_type": "linear"}),
    ],
)
def test_kills_change_nothing(starts, tmp_path, task, library, start, kills, options):
    arguments = {
        "task": task,
        "output_dir": str(tmp_path),
        "model": str(starts / start),
        "num_scenes": 10,
        "num_eval_scenes": 2,
        "crop_size": 64,
        "total_batch_size": 4,
        "batch_size": 2,
        "max_steps": 14,
        "eval_steps": 3,
        "logging_steps": 2,
        "mixed_precision": "no",
        "freeze_encoder": False,
        **options,
    }
    plan = {"arguments": arguments, "kills": kills, "num_processes": 1, "seed": 0}
    plan |= {"script": f"finetune_{library}.py", "arguments_class": "FineTuningArguments"}
    command = [sys.executable, str(HARNESS), json.dumps(plan)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=550)
    assert result.returncode == 0, result.stderr[-4000:]
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["killed"] + report["killed while saving"] == kills
    assert report["killed while saving"]
    for run in range(report["finished"]):
        killed, whole = tmp_path / f"killed-{run}", tmp_path / "whole"
        # The newest checkpoint shows the last step, the model the best one.
        for folder in ("model", "best", "checkpoint-14"):
            weights, expected = read_weights(killed / folder), read_weights(whole / folder)
            assert weights
            assert_same_state(weights, expected)
        assert (killed / "metrics.json").read_text() == (whole / "metrics.json").read_text()
        assert not list(killed.glob(".*.partial"))
        assert (killed / "evaluation.csv").read_text() == (whole / "evaluation.csv").read_text()
        steps = [row["step"] for row in csv.DictReader((killed / "train.csv").open())]
        assert steps == [str(step) for step in range(2, 15, 2)], "the curves go on: no step twice, none missing"
