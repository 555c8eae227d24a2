# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files of torch.save: outlined and checked first, then opened through torch's restricted loader."""

import argparse
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..safetensors_files import StoredTensor
from .file_format import TORCH_ZIP, StoredWeights
from .pickle_outline import StorageOutline, TensorOutline, outline_pickle
from .zip_records import MAX_PICKLE_BYTES, check_records, find_record, list_records

# Where training code keeps the state dict; the first that is there holds the model.
WRAPPERS = ("model", "state_dict", "model_state_dict")
ROLES = ("teacher", "student")
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_SIZE = struct.Struct("<q")
_PLAIN = (bool, int, float, str, type(None))


def open_torch_file(path: Path, file_format: str) -> StoredWeights:
    """Outline a file of torch.save in either of its formats; the zip format's tensors will be memory-mapped.

    Opening the tensors of a zip file reads them once, to compare their checksums; the older format has none.

    Raises:
        ValueError: truncated or damaged, needs a global other than argparse.Namespace, or holds no state dict.
    """
    outline, sizes, records = _outline_zip(path) if file_format == TORCH_ZIP else (*_outline_legacy(path), {})
    keys, state = _find_state_dict(path, outline)
    outlines = {name: value for name, value in state.items() if isinstance(value, TensorOutline)}
    if others := [name for name in state if name not in outlines or not isinstance(name, str)]:
        raise ValueError(
            f"{path} has {len(others)} entries among its weights that are no tensors, for example {others[0]!r}. "
            "Save the state dict alone."
        )
    beside = {name: value for name, value in outline.items() if keys and name != keys[0]}

    def load() -> Mapping[str, Tensor]:
        if records:
            # Of the weights alone: an optimizer's state is not read.
            storages = {f"data/{value.storage.key}" for value in outlines.values()}
            try:
                check_records(path, records, storages)
            except ValueError as error:
                raise ValueError(f"{path} {error}") from error
        loaded: Any = _load(path, mmap=file_format == TORCH_ZIP)
        for key in keys:
            loaded = loaded[key]
        tensors = {name: dict.__getitem__(loaded, name) for name in outlines}
        for name, tensor in tensors.items():
            _compare_with_outline(path, name, tensor, outlines[name], sizes)
        return tensors

    return StoredWeights(
        file_format="torch",
        stored={name: StoredTensor(value.shape, value.dtype) for name, value in outlines.items()},
        load=load,
        training_state=_collect_training_state(beside),
        stray_tensors=tuple(str(name) for name, value in beside.items() if isinstance(value, TensorOutline)),
    )


def _load(path: Path, mmap: bool) -> Any:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
    except Exception as error:  # damaged bytes make torch raise almost anything
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"{path} is damaged: torch cannot open it ({reason}). Download it again.") from error


def _compare_with_outline(path: Path, name: str, tensor: Any, outline: TensorOutline, sizes: dict[str, int]) -> None:
    """The loader has to have found what was checked: it reads the file a second time, with other code."""
    is_same = (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tuple(tensor.shape) == outline.shape
        and tensor.dtype == outline.dtype
        and tensor.untyped_storage().nbytes() == sizes[outline.storage.key]
    )
    if not is_same:
        raise ValueError(f"{path} is damaged: it describes {name} in two ways. Download it again.")


def _outline_zip(path: Path) -> tuple[Any, dict[str, int], dict[str, zipfile.ZipInfo]]:
    """The outline of data.pkl, the size of every storage in bytes, and the records that hold them."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = list_records(archive)
        # Everything but the weights, which are checked when they are opened, and what torch has no use for.
        is_weight = {name: name.startswith("data/") for name in records}
        small = [name for name, info in records.items() if not is_weight[name] and info.file_size <= MAX_PICKLE_BYTES]
        check_records(path, records, small)
        pickled = _read_record(path, records["data.pkl"])
        outline, storages = outline_pickle(io.BytesIO(pickled))
        with path.open("rb") as file:
            for storage in storages.values():
                record = records.get(f"data/{storage.key}")
                if record is None or record.file_size != storage.num_bytes:
                    found = "is missing" if record is None else f"has {record.file_size} bytes"
                    raise ValueError(
                        f"is damaged: its storage {storage.key!r} {found}, but needs {storage.num_bytes} bytes."
                    )
                find_record(file, record, path.stat().st_size)
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path} is truncated or damaged: as a zip archive it has no readable end ({error}). Download it again."
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    except Exception as error:  # the zip module meets damaged numbers with errors of many types
        raise ValueError(f"{path} is a damaged zip archive ({error}). Download it again.") from error
    return outline, {key: storage.num_bytes for key, storage in storages.items()}, records


def _read_record(path: Path, record: zipfile.ZipInfo) -> bytes:
    with path.open("rb") as file:
        file.seek(find_record(file, record, path.stat().st_size))
        return file.read(record.file_size)


def _outline_legacy(path: Path) -> tuple[Any, dict[str, int]]:
    """The outline of a file of torch before 1.6: five pickles, then each storage behind its number of elements."""
    file_size = path.stat().st_size
    with path.open("rb") as file:
        try:
            pickles = io.BytesIO(file.read(MAX_PICKLE_BYTES))
            for name, expected in (("magic number", _LEGACY_MAGIC), ("protocol", _LEGACY_PROTOCOL)):
                if outline_pickle(pickles)[0] != expected:
                    raise ValueError(f"is a pickle, but none of torch.save: its {name} is wrong.")
            outline_pickle(pickles)  # sizes of C types on the machine that wrote it
            outline, storages = outline_pickle(pickles)
            keys, _ = outline_pickle(pickles)
            if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
                raise ValueError("is damaged: its list of storages is not the one that its tensors use.")
            _check_legacy_storages(file, pickles.tell(), file_size, [storages[key] for key in keys])
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error
    return outline, {key: storage.num_bytes for key, storage in storages.items()}


def _check_legacy_storages(file: Any, position: int, file_size: int, storages: list[StorageOutline]) -> None:
    """Walk over the storages without reading them."""
    for storage in storages:
        file.seek(position)
        header = file.read(_SIZE.size)
        position += _SIZE.size + storage.num_bytes
        if position > file_size:
            raise ValueError(
                f"is truncated: its tensors end beyond byte {position}, but it has {file_size}. Download it again."
            )
        if _SIZE.unpack(header) != (storage.num_elements,):
            raise ValueError(f"is damaged: its storage {storage.key!r} has another size than its tensors need.")


def _find_state_dict(path: Path, outline: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The keys that lead to the state dict inside wrappers such as {"model": ...}, and its outline."""
    keys: tuple[str, ...] = ()
    for _ in range(3):
        if not isinstance(outline, dict):
            break
        holders = {key for key, value in outline.items() if isinstance(value, dict) and _has_tensors(value)}
        wrapper = next((key for key in WRAPPERS if key in holders), None)
        roles = [key for key in ROLES if key in holders]
        if wrapper is None and len(roles) > 1:
            raise ValueError(
                f"{path} holds the weights of several models ({', '.join(roles)}). Load it with torch.load and save the "
                "one that you want alone."
            )
        if wrapper is None and not roles:
            break
        key = wrapper or roles[0]
        keys, outline = (*keys, key), outline[key]
    if not isinstance(outline, dict) or not any(isinstance(value, TensorOutline) for value in outline.values()):
        raise ValueError(
            f"{path} holds no state dict: expected a mapping of names to tensors, bare or below one of "
            f"{', '.join(WRAPPERS + ROLES)}."
        )
    return keys, outline


def _has_tensors(value: dict[Any, Any]) -> bool:
    """True for a state dict, or a wrapper around one."""
    inner = [value[key] for key in WRAPPERS + ROLES if isinstance(value.get(key), dict)]
    return any(isinstance(entry, TensorOutline) for layer in (value, *inner) for entry in layer.values())


def _collect_training_state(beside: Mapping[Any, Any]) -> dict[str, Any]:
    """Plain values beside the weights, and the plain ones of `args`; never tensors."""
    state: dict[str, Any] = {str(key): value for key, value in beside.items() if isinstance(value, _PLAIN)}
    if isinstance(arguments := beside.get("args"), dict):
        state["args"] = {str(key): value for key, value in arguments.items() if _is_plain(value)}
    return state


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (
        isinstance(value, list | tuple) and all(isinstance(item, _PLAIN) for item in value)
    )
