# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which parameters decay (SPEC 3.1), and which have which learning rate."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

# peft puts names of its own in front of these.
_ENCODER = re.compile(r"(?:^|\.)pixio\.")
_FINAL_NORM = re.compile(r"(?:^|\.)pixio\.layernorm\.")
_BLOCK = re.compile(r"(?:^|\.)pixio\.layers\.(\d+)(?:\.|$)")


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
    model: nn.Module, encoder_learning_rate: float, head_learning_rate: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Split the trainable parameters of a head model into the rest and its encoder (`pixio`), each with its own rate.

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
