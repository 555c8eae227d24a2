# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Whether an export says the same as the torch model: differences on photographs, and how large they may be."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

MEAN_LIMITS = {"float32": 1e-4, "float16": 5e-3, "bfloat16": 5e-2, "int8-weights": 5e-2, "int8": 0.15}
"""Largest mean difference, as a share of the mean size of the torch model's numbers."""


class Difference(NamedTuple):
    """How far one exported tensor is from torch's, over all photographs, in its own unit."""

    name: str
    largest: float
    mean: float
    size: float
    """Mean absolute value of torch's numbers."""

    @property
    def share(self) -> float:
        """The mean difference as a share of that size; what is not finite is no agreement at all."""
        share = self.mean / max(self.size, 1e-12)
        return share if share == share else float("inf")

    def describe(self) -> str:
        """One line for people."""
        share = f"{100 * self.share:.3g} % of {self.size:.3g}"
        return f"{self.name}: largest {self.largest:.3g}, mean {self.mean:.3g} ({share})"


def compare(
    names: Sequence[str], expected: Sequence[Sequence[Tensor]], actual: Sequence[Sequence[Tensor]]
) -> list[Difference]:
    """Differences of each tensor; `expected` and `actual` hold a list of tensors for each input.

    Raises:
        ValueError: a tensor of another shape.
    """
    differences = []
    for index, name in enumerate(names):
        pairs = [(ours[index], theirs[index]) for ours, theirs in zip(expected, actual, strict=True)]
        for ours, theirs in pairs:
            if ours.shape != theirs.shape:
                raise ValueError(
                    f"The export returns {name} of shape {tuple(theirs.shape)}, torch {tuple(ours.shape)}."
                )
        gaps = torch.cat([(ours - theirs).abs().flatten().double() for ours, theirs in pairs])
        size = torch.cat([ours.abs().flatten().double() for ours, _ in pairs]).mean()
        differences.append(Difference(name, float(gaps.max()), float(gaps.mean()), float(size)))
    return differences


def check_differences(differences: Sequence[Difference], dtype: str, limit: float | None = None) -> dict[str, Any]:
    """What to note about a verification that went well; `limit` replaces that of MEAN_LIMITS.

    Raises:
        ValueError: a tensor differs by more, or is not finite.
    """
    limit = MEAN_LIMITS[dtype] if limit is None else limit
    worst = max(differences, key=lambda difference: difference.share)
    if not worst.share <= limit:
        raise ValueError(
            f"The export differs from torch: {worst.describe()}, {100 * limit:.3g} % are allowed. Nothing was kept;"
            " choose another dtype, more calibration photographs, or a higher max_difference."
        )
    return {
        "limit": limit,
        "differences": {difference.name: difference._asdict() for difference in differences},
    }
