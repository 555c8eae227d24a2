# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Users' arrays, tensors, images and lists of any layout to plain arrays and tensors. Pure functions."""

from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

_WIDE_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)


def to_array(values: Any, masked: float | None = None) -> np.ndarray:
    """Array, tensor, PIL image or nested list of these or of numbers -> array in native byte order and C order.

    Shape and dtype are kept, except for types that NumPy or torch lacks: bfloat16 and float8 become float32, long
    double becomes float64. Any strides, byte order, subclass (np.matrix) or device will do; the result may be
    read-only. `masked` replaces the masked values of a masked array.

    Raises:
        ValueError: no numbers, lists of unequal lengths, or masked values where `masked` is None.
    """
    if isinstance(values, Tensor):
        return _to_native_tensor(values).numpy()
    if isinstance(values, list | tuple) and values and not np.isscalar(values[0]):
        return np.stack([to_array(value, masked) for value in values])
    if np.ma.isMaskedArray(values) and np.ma.is_masked(values):
        if masked is None:
            raise ValueError(
                f"{int(np.ma.count_masked(values))} values are masked; replace them first, with values.filled(...)."
            )
        # A type that also holds the replacement: 255 does not fit into int8.
        wide = np.promote_types(values.dtype, np.min_scalar_type(masked))
        values = np.ma.filled(values.astype(wide), masked)
    array = np.asarray(values)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"expected numbers, got an array of dtype {array.dtype}.")
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)
    return np.asarray(array, dtype=dtype, order="C")


def to_tensor(values: Any, masked: float | None = None) -> Tensor:
    """Like `to_array`, but a tensor that torch can compute with: unsigned integers wider than a byte become int64.

    A tensor stays on its device, and bfloat16 stays bfloat16.

    Raises:
        ValueError: as `to_array`, or whole numbers beyond int64.
    """
    if isinstance(values, Tensor):
        tensor = values.detach()
        if tensor.dtype.is_floating_point and tensor.dtype.itemsize == 1:
            tensor = tensor.float()
    else:
        array = to_array(values, masked)
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    if tensor.dtype not in _WIDE_UNSIGNED:
        return tensor
    wide = tensor.to(torch.int64)
    if tensor.dtype == torch.uint64 and (wide < 0).any():
        raise ValueError("whole numbers must be below 2^63; these are larger.")
    return wide


def to_class_tensor(values: Any, masked: float | None = None) -> Tensor:
    """Like `to_tensor`, but integers and bools become int64. Floats stay floats; later checks refuse them.

    In uint8, an ignored -100 would wrap around to class 156.
    """
    tensor = to_tensor(values, masked)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.to(torch.int64)


def is_image_or_array(value: Any) -> bool:
    """True for what `to_array` takes, except lists: PIL images, arrays and tensors."""
    return isinstance(value, PIL.Image.Image | np.ndarray | Tensor)


def _to_native_tensor(tensor: Tensor) -> Tensor:
    """Tensor on the CPU, dense and of a type that NumPy has."""
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    known = (torch.float16, torch.float32, torch.float64)
    return tensor.float() if tensor.is_floating_point() and tensor.dtype not in known else tensor
