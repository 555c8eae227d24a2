# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states and attentions that a caller asks for, by argument or configuration."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .configuration_pixio import PixioConfig

StateRequest = bool | int | Sequence[int]  # all or none, or the states of some indices


def pop_output_request(config: PixioConfig, kwargs: dict[str, Any]) -> tuple[StateRequest, bool]:
    """Take `output_hidden_states` and `output_attentions` out of kwargs; if absent or None, the configuration decides."""
    states, attentions = (
        value if (value := kwargs.pop(name, None)) is not None else getattr(config, name) or False
        for name in ("output_hidden_states", "output_attentions")
    )
    return states, bool(attentions)


def select_hidden_states(states: Sequence[Tensor], wanted: StateRequest) -> tuple[Tensor, ...] | None:
    """Hidden states that a caller asked for: all, none, or, as in transformers' encoders, those of some indices."""
    if wanted is False:
        return None
    if wanted is True:
        return tuple(states)
    kept = {index % len(states) for index in ([wanted] if isinstance(wanted, int) else wanted)}
    selected = (state if index in kept else None for index, state in enumerate(states))
    return tuple(selected)  # pyright: ignore[reportReturnType]
