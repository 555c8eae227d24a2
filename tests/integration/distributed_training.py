# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Run a training script several times, with one or more processes each, after importing everything once.

A script of its own, as killed_training.py is. Its arguments are a name in SCRIPTS and a JSON list of runs:
{"arguments": arguments of the script, "num_processes": P, "sharded": with FSDP2, "poisoned": rank whose third batch is not
finite, "copy": [from, to] beforehand}. The last line that it prints is a JSON list of exit statuses.
"""

import itertools
import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType

import torch
from accelerate import Accelerator
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.integration.killed_training import PATIENCE, load_script, poll, start

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FSDP_CONFIG = EXAMPLES / "accelerate_configs" / "fsdp2_5b.yaml"
# File and class of the arguments.
SCRIPTS = {
    "pretrain": (EXAMPLES / "pretrain.py", "PretrainingArguments"),
    "distill": (EXAMPLES / "distill.py", "DistillationArguments"),
}


class ShardingAccelerator(Accelerator):
    """An Accelerator that shards on a CPU as fsdp2_5b.yaml says; accelerate itself shards on GPUs only, torch on both."""

    def __init__(self, **options):
        super().__init__(**options)
        plugin = FullyShardedDataParallelPlugin()
        if self.mixed_precision != "no":
            plugin.set_mixed_precision(self.mixed_precision)
        self.state.fsdp_plugin = plugin
        self.state.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP


def shard(script: ModuleType) -> None:
    arguments = launch_command_parser().parse_args(["--config_file", str(FSDP_CONFIG), "script.py"])
    settings = prepare_multi_gpu_env(_validate_launch_command(arguments)[0])
    os.environ.update({name: value for name, value in settings.items() if name.startswith("FSDP_")})
    script.Accelerator = ShardingAccelerator


def poison(script: ModuleType, rank: int) -> None:
    """Have the images of one process's third batch become NaN."""
    normalize, calls = script.normalize_crops, itertools.count(1)

    def normalize_and_poison(crops):
        pixel_values = normalize(crops)
        if next(calls) == 3 and int(os.environ.get("RANK", 0)) == rank:
            pixel_values.fill_(torch.nan)
        return pixel_values

    script.normalize_crops = normalize_and_poison


def run(script: ModuleType, arguments_class: str, job: dict) -> int:
    """Exit status of one run, the worst of its processes."""
    if job.get("copy"):
        shutil.copytree(*job["copy"])
    main = script.main

    def prepared_main(arguments) -> None:
        if job.get("sharded"):
            shard(script)
        if job.get("poisoned") is not None:
            poison(script, job["poisoned"])
        main(arguments)

    script.main = prepared_main
    children, began = start(script, job["arguments"], job["num_processes"], arguments_class), time.monotonic()
    script.main = main
    while (status := poll(children)) is None:
        assert time.monotonic() - began < PATIENCE, "a run does not come to its end"
        time.sleep(0.01)
    return status


if __name__ == "__main__":
    file, name = SCRIPTS[sys.argv[1]]
    loaded = load_script(file)
    print(json.dumps([run(loaded, name, job) for job in json.loads(sys.argv[2])]))
