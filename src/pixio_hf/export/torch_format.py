# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""torch.export's own files: one graph with its weights, that runs wherever torch does, without this package's models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram


def write(
    program: ExportedProgram,
    path: Path,
    names: Sequence[str],
    dtype: str,
    calibration: Sequence[Tensor],
    opset: int | None = None,
) -> dict[str, Any]:
    """Write `model.pt2`."""
    torch.export.save(program, path)
    return {}


class TorchSession:
    """A graph of torch.export, on the CPU, in as many threads as torch uses (torch.set_num_threads)."""

    def __init__(self, path: Path):
        try:
            self.module = torch.export.load(path).module()
        except Exception as error:  # of another version of the file: a class of its own each
            raise ValueError(
                f"torch {torch.__version__} cannot open {path.name}: {error} Export again with this version of torch."
            ) from error

    def run(self, pixel_values: Tensor) -> list[Tensor]:
        """float32 images to the model's tensors."""
        with torch.inference_mode():
            return list(self.module(pixel_values))


def open_session(path: Path, dtype: str, num_threads: int | None = None) -> TorchSession:
    """Open a model that `write` made.

    Raises:
        ValueError: another version of torch made it, or a number of threads for this one.
    """
    if num_threads is not None:
        raise ValueError("num_threads of format torch is torch's own: call torch.set_num_threads.")
    return TorchSession(path)
