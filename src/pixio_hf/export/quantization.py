# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Eight bits: NNCF quantises ONNX and OpenVINO models alike, with photographs or by their weights alone."""

from collections.abc import Sequence
from typing import Any

import nncf  # pyright: ignore[reportMissingImports]
import numpy as np
from nncf.quantization.range_estimator import (  # pyright: ignore[reportMissingImports]
    RangeEstimatorParametersSet,
)
from torch import Tensor


def quantize(model: Any, dtype: str, calibration: Sequence[Tensor]) -> Any:
    """A quantised copy of an openvino.Model or an onnx.ModelProto.

    "int8": weights and activations, whose ranges are those that occur on `calibration`, each (1, 3, H, W) or (1, V, 3,
    H, W). Attention, LayerNorm and softmax keep their type, as NNCF's transformer mode has it, and so do maps that are
    resized, the last of which are the predictions. "int8-weights": weights alone, one scale per output channel.
    """
    if dtype == "int8-weights":
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)

    def to_input(pixel_values: Tensor) -> dict[str, np.ndarray]:
        return {"pixel_values": pixel_values.numpy()}

    return nncf.quantize(
        model,
        nncf.Dataset(list(calibration), to_input),
        model_type=nncf.ModelType.TRANSFORMER,
        # Their names in OpenVINO and in ONNX; a model has one of them or, as an encoder for one size, none.
        ignored_scope=nncf.IgnoredScope(types=["Interpolate", "Resize"], validate=False),
        # NNCF's own choice, the mean of the photographs' largest numbers, cuts off a photograph that is unlike the others.
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
        subset_size=len(calibration),
    )
