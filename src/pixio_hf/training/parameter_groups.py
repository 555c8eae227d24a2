# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which parameters decay (SPEC 3.1)."""

from collections.abc import Iterable
from typing import Any

from torch import nn


def weight_decay_groups(
    named_parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float
) -> list[dict[str, Any]]:
    """Split trainable parameters into optimizer groups: without decay first, then with it (SPEC 3.1).

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
    model: nn.Module, encoder_learning_rate: float, head_learning_rate: float
) -> list[dict[str, Any]]:
    """Split the trainable parameters of a head model into its encoder (`pixio`) and the rest, each with its own rate."""
    encoder, head = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (encoder if name.startswith("pixio.") else head).append(parameter)
    groups = [{"params": head, "lr": head_learning_rate}]
    return [*groups, {"params": encoder, "lr": encoder_learning_rate}] if encoder else groups
