# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""OpenVINO: converted from torch's graph, in which attention stays one operation, and run with OpenVINO.

optimum-intel would do both for many models, but holds transformers below the releases that this package needs.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import openvino  # pyright: ignore[reportMissingImports]
import torch
from openvino import opset13  # pyright: ignore[reportMissingImports]
from torch import Tensor
from torch.export import ExportedProgram

_NEXT_TO_NOTHING = 2.0**-14  # the smallest normal number of float16


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
        add_missing_biases(model)
    openvino.save_model(model, str(path), compress_to_fp16=dtype != "float32")
    return {}


def add_missing_biases(model: openvino.Model) -> None:
    """Give every convolution without a bias one of next to nothing, in place.

    OpenVINO (2026.4.1, CPU) loses the scale of an 8-bit convolution that has none: its outputs vanish. A bias of zero
    would be optimised away.
    """
    for convolution in model.get_ordered_ops():
        if convolution.get_type_name() != "Convolution":
            continue
        output = convolution.output(0)
        consumers = output.get_target_inputs()
        if any(_is_bias(consumer) for consumer in consumers):
            continue
        shape = (1, output.get_partial_shape()[1].get_length(), 1, 1)
        biased = opset13.add(output, opset13.constant(np.full(shape, _NEXT_TO_NOTHING, np.float32)))
        for consumer in consumers:
            consumer.replace_source_output(biased.output(0))
    model.validate_nodes_and_infer_types()


def _is_bias(consumer: Any) -> bool:
    """Whether an input is that of an addition whose other operand is a constant, stored in any way."""
    node = consumer.get_node()
    if node.get_type_name() != "Add":
        return False
    other = node.input_value(1 - consumer.get_index()).get_node()
    return other.get_type_name() in ("Constant", "Convert", "Reshape")


class OpenVinoSession:
    """A model in OpenVINO, on the CPU."""

    def __init__(self, path: Path, dtype: str, num_threads: int | None):
        # Where a CPU has instructions for bfloat16, OpenVINO would compute float32 models in it unasked.
        precision = {"float32": "f32", "float16": "f32", "int8-weights": "f32", "bfloat16": "bf16"}
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision[dtype]} if dtype in precision else {}
        if num_threads is not None:
            settings["INFERENCE_NUM_THREADS"] = num_threads
        self._of_thread = local()
        try:
            self.model = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            raise ValueError(
                f"openvino {openvino.__version__} cannot open {path.name}: {str(error).strip().splitlines()[-1]}. Install"
                " the version that the folder's pixio_export.json names, or export again."
            ) from error

    def run(self, pixel_values: Tensor) -> list[Tensor]:
        """float32 images to the model's tensors."""
        # One for each thread: a request takes one batch at a time, and refuses others meanwhile.
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self.model.create_infer_request()
        # Copies: OpenVINO's own memory is written again by the next call.
        return [torch.tensor(output) for output in self._of_thread.request.infer(pixel_values.numpy()).values()]


def open_session(path: Path, dtype: str, num_threads: int | None = None) -> OpenVinoSession:
    """Open a model that `write` made: float32, float16 and int8-weights compute in float32, bfloat16 in bfloat16.

    What int8 does not quantise is computed as OpenVINO prefers on this CPU.

    Raises:
        ValueError: the runtime cannot open it.
    """
    return OpenVinoSession(path, dtype, num_threads)
