# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""An exponential moving average of the weights that are trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """Average of a model's trainable parameters; frozen ones are not copied, buffers (running statistics) stay as they are.

    The average begins at the weights of the first update. A decay of about 1 - 10 / number of steps suits short runs.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.live = nn.ParameterList(parameter for parameter in model.parameters() if parameter.requires_grad)
        self.average = AveragedModel(self.live, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def update(self) -> None:
        """Move towards the present weights; call it after every optimizer step."""
        self.average.update_parameters(self.live)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Have the model hold the average inside the `with` block, and its own weights again after it."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for live, average in zip(self.live.parameters(), self.average.module.parameters(), strict=True):
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict[str, Any]:
        return self.average.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state)
