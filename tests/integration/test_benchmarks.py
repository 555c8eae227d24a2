# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The benchmarks run, on small models and few rounds, and print the ratios that others read; no value is judged."""

import re
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WITH_DEVICE = ("attention.py", "encode.py", "depth_evaluation.py", "pretraining_step.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "names"),
    [
        (
            "encode.py --preset pixio-tiny --batch_size 1 --compile",
            ["encode.vs_transformers", "encode.of_gemm_limit", "encode.compiled_of_gemm_limit"],
        ),
        (
            "depth_evaluation.py --preset pixio-tiny --num_images 1 --repeats 1 --num_scenes 128",
            [
                *("depth_evaluation.fp32", "depth_evaluation.fp32_of_product_limit"),
                *("depth_evaluation.bf16", "depth_evaluation.bf16_of_product_limit"),
            ],
        ),
        (
            "pretraining_step.py --batch_size 4 --rounds 1",
            ["pretraining_step.vs_plain", "pretraining_step.vs_vitmae", "pretraining_step.stochastic_depth"],
        ),
        (
            "reconstruction.py --views 2 --repeats 1",
            ["reconstruction.vs_depth_loop_2", "reconstruction.memory_2"],
        ),
        (
            "data_loading.py --rounds 1",
            ["data_loading.500x375", "data_loading.1024x768", "data_loading.2048x1536"],
        ),
        (
            "deployment.py --model pixio-tiny-depth --exports openvino.float32 --rounds 1 --num_scenes 8 --clock cpu",
            ["deployment.torch.bfloat16", "deployment.transformers.float32", "deployment.openvino.float32"],
        ),
        ("throughput.py --num_photos 6 --batch_size 3 --rounds 1 --side 512", ["throughput.folder"]),
        (
            "throughput.py --num_photos 4 --batch_size 2 --rounds 1 --side 512 --dtype bfloat16 --one_core",
            ["throughput.folder"],
        ),
        ("command_start.py --rounds 1 --clock cpu", ["command_start"]),
        (
            "attention.py --preset pixio-tiny --batch_size 1 --rounds 1",
            ["attention.forward.sdpa", "attention.training.sdpa"],
        ),
    ],
)
def test_ratios_come_last_and_have_their_names(command: str, names: list[str]) -> None:
    script, *arguments = command.split()
    device = ["--device", "cpu"] if script in WITH_DEVICE else []
    run = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments, *device], capture_output=True, text=True, timeout=500
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.strip().splitlines()[-len(names) :]
    ratios = [re.fullmatch(r"ratio (\S+): (\d+\.\d\d)", line) for line in lines]
    assert [ratio and ratio[1] for ratio in ratios] == names
    assert all(float(ratio[2]) > 0 for ratio in ratios if ratio)


@pytest.mark.slow
def test_allocators_are_compared_where_there_is_another_one() -> None:
    run = subprocess.run(
        [sys.executable, BENCHMARKS / "allocator.py", "--rounds", "1"], capture_output=True, text=True, timeout=500
    )
    assert run.returncode == 0, run.stderr
    if find_library("tcmalloc_minimal") is None:
        assert run.stdout.startswith("Not measured: there is no tcmalloc here")
        return
    names = re.findall(r"^ratio allocator\.(\S+): \d+\.\d\d$", run.stdout, flags=re.MULTILINE)
    assert names == ["vitmae", "as_mae", "eager"]
