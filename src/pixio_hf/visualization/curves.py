# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Curves of a run as a picture."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

Curve = Sequence[tuple[float, float]]


def save_curves(curves: Mapping[str, Curve], file: str | Path, lines: Mapping[str, float] | None = None) -> None:
    """Draw one small chart per curve of (step, value) pairs into a PNG.

    Args:
        lines: a value to draw as a dashed line beside a curve, by the curve's name, such as a baseline.

    Raises:
        ImportError: matplotlib is missing.
    """
    from matplotlib.figure import Figure

    columns = min(3, max(1, len(curves)))
    rows = max(1, math.ceil(len(curves) / columns))
    figure = Figure(figsize=(4.2 * columns, 2.8 * rows), layout="constrained")
    for place, (name, curve) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.plot([step for step, _ in curve], [value for _, value in curve], linewidth=1)
        if lines and name in lines:
            axes.axhline(lines[name], linestyle="--", linewidth=1, color="grey")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=100)
