# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""OpenVINO: converted from torch's graph, in which attention stays one operation, and run with OpenVINO.

optimum-intel would do both for many models, but holds transformers below the releases that this package needs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openvino  # pyright: ignore[reportMissingImports]
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
    """Write `openvino_model.xml` and `.bin`; float16 and bfloat16 weights are stored as float16, half the size."""
    model = openvino.convert_model(program)
    for output, name in zip(model.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    if dtype.startswith("int8"):
        from .quantization import quantize

        model = quantize(model, dtype, calibration)
    openvino.save_model(model, str(path), compress_to_fp16=dtype != "float32")
    return {}


class OpenVinoSession:
    """A model in OpenVINO, on the CPU."""

    def __init__(self, path: Path, dtype: str, num_threads: int | None):
        # Where a CPU has instructions for bfloat16, OpenVINO would compute float32 models in it unasked.
        precision = {"float32": "f32", "float16": "f32", "int8-weights": "f32", "bfloat16": "bf16"}
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision[dtype]} if dtype in precision else {}
        if num_threads is not None:
            settings["INFERENCE_NUM_THREADS"] = num_threads
        try:
            self.model = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            raise ValueError(
                f"openvino {openvino.__version__} cannot open {path.name}: {str(error).strip().splitlines()[-1]}. Install"
                " the version that the folder's pixio_export.json names, or export again."
            ) from error

    def run(self, pixel_values: Tensor) -> list[Tensor]:
        """float32 images to the model's tensors."""
        # Copies: OpenVINO's own memory is written again by the next call.
        return [torch.tensor(output) for output in self.model(pixel_values.numpy()).values()]


def open_session(path: Path, dtype: str, num_threads: int | None = None) -> OpenVinoSession:
    """Open a model that `write` made: float32, float16 and int8-weights compute in float32, bfloat16 in bfloat16.

    What int8 does not quantise is computed as OpenVINO prefers on this CPU.

    Raises:
        ValueError: the runtime cannot open it.
    """
    return OpenVinoSession(path, dtype, num_threads)
