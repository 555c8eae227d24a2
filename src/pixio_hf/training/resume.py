# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Interrupting and resuming: data order as a function of the step, checkpoints that appear whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.utils.data import Sampler


class StepBatchSampler(Sampler[list[int]]):
    """Batches of shuffled indices from a given step to the last, each a function of seed and step alone.

    A run that resumes at step s with `first_step=s` sees exactly the batches that an uninterrupted one would. Epochs
    follow each other without a break; a batch may span two of them, and no sample is left out.
    """

    def __init__(self, num_samples: int, batch_size: int, num_steps: int, seed: int = 0, first_step: int = 0):
        if num_samples < 1 or batch_size < 1:
            raise ValueError(
                f"Need at least one sample and a positive batch size, got {num_samples} and {batch_size}."
            )
        self.num_samples, self.batch_size = num_samples, batch_size
        self.num_steps, self.seed, self.first_step = num_steps, seed, first_step

    def __len__(self) -> int:
        return max(self.num_steps - self.first_step, 0)

    def __iter__(self) -> Iterator[list[int]]:
        epoch, order = -1, torch.empty(0, dtype=torch.int64)
        for step in range(self.first_step, self.num_steps):
            batch = []
            for position in range(step * self.batch_size, (step + 1) * self.batch_size):
                if position // self.num_samples != epoch:
                    epoch = position // self.num_samples
                    generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
                    order = torch.randperm(self.num_samples, generator=generator)
                batch.append(int(order[position % self.num_samples]))
            yield batch


def checkpoint_path(output_dir: str | Path, step: int) -> Path:
    """Folder of the checkpoint taken after a number of steps."""
    return Path(output_dir) / f"checkpoint-{step}"


def find_last_checkpoint(output_dir: str | Path) -> tuple[Path, int] | None:
    """Newest complete checkpoint of a run and its step, or None."""
    found = []
    for path in Path(output_dir).glob("checkpoint-*"):
        step = path.name.removeprefix("checkpoint-")
        if path.is_dir() and step.isdecimal():
            found.append((int(step), path))
    if not found:
        return None
    step, path = max(found)
    return path, step


def save_checkpoint(output_dir: str | Path, step: int, write: Callable[[str], object], keep: int = 2) -> Path:
    """Write a checkpoint under a temporary name, rename it when it is whole, and remove all but the newest `keep`.

    Args:
        write: saves everything into the folder whose path it is given, such as `accelerator.save_state`.
    """
    target = checkpoint_path(output_dir, step)
    partial = target.with_name(f"partial-{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    write(str(partial))
    if target.exists():
        shutil.rmtree(target)
    os.replace(partial, target)
    steps = sorted(int(path.name.split("-")[1]) for path in Path(output_dir).glob("checkpoint-*"))
    for old in steps[:-keep]:
        shutil.rmtree(checkpoint_path(output_dir, old))
    return target
