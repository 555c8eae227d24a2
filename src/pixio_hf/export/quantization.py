# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Eight bits: NNCF quantises ONNX and OpenVINO models alike, with photographs or by their weights alone."""

from collections.abc import Sequence
from typing import Any

import nncf  # pyright: ignore[reportMissingImports]
import numpy as np
from torch import Tensor


def quantize(model: Any, dtype: str, calibration: Sequence[Tensor]) -> Any:
    """A quantised copy of an openvino.Model or an onnx.ModelProto.

    "int8": weights and activations, whose ranges are those that occur on `calibration`, each (1, 3, H, W) or (1, V, 3,
    H, W). Attention, LayerNorm and softmax keep their type, as NNCF's transformer mode has it. "int8-weights": weights
    alone, one scale per output channel.
    """
    if dtype == "int8-weights":
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)

    def to_input(pixel_values: Tensor) -> dict[str, np.ndarray]:
        return {"pixel_values": pixel_values.numpy()}

    return nncf.quantize(
        model,
        nncf.Dataset(list(calibration), to_input),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(calibration),
    )
