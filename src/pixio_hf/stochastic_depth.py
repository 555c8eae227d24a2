# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Stochastic depth that does not compute what it drops (docs/specification.md 2.7). Pure functions of tensors."""

from collections.abc import Callable

import torch
from torch import Tensor


def draw_kept_samples(batch_size: int, rate: float) -> Tensor:
    """Draw the samples that keep a residual branch, each with probability 1 - rate: (K,) ascending int64 indices.

    On the CPU: their number decides shapes, and the host would have to wait for a GPU at every branch.
    """
    return (torch.rand((batch_size,), device="cpu") >= rate).nonzero().flatten()


def add_kept_branch(hidden_states: Tensor, branch: Callable[[Tensor], Tensor], kept: Tensor, rate: float) -> Tensor:
    """Add a residual branch, computed for the kept samples only and divided by 1 - rate: (B, T, D) -> (B, T, D).

    Equals `hidden_states + branch(hidden_states) * keep / (1 - rate)` where the branch treats samples independently.
    """
    weight = 1 / (1 - rate)
    if len(kept) == 0:
        # One sample of weight 0, so that parameters get gradients of zero: distributed training waits for gradients.
        kept, weight = torch.zeros(1, dtype=torch.int64), 0.0
    kept = kept.to(hidden_states.device, non_blocking=True)
    update = branch(hidden_states.index_select(0, kept))
    return hidden_states.index_add(0, kept, update.to(hidden_states.dtype), alpha=weight)
