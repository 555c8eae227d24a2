# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Learning-rate schedules of the paper, as pure functions of progress (SPEC 3.2, 5.5)."""

import math


def absolute_learning_rate(base_learning_rate: float, total_batch_size: int) -> float:
    """Scale a base rate to the total batch: base * batch / 256 (SPEC 3.2)."""
    return base_learning_rate * total_batch_size / 256


def warmup_cosine(epoch: float, learning_rate: float, min_learning_rate: float, warmup: float, total: float) -> float:
    """Rate at a fractional epoch (or step): linear from exactly 0, then half a cosine down to the minimum (SPEC 3.2)."""
    if epoch < warmup:
        return learning_rate * epoch / warmup
    progress = (epoch - warmup) / (total - warmup)
    return min_learning_rate + (learning_rate - min_learning_rate) * (1 + math.cos(math.pi * progress)) / 2


def warmup_polynomial(
    step: int, learning_rate: float, warmup_steps: int, total_steps: int, power: float = 0.9
) -> float:
    """Rate at a step: linear from 0, then (1 - progress) ** power (SPEC 5.5)."""
    if step < warmup_steps:
        return learning_rate * step / warmup_steps
    return learning_rate * (1 - (step - warmup_steps) / (total_steps - warmup_steps)) ** power
