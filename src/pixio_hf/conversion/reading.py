# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Open a Pixio checkpoint of any origin: what kind it is, and its tensors, which stay in the file until they are used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from ..checkpoint_files import check_inside
from ..safetensors_files import StoredTensor, map_tensors, read_header, read_index
from .file_format import SAFETENSORS, StoredWeights, identify_file
from .layouts import KINDS, recognize_layout
from .torch_files import open_torch_file

__all__ = ["KINDS", "SourceCheckpoint", "read_checkpoint"]

MAX_MESSAGE = 1200


@dataclass(frozen=True)
class SourceCheckpoint:
    """A complete Pixio checkpoint, checked by names, shapes and dtypes.

    Attributes:
        path: the file, or the folder of a safetensors repository.
        file_format: "torch" or "safetensors".
        naming: "original" (SPEC 1.5) or "hub" (the official Hub naming; other spellings are renamed to it).
        kind: one of KINDS.
        head_type: "dpt" or "linear" for depth and segmentation.
        tensors: names of `naming` without `prefix`. Views of the mapped file, which take no memory before they are used.
            Only torch's format of before 1.6 is read into memory.
        prefix: what stood before every name, such as "module." or, in a larger model's file, "encoder.model.".
        ignored_keys: tensors of the file that are no part of the Pixio model.
        training_state: plain values beside the weights, such as "epoch" and "args" (a dict).
    """

    path: Path
    file_format: str
    naming: str
    kind: str
    head_type: str | None
    tensors: Mapping[str, Tensor]
    prefix: str
    ignored_keys: tuple[str, ...]
    training_state: Mapping[str, Any]


def read_checkpoint(path: str | Path, kind: str = "auto", prefix: str | None = None) -> SourceCheckpoint:
    """Open a .pth or .pt file, a .safetensors file, or a folder with model.safetensors or with shards and their index.

    No code of a pickle runs. `kind` is checked against what the file holds; `prefix` names what stands before the
    encoder's names where a file holds several models.

    Raises:
        ValueError: no such file, no checkpoint, a damaged or incomplete one, or one of another model or kind.
    """
    try:
        return _open(Path(path).expanduser(), kind, prefix)
    except ValueError as error:
        raise ValueError(_clean(str(error))) from error


def _open(path: Path, kind: str, prefix: str | None) -> SourceCheckpoint:
    if not path.exists():
        raise ValueError(f"{path} does not exist. Name a checkpoint file, or a folder with safetensors files.")
    if not path.is_dir() and not path.is_file():
        raise ValueError(f"{path} is neither a file nor a folder.")
    file_format = SAFETENSORS if path.is_dir() else identify_file(path)
    weights = _open_safetensors(path) if file_format == SAFETENSORS else open_torch_file(path, file_format)
    try:
        layout = recognize_layout(weights.stored, kind, prefix)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
    tensors = weights.load()
    return SourceCheckpoint(
        path=path,
        file_format=weights.file_format,
        naming=layout.naming,
        kind=layout.kind,
        head_type=layout.head_type,
        tensors={name: tensors[file_name] for name, file_name in layout.names.items()},
        prefix=layout.prefix,
        ignored_keys=layout.ignored_keys + weights.stray_tensors,
        training_state=weights.training_state,
    )


def _open_safetensors(path: Path) -> StoredWeights:
    """Read the header of a safetensors file, or of those that a folder holds.

    Raises:
        ValueError: truncated or damaged, a shard is missing, or shards and index contradict each other.
    """
    files = _list_files(path) if path.is_dir() else {path: None}
    stored: dict[str, StoredTensor] = {}
    for file, expected in files.items():
        found = read_header(file)
        if expected is not None and expected != set(found):
            name = min(expected ^ set(found))
            holder = "the index names" if name in expected else "the shard holds"
            raise ValueError(f"{file} and the index beside it contradict each other: only {holder} {name}.")
        if twice := stored.keys() & found.keys():
            raise ValueError(f"{path} holds {min(twice)} twice, in two of its shards.")
        stored.update(found)
    return StoredWeights(file_format="safetensors", stored=stored, load=lambda: map_tensors(files))


def _list_files(folder: Path) -> dict[Path, set[str] | None]:
    """The files of a folder, each with the names that its index expects in it."""
    single, index = folder / SAFE_WEIGHTS_NAME, folder / SAFE_WEIGHTS_INDEX_NAME
    check_inside(folder, (SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME))
    if single.is_file() and index.is_file():
        raise ValueError(f"{folder} holds both {single.name} and {index.name}. Name one file, or move one away.")
    if single.is_file():
        return {_check_format(single): None}
    if not index.is_file():
        others = sorted(
            file.name for file in folder.iterdir() if file.suffix in (".pth", ".pt", ".bin", ".safetensors")
        )
        hint = f" Name one of its files instead: {', '.join(others[:5])}." if others else ""
        raise ValueError(f"{folder} holds neither {single.name} nor {index.name}.{hint}")
    files: dict[Path, set[str] | None] = {}
    for name, shard in read_index(index).items():
        expected = files.setdefault(folder / shard, set())
        assert expected is not None
        expected.add(name)
    for file in files:
        _check_format(file)
    return files


def _check_format(file: Path) -> Path:
    if identify_file(file) != SAFETENSORS:
        raise ValueError(
            f"{file} is no safetensors file, whatever its name says. Rename it, and convert it by itself."
        )
    return file


def _clean(message: str) -> str:
    """Names come from the file: keep a hostile or damaged one from filling or steering a terminal."""
    printable = "".join(character if character.isprintable() else "?" for character in message)
    if len(printable) <= MAX_MESSAGE:
        return printable
    return f"{printable[: MAX_MESSAGE * 3 // 4]} ... {printable[-MAX_MESSAGE // 4 :]}"
