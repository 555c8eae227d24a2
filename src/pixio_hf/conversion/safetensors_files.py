# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Safetensors: one file, or a folder with one file or with shards and their index; always memory-mapped."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..checkpoint_files import check_inside
from ..text_files import read_json_object
from .file_format import SAFETENSORS, StoredTensor, StoredWeights, identify_file

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
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


def open_safetensors(path: Path) -> StoredWeights:
    """Read the header of a safetensors file, or of those that a folder holds.

    Raises:
        ValueError: truncated or damaged, a shard is missing, or shards and index contradict each other.
    """
    files = _list_files(path) if path.is_dir() else {path: None}
    stored: dict[str, StoredTensor] = {}
    for file, expected in files.items():
        found = _read_header(file)
        if expected is not None and expected != set(found):
            name = min(expected ^ set(found))
            holder = "the index names" if name in expected else "the shard holds"
            raise ValueError(f"{file} and the index beside it contradict each other: only {holder} {name}.")
        if twice := stored.keys() & found.keys():
            raise ValueError(f"{path} holds {min(twice)} twice, in two of its shards.")
        stored.update(found)
    return StoredWeights(file_format="safetensors", stored=stored, load=lambda: _map_tensors(list(files)))


def _list_files(folder: Path) -> dict[Path, set[str] | None]:
    """The files of a folder, each with the names that its index expects in it."""
    single, index = folder / SINGLE_FILE, folder / INDEX_FILE
    check_inside(folder, (SINGLE_FILE, INDEX_FILE))
    if single.is_file() and index.is_file():
        raise ValueError(f"{folder} holds both {SINGLE_FILE} and {INDEX_FILE}. Name one file, or move one away.")
    if single.is_file():
        return {_check_format(single): None}
    if not index.is_file():
        others = sorted(
            file.name for file in folder.iterdir() if file.suffix in (".pth", ".pt", ".bin", ".safetensors")
        )
        hint = f" Name one of its files instead: {', '.join(others[:5])}." if others else ""
        raise ValueError(f"{folder} holds neither {SINGLE_FILE} nor {INDEX_FILE}.{hint}")
    files: dict[Path, set[str] | None] = {}
    for name, shard in read_index(index).items():
        expected = files.setdefault(folder / shard, set())
        assert expected is not None
        expected.add(name)
    for file in files:
        _check_format(file)
    return files


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


def _check_format(file: Path) -> Path:
    if identify_file(file) != SAFETENSORS:
        raise ValueError(
            f"{file} is no safetensors file, whatever its name says. Rename it, and convert it by itself."
        )
    return file


def _read_header(file: Path) -> dict[str, StoredTensor]:
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


def _map_tensors(files: list[Path]) -> Mapping[str, Tensor]:
    """All tensors of the files as views of the mapped files: nothing is read before it is used."""
    tensors = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                tensors.update({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
        except (SafetensorError, OSError, RuntimeError) as error:
            raise ValueError(f"{file} is truncated or damaged: {error}. Download it again.") from error
    return tensors
