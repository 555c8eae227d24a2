# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""In which order a data set is trained on: epoch after epoch of a loader, or shuffled indices of a set in memory."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import skip_first_batches


def endless_batches(loader: Any, dataset: Any, first_batch: int = 0) -> Iterator[Any]:
    """Batches of a prepared loader without end, beginning with the first_batch-th; nothing is read for those before it.

    Loader and data set are told the epoch, so that a run that resumes sees what it would have seen.

    Args:
        loader: a DataLoader that Accelerate has prepared.
    """
    epoch, skipped = divmod(first_batch, len(loader))
    while True:
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(epoch)
        loader.set_epoch(epoch)
        yield from skip_first_batches(loader, skipped) if skipped else loader
        epoch, skipped = epoch + 1, 0


def shuffled_batches(num_samples: int, batch_size: int, num_steps: int, seed: int = 0) -> Iterator[list[int]]:
    """A batch of indices below num_samples for each step, a function of the seed alone.

    For a set that lies in memory whole, as features and small pictures do. Epochs follow each other without a break; a
    batch may span two of them, and no sample is left out.

    Raises:
        ValueError: no sample, or batches of none (while iterating).
    """
    if num_samples < 1 or batch_size < 1:
        raise ValueError(f"Need at least one sample and a positive batch size, got {num_samples} and {batch_size}.")
    indices = endless_permutations(num_samples, seed)
    for _ in range(num_steps):
        yield list(itertools.islice(indices, batch_size))


def endless_permutations(num_samples: int, seed: int) -> Iterator[int]:
    """Every index once an epoch, in another order each."""
    for epoch in itertools.count():
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        yield from torch.randperm(num_samples, generator=generator).tolist()
