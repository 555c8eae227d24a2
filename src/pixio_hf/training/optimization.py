# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a run is optimised with: the paper's learning-rate schedules, which parameters decay, and their rates by depth."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

# peft puts its own names in front of these.
_ENCODER = re.compile(r"(?:^|\.)pixio\.")
_FINAL_NORM = re.compile(r"(?:^|\.)pixio\.layernorm\.")
_BLOCK = re.compile(r"(?:^|\.)pixio\.layers\.(\d+)(?:\.|$)")

# The paper trains depth heads on frozen encoders with AdamW like this (docs/specification.md 5.5).
DEPTH_HEAD_LEARNING_RATES = {"dpt": 1e-4, "linear": 2e-4}
HEAD_WEIGHT_DECAY = 0.01
HEAD_BETAS = (0.9, 0.999)
DEPTH_WARMUP_RATIO = 0.1  # of all steps


def absolute_learning_rate(base_learning_rate: float, total_batch_size: int) -> float:
    """Scale a base rate to the total batch: base * batch / 256 (docs/specification.md 3.2)."""
    return base_learning_rate * total_batch_size / 256


def fit_warmup(warmup: float, num_steps: int, tell: Callable[[str], object] | None = None) -> int:
    """Steps of warm-up in a run of num_steps; where they are fewer than asked for, `tell` gets a sentence.

    Below 1 the warm-up is a share of the run, as in TrainingArguments. A number of steps is kept where the run has twice as
    many or more; in a shorter run the warm-up becomes a tenth of it, the share of the paper's recipes.

    Raises:
        ValueError: a negative number, or none at all.
    """
    if not 0 <= warmup < math.inf:
        raise ValueError(f"warmup_steps must be a number of steps, or a share of the run below 1; got {warmup}.")
    if warmup < 1:
        return int(warmup * num_steps)
    if 2 * warmup <= num_steps:
        return int(warmup)
    if tell is not None:
        tell(
            f"Warm-up: {num_steps // 10} steps, a tenth of the run, for {warmup:g} would be more than half of its"
            f" {num_steps}."
        )
    return num_steps // 10


def warmup_cosine(epoch: float, learning_rate: float, min_learning_rate: float, warmup: float, total: float) -> float:
    """Rate at a fractional epoch (or step), docs/specification.md 3.2: linear from exactly 0, then half a cosine down."""
    if epoch < warmup:
        return learning_rate * epoch / warmup
    progress = (epoch - warmup) / (total - warmup)
    return min_learning_rate + (learning_rate - min_learning_rate) * (1 + math.cos(math.pi * progress)) / 2


def warmup_polynomial(
    step: int, learning_rate: float, warmup_steps: int, total_steps: int, power: float = 0.9
) -> float:
    """Rate at a step: linear from 0, then (1 - progress) ** power (docs/specification.md 5.5)."""
    if step < warmup_steps:
        return learning_rate * step / warmup_steps
    return learning_rate * (1 - (step - warmup_steps) / (total_steps - warmup_steps)) ** power


def weight_decay_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float
) -> list[dict[str, Any]]:
    """Split trainable parameters into optimizer groups: without decay first, then with it (docs/specification.md 3.1).

    Parameters of at most one dimension and those named `.bias` do not decay. Class tokens, mask token and position
    embeddings have three dimensions, hence do.
    """
    without_decay, with_decay = [], []
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            (without_decay if parameter.ndim <= 1 or name.endswith(".bias") else with_decay).append(parameter)
    return [
        {"params": without_decay, "weight_decay": 0.0},
        {"params": with_decay, "weight_decay": weight_decay},
    ]


def encoder_and_head_groups(
    model: nn.Module, encoder_learning_rate: float, head_learning_rate: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Split the trainable parameters of a model into its encoder (`pixio`) and the rest, each with its own rate.

    With a `layer_decay` below 1 the encoder is one group per depth: its final norm has the encoder's rate, the last block
    `layer_decay` times that, each block before it `layer_decay` times the next one's, and the embeddings the lowest.
    Adapters inside the encoder belong to it.
    """
    names = [name for name, _ in model.named_modules()]
    num_blocks = 1 + max((int(found[1]) for name in names if (found := _BLOCK.search(name))), default=-1)
    head, encoder = [], {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if _ENCODER.search(name) is None:
            head.append(parameter)
            continue
        if layer_decay == 1 or _FINAL_NORM.search(name):
            distance = 0
        elif block := _BLOCK.search(name):
            distance = num_blocks - int(block[1])
        else:
            distance = num_blocks + 1
        encoder.setdefault(distance, []).append(parameter)
    groups = [{"params": head, "lr": head_learning_rate}] if head else []
    return groups + [
        {"params": encoder[distance], "lr": encoder_learning_rate * layer_decay**distance}
        for distance in sorted(encoder)
    ]
