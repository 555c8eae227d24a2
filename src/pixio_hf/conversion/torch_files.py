# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files of torch.save: outlined and checked first, then opened through torch's restricted loader.

torch maps the weights straight from the file and never looks at their checksums, so a flipped bit would become a weight;
the records of the zip archive are therefore compared with their checksums here. All messages are ends of sentences that
begin with the file's name.
"""

import argparse
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .pickle_outline import TensorOutline, outline_pickle

# Keys under which training code keeps the state dict; the first that exists holds the model.
WRAPPERS = ("model", "state_dict", "model_state_dict")
ROLES = ("teacher", "student")
MAX_PICKLE_BYTES = 16 * 2**20  # the largest known, 5B-sized with optimizer state, has under one megabyte
_PLAIN = (bool, int, float, str, type(None))
# magic, version, flags, method, time, date, CRC-32, two sizes, lengths of name and extra field
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_DESCRIPTOR = struct.Struct("<4sI")  # magic and CRC-32; sizes of four or eight bytes follow
_HAS_DESCRIPTOR = 0x08
_IN_EXTRA_FIELD = 0xFFFFFFFF  # a size that does not fit into 32 bits
_CHUNK = 4 * 2**20


@dataclass(frozen=True)
class TorchOutline:
    """What a file of torch.save holds, known before any tensor of it is touched.

    `tensors` lie below `keys` in the saved object; `beside` is what lies around them. `records` are those of the archive.
    """

    tensors: Mapping[str, TensorOutline]
    keys: tuple[str, ...]
    beside: Mapping[str, Any]
    records: Mapping[str, zipfile.ZipInfo]

    def stray_tensors(self) -> tuple[str, ...]:
        """Names of tensors outside the state dict."""
        return tuple(str(name) for name, value in self.beside.items() if isinstance(value, TensorOutline))

    def training_state(self) -> dict[str, Any]:
        """Plain values beside the weights, and the plain ones of `args`; never tensors."""
        state: dict[str, Any] = {str(key): value for key, value in self.beside.items() if isinstance(value, _PLAIN)}
        if isinstance(arguments := self.beside.get("args"), dict):
            state["args"] = {str(key): value for key, value in arguments.items() if _is_plain(value)}
        return state


def outline_torch_file(path: Path) -> TorchOutline:
    """Outline a file of torch.save and check its records, but for the weights' own bytes.

    Raises:
        ValueError: truncated or damaged, needs a global other than argparse.Namespace, or holds no state dict.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            records = _list_records(archive)
        # All but the weights, which are checked when they are opened, and records that torch does not use.
        is_weight = {name: name.startswith("data/") for name in records}
        small = [name for name, info in records.items() if not is_weight[name] and info.file_size <= MAX_PICKLE_BYTES]
        _check_records(path, records, small)
        with path.open("rb") as file:
            file_size = path.stat().st_size
            file.seek(_find_record(file, records["data.pkl"], file_size))
            outline, storages = outline_pickle(file.read(records["data.pkl"].file_size))
            for storage in storages.values():
                record = records.get(f"data/{storage.key}")
                if record is None or record.file_size != storage.num_bytes:
                    found = "is missing" if record is None else f"has {record.file_size} bytes"
                    raise ValueError(
                        f"is damaged: its storage {storage.key!r} {found}, but needs {storage.num_bytes} bytes."
                    )
                _find_record(file, record, file_size)
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"is truncated or damaged: as a zip archive it has no readable end ({error}). Download it again."
        ) from error
    except ValueError:
        raise
    except Exception as error:  # for damaged numbers the zip module raises errors of many types
        raise ValueError(f"is a damaged zip archive ({error}). Download it again.") from error
    keys, state = _find_state_dict(outline)
    tensors = {name: value for name, value in state.items() if isinstance(value, TensorOutline)}
    if others := [name for name in state if name not in tensors or not isinstance(name, str)]:
        raise ValueError(
            f"has {len(others)} entries among its weights that are no tensors, for example {others[0]!r}. Save the state"
            " dict alone."
        )
    beside = {name: value for name, value in outline.items() if keys and name != keys[0]}
    return TorchOutline(tensors, keys, beside, records)


def map_torch_tensors(path: Path, outline: TorchOutline) -> dict[str, Tensor]:
    """The tensors that an outline describes, as views of the mapped file.

    Their bytes are read once, to compare their checksums; those of an optimizer are not.

    Raises:
        ValueError: damaged.
    """
    _check_records(path, outline.records, {f"data/{tensor.storage.key}" for tensor in outline.tensors.values()})
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            loaded: Any = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # damaged bytes make torch raise almost anything
        reason = str(error).strip().split("\n")[0]
        raise ValueError(f"is damaged: torch cannot open it ({reason}). Download it again.") from error
    for key in outline.keys:
        loaded = loaded[key]
    tensors = {name: dict.__getitem__(loaded, name) for name in outline.tensors}
    # The loader reads the file a second time, with other code: it must find what was checked.
    for name, described in outline.tensors.items():
        tensor = tensors[name]
        is_same = (
            type(tensor) in (Tensor, torch.nn.Parameter)
            and tuple(tensor.shape) == described.shape
            and tensor.dtype == described.dtype
            and tensor.untyped_storage().nbytes() == described.storage.num_bytes
        )
        if not is_same:
            raise ValueError(f"is damaged: it describes {name} in two ways. Download it again.")
    return tensors


def _list_records(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Records of an archive by name, without the archive's own name in front, as torch asks for them.

    Raises:
        ValueError: not an archive of torch.save, or a damaged one.
    """
    infos = archive.infolist()
    records = {info.filename.partition("/")[2]: info for info in infos}
    if "constants.pkl" in records:
        raise ValueError("is a TorchScript archive, which holds code. Save the model's state dict instead.")
    if "data.pkl" not in records:
        raise ValueError("is a zip archive, but none of torch.save: it holds no data.pkl. Unpack it if need be.")
    if len(records) != len(infos):
        raise ValueError("is damaged: two of its records have the same name.")
    if compressed := [name for name, info in records.items() if info.compress_type != zipfile.ZIP_STORED]:
        raise ValueError(f"has compressed records ({compressed[0]}), which torch.save never writes.")
    if wrong := [name for name, info in records.items() if info.compress_size != info.file_size]:
        raise ValueError(f"is damaged: its directory gives {wrong[0]} two sizes. Download it again.")
    if records["data.pkl"].file_size > MAX_PICKLE_BYTES:
        raise ValueError(f"has a pickle of more than {MAX_PICKLE_BYTES} bytes beside its tensors; none needs that.")
    return records


def _find_record(file: BinaryIO, record: zipfile.ZipInfo, file_size: int) -> int:
    """Where the bytes of a stored record begin: behind its own header, a name and padding.

    Raises:
        ValueError: the header is missing or contradicts the directory, or the record ends beyond the file.
    """
    file.seek(record.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"is damaged: its record {record.filename!r} has no header. Download it again.")
    _, _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    name = file.read(name_length)
    start = record.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    end = start + record.file_size
    if end > file_size:
        raise ValueError(f"is truncated: its record {record.filename!r} ends beyond the end of the file.")
    # A writer that streams leaves numbers out here and puts them behind the data.
    unknown = {0} if flags & _HAS_DESCRIPTOR else set()
    agrees = (
        name.decode("utf-8" if flags & 0x800 else "cp437", errors="replace") == record.orig_filename
        and method == record.compress_type
        and crc in unknown | {record.CRC}
        and {compressed_size, size} <= unknown | {record.file_size, _IN_EXTRA_FIELD}
    )
    if agrees and flags & _HAS_DESCRIPTOR:
        file.seek(end)
        descriptor = file.read(_DESCRIPTOR.size)
        agrees = len(descriptor) == _DESCRIPTOR.size
        agrees = agrees and (descriptor[:4] != b"PK\x07\x08" or _DESCRIPTOR.unpack(descriptor)[1] == record.CRC)
    if not agrees:
        raise ValueError(
            f"is damaged: its record {record.filename!r} and the archive's directory contradict each other. Download it"
            " again."
        )
    return start


def _check_records(path: Path, records: Mapping[str, zipfile.ZipInfo], names: Iterable[str]) -> None:
    """Compare the checksum of the named records with their bytes: one pass over them, in a buffer of a few megabytes.

    Raises:
        ValueError: names the first record that is damaged.
    """
    chosen = sorted((records[name] for name in names), key=lambda record: record.header_offset)
    file_size, buffer = path.stat().st_size, memoryview(bytearray(_CHUNK))
    total = sum(record.file_size for record in chosen)
    bar = tqdm(total=total, desc="checking", unit="B", unit_scale=True, delay=0.5)
    with path.open("rb", buffering=0) as file, bar:
        for record in chosen:
            file.seek(_find_record(file, record, file_size))
            checksum, left = 0, record.file_size
            while left and (count := file.readinto(buffer[: min(left, _CHUNK)])):
                checksum = zlib.crc32(buffer[:count], checksum)
                left -= count
                bar.update(count)
            if left or checksum != record.CRC:
                raise ValueError(
                    f"is damaged: the checksum (CRC-32) of its record {record.filename!r} is wrong. Download it again."
                )


def _find_state_dict(outline: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
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
                f"holds the weights of several models ({', '.join(roles)}). Load it with torch.load and save the one that"
                " you want alone."
            )
        if wrapper is None and not roles:
            break
        key = wrapper or roles[0]
        keys, outline = (*keys, key), outline[key]
    if not isinstance(outline, dict) or not any(isinstance(value, TensorOutline) for value in outline.values()):
        raise ValueError(
            "holds no state dict: expected a mapping of names to tensors, bare or below one of"
            f" {', '.join(WRAPPERS + ROLES)}."
        )
    return keys, outline


def _has_tensors(value: dict[Any, Any]) -> bool:
    """True for a state dict, or a wrapper around one."""
    inner = [value[key] for key in WRAPPERS + ROLES if isinstance(value.get(key), dict)]
    return any(isinstance(entry, TensorOutline) for layer in (value, *inner) for entry in layer.values())


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (
        isinstance(value, list | tuple) and all(isinstance(item, _PLAIN) for item in value)
    )
