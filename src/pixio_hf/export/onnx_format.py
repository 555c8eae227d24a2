# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""ONNX: written with torch's exporter, run with ONNX Runtime.

optimum-onnx would do both for many models, but asks for transformers < 5, which has no Pixio.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime  # pyright: ignore[reportMissingImports]
import torch
from torch import Tensor
from torch.export import ExportedProgram

DEFAULT_OPSET = 20
_LARGEST_FILE = 2**31 - 2**20  # of protobuf, less some room for the graph


def write(
    program: ExportedProgram,
    path: Path,
    names: Sequence[str],
    dtype: str,
    calibration: Sequence[Tensor],
    opset: int | None = None,
) -> dict[str, Any]:
    """Write `model.onnx`, with its weights in a file of their own beyond 2 GB; returns what to note about it."""
    opset = DEFAULT_OPSET if opset is None else opset
    written = torch.onnx.export(
        program,
        (),
        dynamo=True,
        verbose=False,
        input_names=["pixel_values"],
        output_names=list(names),
        opset_version=opset,
    )
    assert written is not None
    num_bytes = sum(tensor.nbytes for tensor in program.state_dict.values())
    if not dtype.startswith("int8"):
        written.save(str(path), external_data=num_bytes > _LARGEST_FILE)
    else:
        import onnx  # pyright: ignore[reportMissingImports]

        from .quantization import quantize

        quantized = quantize(written.model_proto, dtype, calibration)
        onnx.save(quantized, str(path), save_as_external_data=num_bytes > _LARGEST_FILE)
    return {"opset": opset}


class OnnxSession:
    """A model in ONNX Runtime, on the CPU."""

    def __init__(self, path: Path, num_threads: int | None):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if num_threads is not None:
            options.intra_op_num_threads = num_threads
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own classes, one for each reason
            raise ValueError(
                f"onnxruntime {onnxruntime.__version__} cannot open {path.name}: {error}. Install a newer onnxruntime, or"
                " export with a lower opset."
            ) from error

    def run(self, pixel_values: Tensor) -> list[Tensor]:
        """float32 images to the model's tensors."""
        outputs = self.session.run(None, {"pixel_values": pixel_values.numpy()})
        return [torch.from_numpy(output) for output in outputs]


def open_session(path: Path, dtype: str, num_threads: int | None = None) -> OnnxSession:
    """Open a model that `write` made; ONNX Runtime takes its number format from the file.

    Raises:
        ValueError: the runtime cannot open it.
    """
    return OnnxSession(path, num_threads)
