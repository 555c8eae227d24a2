# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The steps of benchmarks/on_gpu.sh: which command each one is on a GPU, and which tiny one on a CPU."""

import shlex
from dataclasses import dataclass, field

_FEW, _MANY, _MUCH_MEMORY = 64, 128, 100e9  # images of H/16 that fit with eager attention: an H100, an H200


@dataclass(frozen=True)
class Step:
    """One command, a script of benchmarks/ or a file of tests."""

    name: str
    command: str
    """What runs on the GPU, from the root of the repository; {device}, {batch} and {half_batch} are filled in."""
    small: str
    """The same with a tiny model, for the CPU."""
    limit: int
    """Seconds after which it is stopped."""
    shown: str = ""
    """Pattern of the lines that the table shows besides ratios; all lines are kept in the step's log."""
    aims: dict[str, str] = field(default_factory=dict)
    """What a ratio should reach, by its name."""

    def arguments(self, device: str, memory: float, is_small: bool) -> list[str]:
        """The command's words, for a device with so many bytes of memory."""
        batch = _MANY if memory > _MUCH_MEMORY else _FEW
        command = self.small if is_small else self.command
        return shlex.split(command.format(device=device, batch=batch, half_batch=batch // 2))


_SPEED = r"images/s|TFLOP/s|^fastest|^faster"
_TRAINING = "benchmarks/pretraining_step.py --device {device}"
_MAE = "--ways ViTMAE 'as MAE, compiled'"
_OURS = "--ways ViTMAE 'as MAE' 'eager attention' 'sdpa attention'"
_DEPTH = "'stochastic depth, plain form' 'stochastic depth'"
_TINY_TRAINING = f"{_TRAINING} --preset pixio-tiny --batch_size 2 --rounds 1"

# In the order of what matters most: the deadline cuts the end.
STEPS = (
    Step(
        "golden vectors",
        "-m pytest -q -rs tests/parity/test_golden_on_device.py",
        "-m pytest -q -rs tests/parity/test_golden_on_device.py",
        60,
        r"passed|failed|skipped|SKIPPED",
    ),
    Step(
        "pre-training step, H/16",
        f"{_TRAINING} --preset pixio-h16 --batch_size {{batch}} --rounds 5 {_OURS} {_DEPTH}",
        f"{_TINY_TRAINING} {_OURS} {_DEPTH}",
        100,
        _SPEED,
        {"pretraining_step.vs_vitmae": "1"},
    ),
    Step(
        "pre-training step, H/16, compiled",
        f"{_TRAINING} --preset pixio-h16 --batch_size {{batch}} --rounds 5 {_MAE}",
        f"{_TINY_TRAINING} {_MAE}",
        150,
        _SPEED,
        {"pretraining_step.vs_eager_loop": "1.5; 50 % of the data sheet"},
    ),
    Step(
        "pre-training step, 1B/16, compiled",
        f"{_TRAINING} --preset pixio-1b16 --batch_size {{half_batch}} --rounds 3 {_MAE}",
        f"{_TINY_TRAINING} {_MAE}",
        150,
        _SPEED,
        {"pretraining_step.vs_eager_loop": "1.5; 50 % of the data sheet"},
    ),
    Step(
        "windowed depth evaluation, H/16",
        "benchmarks/depth_evaluation.py --device {device} --preset pixio-h16 --num_images 8 --batch_size 96 --repeats 2",
        "benchmarks/depth_evaluation.py --device {device} --preset pixio-tiny --num_images 1 --batch_size 12 --repeats 1"
        " --num_scenes 128",
        80,
        r"s an image|^delta1",
        {"depth_evaluation.bf16": "6"},
    ),
    Step(
        "encoding, H/16",
        "benchmarks/encode.py --device {device} --preset pixio-h16 --batch_size 64 --dtype bfloat16",
        "benchmarks/encode.py --device {device} --preset pixio-tiny --batch_size 1 --dtype bfloat16",
        40,
        _SPEED,
        {"encode.of_gemm_limit": "0.89"},
    ),
    Step(
        "depth of whole images, H/16",
        "benchmarks/deployment.py --device {device} --model pixio-h16 --exports --batch_size 16 --rounds 5",
        "benchmarks/deployment.py --device {device} --model pixio-tiny --exports --rounds 1",
        40,
        _SPEED,
    ),
    Step(
        "attention, H/16",
        "benchmarks/attention.py --device {device} --preset pixio-h16 --batch_size 64",
        "benchmarks/attention.py --device {device} --preset pixio-tiny --batch_size 1 --rounds 1",
        40,
        rf"{_SPEED}|not measured",
    ),
    Step(
        "memory of training, H/16",
        "benchmarks/training_memory.py --device {device} --preset pixio-h16 --batch_size {batch}",
        "benchmarks/training_memory.py --device {device} --preset pixio-tiny --batch_size 2 --rounds 1",
        60,
        _SPEED,
    ),
    Step(
        "reconstruction, H/16",
        "benchmarks/reconstruction.py --device {device} --size h16 --views 2 8 64 --repeats 1 --dtype bfloat16",
        "benchmarks/reconstruction.py --device {device} --size tiny --views 2 3 --repeats 1 --dtype bfloat16",
        60,
        r"views, |each further",
    ),
    Step(
        "a folder of photos, pixio-tiny-depth",
        "benchmarks/throughput.py --device {device} --num_photos 128 --batch_size 16 --num_workers 8",
        "benchmarks/throughput.py --device {device} --num_photos 4 --batch_size 2 --side 256 --rounds 1",
        60,
        r"images/s|^reading|^writing|^the model",
    ),
    Step(
        "transformers' tests that use a GPU",
        "-m pytest -q -rs tests/integration/test_transformers_common.py::test_what_a_gpu_changes",
        "-m pytest -q -rs tests/integration/test_transformers_common.py::test_what_a_gpu_changes",
        120,
        r"passed|failed|skipped|SKIPPED",
    ),
)
