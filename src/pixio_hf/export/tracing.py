# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""From a model to a graph that knows no Python: torch.export, with batch and sides left open."""

from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from ..configuration_pixio import PixioConfig
from .tasks import ExportedForward

LARGEST_BATCH = 1024
LARGEST_GRID = 1024
"""Patches along one side: far more than attention can hold."""
SMALLEST_GRID = 3
"""From here on every map of a head has more than one row: torch.export takes a length of one for a constant."""
_EXAMPLE_GRID = (5, 6)


def trace(
    forward: ExportedForward, config: PixioConfig, views: int | None = None, size: tuple[int, int] | None = None
) -> ExportedProgram:
    """Graph of a model for any batch and any size whose sides are multiples of the patch.

    Args:
        forward: the model as exporters want it.
        config: its configuration.
        views: of a scene, for reconstruction; the graph takes exactly so many.
        size: (height, width) in pixels to take exactly, instead of any.
    """
    side = config.patch_size
    height, width = size or (grid * side for grid in _EXAMPLE_GRID)
    inner = () if views is None else (views,)
    example = torch.zeros(2, *inner, config.num_channels, height, width)
    dynamic: dict[int, Any] = {0: Dim("batch", min=1, max=LARGEST_BATCH)}
    if size is None:
        rows, columns = (Dim(name, min=SMALLEST_GRID, max=LARGEST_GRID) for name in ("rows", "columns"))
        dynamic |= {example.dim() - 2: side * rows, example.dim() - 1: side * columns}
    with torch.no_grad():
        return torch.export.export(forward, (example,), dynamic_shapes={"pixel_values": dynamic})
