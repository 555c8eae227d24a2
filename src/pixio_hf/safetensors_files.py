# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Safetensors files and the index of their shards: names, shapes and types first, tensors mapped and not yet read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

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


def read_headers(files: Mapping[Path, set[str] | None]) -> dict[str, StoredTensor]:
    """What several files hold together; each has the names that list_weight_files expects in it.

    Raises:
        ValueError: as read_header; index and files contradict each other, or two files hold one name.
    """
    stored: dict[str, StoredTensor] = {}
    for file, expected in files.items():
        found = read_header(file)
        if expected is not None and expected != set(found):
            name = min(expected ^ set(found))
            holder = "the index names" if name in expected else "the shard holds"
            raise ValueError(f"{file} and the index beside it contradict each other: only {holder} {name}.")
        if twice := stored.keys() & found.keys():
            raise ValueError(f"{file.parent} holds {min(twice)} twice, in two of its shards.")
        stored.update(found)
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


def list_weight_files(folder: Path, linked_from: Path | None = None) -> Mapping[Path, set[str] | None]:
    """The weight files of a saved model, each with the names that the index expects in it; none without an index.

    Empty where the folder holds neither model.safetensors nor an index of shards. `linked_from` is the `source` of
    check_inside.

    Raises:
        ValueError: both of them, entries that lead out of the folder, or whatever read_index refuses.
    """
    single, index = folder / SAFE_WEIGHTS_NAME, folder / SAFE_WEIGHTS_INDEX_NAME
    check_inside(folder, (single.name, index.name), linked_from)
    if single.is_file() and index.is_file():
        raise ValueError(f"{folder} holds both {single.name} and {index.name}. Name one file, or move one away.")
    if single.is_file():
        return {single: None}
    shards: defaultdict[Path, set[str]] = defaultdict(set)
    for name, shard in read_index(index, linked_from).items() if index.is_file() else ():
        shards[folder / shard].add(name)
    return {**shards}


def read_index(index: Path, linked_from: Path | None = None) -> dict[str, str]:
    """File of every tensor, from an index of shards; checks that all files lie beside it.

    `linked_from` is the `source` of check_inside.

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
