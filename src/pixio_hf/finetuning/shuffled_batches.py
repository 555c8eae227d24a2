# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The order of a data set that lies in memory whole, as features and small pictures do: batches of shuffled indices."""

import itertools
from collections.abc import Iterator

import torch


def shuffled_batches(num_samples: int, batch_size: int, num_steps: int, seed: int = 0) -> Iterator[list[int]]:
    """A batch of indices below num_samples for each step, a function of the seed alone.

    Epochs follow each other without a break; a batch may span two of them, and no sample is left out.

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
