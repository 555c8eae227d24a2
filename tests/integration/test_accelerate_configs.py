# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The accelerate configurations, read by accelerate's own loader and launcher; what the SLURM file would launch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "examples" / "accelerate_configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
# Name -> kind, machines, processes.
EXPECTED = {
    "single_gpu": (DistributedType.NO, 1, 1),
    "one_node_8_gpus": (DistributedType.MULTI_GPU, 1, 8),
    "multi_node": (DistributedType.MULTI_GPU, 2, 16),
    "fsdp2_5b": (DistributedType.FSDP, 32, 256),
    "cpu_2_processes": (DistributedType.MULTI_GPU, 1, 2),
}


def launch_arguments(config: Path, *options: str):
    """What `accelerate launch` makes of a configuration, up to starting the processes."""
    arguments = launch_command_parser().parse_args(["--config_file", str(config), *options, "script.py"])
    return _validate_launch_command(arguments)[0]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_reads_the_configuration(config):
    loaded = load_config_from_file(str(config))
    assert (loaded.distributed_type, loaded.num_machines, loaded.num_processes) == EXPECTED[config.stem]
    arguments = launch_arguments(config)
    assert arguments.mixed_precision == "bf16"
    assert arguments.num_processes == loaded.num_processes
    assert arguments.multi_gpu == (loaded.distributed_type == DistributedType.MULTI_GPU)
    assert arguments.use_fsdp == (loaded.distributed_type == DistributedType.FSDP)


def test_every_configuration_is_expected():
    assert {config.stem for config in CONFIGS} == set(EXPECTED)


def test_fsdp_settings_reach_the_training_processes(monkeypatch):
    """accelerate ignores misspelt FSDP settings: each must be one of its options, and arrive in the plugin."""
    config = FOLDER / "fsdp2_5b.yaml"
    settings = yaml.safe_load(config.read_text())["fsdp_config"]
    options = {action.dest for action in launch_command_parser()._actions}
    assert set(settings) <= options
    for name, value in prepare_multi_gpu_env(launch_arguments(config)).items():
        monkeypatch.setenv(name, value)
    assert os.environ["ACCELERATE_USE_FSDP"] == "true"
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.transformer_cls_names_to_wrap == ["PixioLayer"]
    assert plugin.reshard_after_forward is True
    assert plugin.state_dict_type.name == "SHARDED_STATE_DICT"
    assert plugin.cpu_ram_efficient_loading is False


@pytest.mark.parametrize("config", ["multi_node", "fsdp2_5b"])
def test_slurm_file_launches_every_machine(tmp_path, config):
    """Stand-ins run the file: srun as two machines in turn, accelerate prints what it was told to launch.

    scontrol names its machines one after the other, slowly: who stops reading at the first would end it by a signal.
    """
    programs = {
        "scontrol": "set -e; echo node-a; sleep 0.5; echo node-b",
        "srun": 'shift; for rank in 0 1; do SLURM_NODEID=$rank "$@"; done',
        "accelerate": 'printf "%s\\n" "$@" END',
    }
    for name, body in programs.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_NNODES": "2",
        "CONFIG": config,
    }
    command = ["bash", str(FOLDER / "slurm_multi_node.sbatch"), "--recipe", "h16-imagenet", "--dataset", "a folder"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, timeout=60)
    assert result.returncode == 0, result.stderr
    launches = [part.strip().splitlines() for part in result.stdout.split("END\n") if part.strip()]
    assert len(launches) == 2
    for rank, launch in enumerate(launches):
        assert launch.pop(0) == "launch"
        arguments = launch_command_parser().parse_args(launch)
        assert (REPOSITORY / arguments.config_file).samefile(FOLDER / f"{config}.yaml")
        assert (arguments.num_machines, arguments.num_processes, arguments.machine_rank) == (2, 16, rank)
        assert (arguments.main_process_ip, arguments.main_process_port) == ("node-a", 29500)
        assert (REPOSITORY / arguments.training_script).is_file()
        assert arguments.training_script_args == ["--recipe", "h16-imagenet", "--dataset", "a folder"]


@pytest.mark.slow
def test_two_cpu_processes_find_each_other(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom accelerate import Accelerator\na = Accelerator()\n"
        "Path(__file__).with_name(str(a.process_index)).write_text(f'{a.num_processes} on {a.device.type}')\n"
    )
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(FOLDER / "cpu_2_processes.yaml"), str(script)]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200)
    assert result.returncode == 0, result.stderr[-3000:]
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["2 on cpu", "2 on cpu"]
