# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pre-training that is killed at random moments ends with bit-identical weights, with workers and two processes too."""

import contextlib
import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import PIL.Image
import psutil
import pytest
import torch

from pixio_hf import PixioForPreTraining
from tests.integration.killed_training import SCRIPT
from tests.shard_files import write_tar
from tests.tiny_models import assert_same_state, read_weights, tiny_config

HARNESS = Path(__file__).with_name("killed_training.py")
NUM_STEPS = 16
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "ACCELERATE_USE_CPU": "true",
    "MASTER_ADDR": "127.0.0.1",
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A tiny model, three tiny tars (15 images and a damaged one, two to three epochs or more), and the same as files."""
    folder = tmp_path_factory.mktemp("exact_resume")
    torch.manual_seed(0)
    PixioForPreTraining(tiny_config()).save_pretrained(folder / "start")
    generator = np.random.default_rng(0)
    (folder / "images").mkdir()
    for shard, length in enumerate((5, 4, 6)):
        members = {}
        for index in range(length):
            path = folder / "images" / f"{shard}-{index}.png"
            PIL.Image.fromarray(generator.integers(0, 256, (70, 90, 3), dtype=np.uint8)).save(path)
            members[path.name] = path.read_bytes()
        if shard == 1:
            members["damaged.png"] = b"no image"
        write_tar(folder / "shards" / f"{shard}.tar", members)
    return folder


def arguments(workplace: Path, name: str, **changes) -> dict:
    return {
        "output_dir": str(workplace / name),
        "model": str(workplace / "start"),
        "dataset": str(workplace / "shards"),
        "max_steps": NUM_STEPS,
        "warmup_steps": 2,
        "batch_size": 2,
        "gradient_accumulation_steps": 2,
        "num_workers": 2,
        "shuffle_buffer": 3,
        "max_damaged": 100,
        "drop_path_rate": 0.2,
        "mixed_precision": "no",
        "logging_steps": 5,
        "save_steps": 2,
        "panel_steps": 1000,
        **changes,
    }


def train(arguments: dict, kills: int, num_processes: int = 1) -> dict:
    """Train in arguments["output_dir"]/whole without, in killed-0, ... with kills in between: what the harness reports."""
    plan = {"arguments": arguments, "kills": kills, "num_processes": num_processes, "seed": 0}
    command = [sys.executable, str(HARNESS), json.dumps(plan)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=550)
    assert result.returncode == 0, result.stderr[-4000:]
    report = json.loads(result.stdout.splitlines()[-1])
    print(report)
    assert report["killed"] + report["killed while saving"] == kills
    return report


def read_states(output_dir: Path, num_processes: int = 1) -> list[dict]:
    folder = output_dir / f"checkpoint-{NUM_STEPS}"
    return [json.loads((folder / f"process-{rank}.json").read_text()) for rank in range(num_processes)]


def assert_same_runs(folder: Path, other: Path, num_processes: int = 1) -> None:
    """Same final weights, bit for bit, same places in the data and same counts of damage."""
    assert_same_state(read_weights(folder / "model"), read_weights(other / "model"))
    assert read_states(folder, num_processes) == read_states(other, num_processes)
    assert not list(folder.glob(".*.partial"))
    for run in (folder, other):  # the curves go on: no step twice, none missing
        rows = list(csv.DictReader((run / "train.csv").open()))
        assert [int(row["step"]) for row in rows] == [5, 10, 15]
    assert (folder / "curves.png").is_file()
    assert len(list(folder.glob("checkpoint-*"))) == 2


@pytest.mark.slow
def test_twenty_kills_change_nothing(workplace):
    """With two workers, prefetched batches, gradient accumulation and damage, over more than four epochs."""
    report = train(arguments(workplace, "one"), kills=20)
    assert report["killed while saving"] >= 5
    for run in range(report["finished"]):
        assert_same_runs(workplace / "one" / f"killed-{run}", workplace / "one" / "whole")
    (state,) = read_states(workplace / "one" / "whole")
    assert state["num_batches"] == 2 * NUM_STEPS
    assert state["num_samples"] == 4 * NUM_STEPS
    assert min(position[0] for position in state["positions"]) >= 3
    assert state["num_damaged"] >= 3
    start, end = read_weights(workplace / "start"), read_weights(workplace / "one" / "whole" / "model")
    assert sum(not torch.equal(tensor, end[name]) for name, tensor in start.items()) > len(start) / 2


@pytest.mark.slow
def test_kills_of_two_processes_that_train_on_a_folder_of_images(workplace):
    folder_of_images = {"dataset": str(workplace / "images"), "num_workers": 1}
    report = train(arguments(workplace, "images-of-two", **folder_of_images), kills=4, num_processes=2)
    for run in range(report["finished"]):
        assert_same_runs(workplace / "images-of-two" / f"killed-{run}", workplace / "images-of-two" / "whole", 2)


@pytest.fixture(scope="module")
def run_of_two(workplace) -> Path:
    """Two processes with two workers each, undisturbed; killed ones have been compared with it."""
    report = train(arguments(workplace, "two"), kills=6, num_processes=2)
    for run in range(report["finished"]):
        assert_same_runs(workplace / "two" / f"killed-{run}", workplace / "two" / "whole", 2)
    first, second = read_states(workplace / "two" / "whole", 2)
    assert first["num_samples"] == second["num_samples"] == 4 * NUM_STEPS
    assert first["positions"] != second["positions"]
    return workplace / "two" / "whole"


@pytest.mark.slow
def test_kills_of_two_processes_with_two_workers(run_of_two):
    assert (run_of_two / "model" / "model.safetensors").is_file()


def kill_tree(process: subprocess.Popen) -> None:
    """Kill a launcher and everything it has started."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


@pytest.mark.slow
def test_killed_and_started_again_from_the_command_line(workplace, run_of_two):
    options = arguments(workplace, "launched")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(SCRIPT)]
    command += [f"--{name}={value}" for name, value in options.items()]
    with (workplace / "launched.txt").open("w") as log:
        launched = subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log)
        deadline = time.monotonic() + 300
        while not (workplace / "launched" / "checkpoint-4").exists():
            assert launched.poll() is None, (workplace / "launched.txt").read_text()
            assert time.monotonic() < deadline, (workplace / "launched.txt").read_text()
            time.sleep(0.01)
        kill_tree(launched)
    assert not (workplace / "launched" / "model").exists()
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stderr[-4000:]
    assert "Resuming from" in result.stdout
    assert re.search(r"^[1-9]\d* samples could not be read", result.stdout, re.MULTILINE)
    assert_same_runs(workplace / "launched", run_of_two, 2)
