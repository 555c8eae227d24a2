# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Safetensors files and the index of their shards: names, shapes and types first, tensors mapped and not yet read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .checkpoint_files import check_inside
from .text_files import read_json_object

_MAX_INDEX_BYTES = 32 * 2**20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}


@dataclass(frozen=True)
class StoredTensor:
    """Shape and dtype of a tensor in a file."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def read_header(file: Path) -> dict[str, StoredTensor]:
    """What a safetensors file says it holds; no tensor is read.

    Raises:
        ValueError: truncated or damaged, or a tensor of a type that no model here has.
    """
    stored = {}
    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118, an opened file is no mapping
                view = opened.get_slice(name)
                dtype = view.get_dtype()
                if dtype not in _DTYPES:
                    raise ValueError(f"{file} holds {name} as {dtype}; convert it to a floating-point type first.")
                stored[name] = StoredTensor(tuple(view.get_shape()), _DTYPES[dtype])
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{file} is truncated or damaged: {error}. Download it again.") from error
    return stored


def map_tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of the files as views of the mapped files: nothing is read before it is used.

    Raises:
        ValueError: truncated or damaged.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                tensors.update({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
        except (SafetensorError, OSError, RuntimeError) as error:
            raise ValueError(f"{file} is truncated or damaged: {error}. Download it again.") from error
    return tensors


def read_index(index: Path, linked_from: Path | None = None) -> dict[str, str]:
    """File of every tensor, as an index of shards names it; all files are there and lie beside it.

    `linked_from` is as for check_inside.

    Raises:
        ValueError: no index, or one that names a shard elsewhere, which could be any file of the machine.
    """
    weight_map = read_json_object(index, _MAX_INDEX_BYTES).get("weight_map")
    if (
        not isinstance(weight_map, dict)
        or not weight_map
        or not all(type(file) is str for file in weight_map.values())
    ):
        raise ValueError(f"{index} is no index of safetensors shards: it names no weights and their files.")
    for shard in sorted(set(weight_map.values())):
        if not shard or "\0" in shard or Path(shard).name != shard:
            raise ValueError(
                f"{index} names the shard {shard[:200]}, which is not in its folder: it lies outside of the folder."
            )
        check_inside(index.parent, [shard], linked_from)
        if not (index.parent / shard).is_file():
            raise ValueError(f"{index} names the shard {shard[:200]}, which is not in its folder. Download it again.")
    return weight_map
