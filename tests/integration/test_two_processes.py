# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Two processes train as one with the doubled batch does, sharded or not; a sharded model reloads whole."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from pixio_hf import PixioForPreTraining
from pixio_hf.training.checkpointing import find_last_checkpoint
from tests.integration.test_exact_resume import ENVIRONMENT
from tests.tiny_models import assert_same_state, randomize_weights, read_weights, tiny_config

HARNESS = Path(__file__).with_name("distributed_training.py")
NUM_STEPS = 6


def train(*jobs: dict, script: str = "pretrain", quiet: bool = True) -> list[int]:
    """Exit statuses of runs of a training script."""
    command = [sys.executable, str(HARNESS), script, json.dumps(jobs)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=500)
    assert result.returncode == 0, result.stderr[-4000:]
    statuses = json.loads(result.stdout.splitlines()[-1])
    if quiet:
        assert not any(statuses), result.stderr[-4000:]
    return statuses


def job(folder: Path, name: str, num_processes: int, batch_size: int, **more) -> dict:
    arguments = {
        "output_dir": str(folder / name),
        "model": str(folder / "start"),
        "dataset": str(folder / "images"),
        "max_steps": NUM_STEPS,
        "warmup_steps": 1,
        "batch_size": batch_size,
        "base_learning_rate": 0.1,
        "save_steps": 2,
        "logging_steps": 1,
        "panel_steps": 1000,
        "mixed_precision": "no",
        **more.pop("arguments", {}),
    }
    return {"arguments": arguments, "num_processes": num_processes, **more}


def read_log(run: Path, tracker: str = "pretraining") -> dict[str, list[float]]:
    """What a run logged at each step, from its tensorboard file."""
    (events,) = (run / tracker).glob("events.*")
    log = EventAccumulator(str(events)).Reload()
    return {name: [event.value for event in log.Scalars(name)] for name in log.Tags()["scalars"]}


def write_images(folder: Path) -> None:
    """Seven images of soft random colours."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for index in range(7):
        pixels = generator.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).resize((140, 100)).save(folder / f"{index}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny model and seven images, hence nearly four epochs; the runs that the tests compare."""
    folder = tmp_path_factory.mktemp("two_processes")
    randomize_weights(PixioForPreTraining(tiny_config())).save_pretrained(folder / "start")
    write_images(folder / "images")
    resumed = [str(folder / "sharded" / "checkpoint-4"), str(folder / "resumed" / "checkpoint-4")]
    train(
        job(folder, "one", 1, 4),
        job(folder, "accumulated", 1, 2, arguments={"gradient_accumulation_steps": 2}),
        job(folder, "two", 2, 2),
        job(folder, "sharded", 2, 2, sharded=True),
        job(folder, "resumed", 2, 2, sharded=True, copy=resumed),
        job(folder, "bf16", 2, 2, arguments={"mixed_precision": "bf16"}),
        job(folder, "sharded-bf16", 2, 2, sharded=True, arguments={"mixed_precision": "bf16"}),
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("other", ["accumulated", "two", "sharded"])
def test_loss_curve_is_that_of_one_process_with_the_doubled_batch(folder, other):
    expected, log = read_log(folder / "one"), read_log(folder / other)
    assert len(expected["loss"]) == NUM_STEPS
    assert np.ptp(expected["loss"]) > 0.05
    for name in ("loss", "grad_norm", "learning_rate"):
        np.testing.assert_allclose(log[name], expected[name], rtol=1e-5, err_msg=name)
    assert expected["learning_rate"][1] == pytest.approx(0.1 * 4 / 256)


@pytest.mark.slow
def test_sharded_bfloat16_keeps_masks_and_loss_in_float32(folder):
    expected, log = read_log(folder / "bf16"), read_log(folder / "sharded-bf16")
    np.testing.assert_allclose(log["loss"], expected["loss"], rtol=5e-3)
    assert any(loss != torch.tensor(loss).bfloat16().item() for loss in log["loss"])


@pytest.mark.slow
@pytest.mark.parametrize("run", ["sharded", "sharded-bf16"])
def test_sharded_model_reloads_whole(folder, run, tmp_path):
    """Every tensor of the saved model equals the one that torch puts together from the shards of the last checkpoint."""
    shards = folder / run / f"checkpoint-{NUM_STEPS}" / "pytorch_model_fsdp_0"
    assert len(list(shards.glob("*.distcp"))) == 2
    dcp_to_torch_save(shards, tmp_path / "whole.pt")
    expected = torch.load(tmp_path / "whole.pt", weights_only=True)["model"]
    model, info = PixioForPreTraining.from_pretrained(folder / run / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert type(model) is PixioForPreTraining
    assert model.dtype == torch.float32
    assert_same_state(model.state_dict(), expected)
    start = PixioForPreTraining.from_pretrained(folder / "start").state_dict()
    assert sum(not torch.equal(tensor, start[name]) for name, tensor in expected.items()) > len(start) / 2


@pytest.mark.slow
def test_sharded_training_resumes_bit_for_bit(folder):
    assert_same_state(read_weights(folder / "resumed" / "model"), read_weights(folder / "sharded" / "model"))
    assert len(read_log(folder / "resumed")["loss"]) == NUM_STEPS - 4


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_all_processes_before_the_step(folder):
    poisoned = job(folder, "poisoned", 2, 2, poisoned=1)
    assert train(poisoned, quiet=False) == [1]
    run, kept = folder / "poisoned", folder / "poisoned" / "stopped" / "checkpoint-2"
    assert not (run / "model").exists()
    assert_same_state(read_weights(kept), read_weights(run / "checkpoint-2"))
    assert find_last_checkpoint(run) == (run / "checkpoint-2", 2)
    # As the message says: with the kept state in its place, the run goes on behind the bad batch.
    shutil.rmtree(run / "checkpoint-2")
    os.replace(kept, run / "checkpoint-2")
    train(job(folder, "poisoned", 2, 2))
    (state,) = [json.loads(path.read_text()) for path in run.glob(f"checkpoint-{NUM_STEPS}/process-1.json")]
    assert state["num_batches"] == NUM_STEPS + 1
