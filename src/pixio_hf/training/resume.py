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


def list_checkpoints(output_dir: str | Path) -> list[int]:
    """Steps of the complete checkpoints of a run, ascending; other folders are left alone."""
    names = (path.name.removeprefix("checkpoint-") for path in Path(output_dir).glob("checkpoint-*") if path.is_dir())
    return sorted(int(name) for name in names if name.isdecimal())


def find_last_checkpoint(output_dir: str | Path) -> tuple[Path, int] | None:
    """Newest complete checkpoint of a run and its step, or None."""
    steps = list_checkpoints(output_dir)
    return (checkpoint_path(output_dir, steps[-1]), steps[-1]) if steps else None


def save_checkpoint(
    output_dir: str | Path,
    step: int,
    write: Callable[[str], object],
    keep: int = 2,
    is_main_process: bool = True,
    wait_for_everyone: Callable[[], object] = lambda: None,
) -> Path:
    """Write a checkpoint under a temporary name, rename it when it is whole, and remove all but the newest `keep`.

    Every process of a distributed run calls this: all of them write, the main one renames and removes.

    Args:
        write: saves everything into the folder whose path it is given, such as `accelerator.save_state`.
        wait_for_everyone: barrier of a distributed run.

    Raises:
        ValueError: keep is not positive, so that nothing would be left to resume from.
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, got {keep}.")
    target = checkpoint_path(output_dir, step)
    partial = target.with_name(f"partial-{target.name}")
    if is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
    wait_for_everyone()
    write(str(partial))
    wait_for_everyone()
    if is_main_process:
        if target.exists():
            shutil.rmtree(target)
        os.replace(partial, target)
        for old in list_checkpoints(output_dir)[:-keep]:
            shutil.rmtree(checkpoint_path(output_dir, old))
    wait_for_everyone()
    return target
