# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Seed ranges of the synthetic scenes and the stream of random numbers that one seed stands for."""

import operator
from collections.abc import Sequence
from typing import TypeVar

import torch

TRAIN_SEEDS = range(10_000_000)
"""Seeds of the synthetic scenes to train on."""

HELD_OUT_SEEDS = range(20_000_000, 20_100_000)
"""Seeds of the synthetic scenes to evaluate on: never overlapping `TRAIN_SEEDS`."""

SCENE_GENERATOR_VERSION = 1
"""What a seed means where nothing else is asked for; part of every cache key. The training scripts ask for version 2."""

Choice = TypeVar("Choice")
_DRAWS_AT_ONCE = 1024


class SeededDraws:
    """Random numbers that depend on `seed` only: a CPU generator, whatever the device that renders."""

    def __init__(self, seed: int):
        try:
            seed = operator.index(seed)
        except TypeError:
            raise ValueError(f"A scene seed must be an integer, got {seed!r} of type {type(seed).__name__}.") from None
        if not 0 <= seed < 2**63:
            raise ValueError(f"A scene seed must lie in [0, 2**63), got {seed}.")
        self._generator = torch.Generator(device="cpu").manual_seed(seed)
        self._values: list[float] = []

    def sides(self, low: float, high: float) -> tuple[float, float, float]:
        """Three numbers in [low, high): a size in x, y and z."""
        return self.uniform(low, high), self.uniform(low, high), self.uniform(low, high)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        if not self._values:
            self._values = torch.rand(_DRAWS_AT_ONCE, generator=self._generator, dtype=torch.float64).tolist()
        return low + (high - low) * self._values.pop()

    def triple(self, low: float, high: float) -> tuple[float, float, float]:
        """Three numbers of the same range."""
        return self.uniform(low, high), self.uniform(low, high), self.uniform(low, high)

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """An integer of the closed interval [low, high]."""
        return min(high, low + int(self.uniform() * (high - low + 1)))

    def choice(self, options: Sequence[Choice]) -> Choice:
        return options[self.integer(0, len(options) - 1)]

    def color(self, base: tuple[float, float, float], spread: float) -> tuple[float, float, float]:
        """A colour near `base`: brightness and tint both move by at most `spread` (display values in [0, 1])."""
        brightness = self.uniform(-spread, spread)
        red, green, blue = (
            min(
                0.98,
                max(0.03, channel + brightness + self.uniform(-spread, spread) / 2),
            )
            for channel in base
        )
        return red, green, blue
