# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Open a file or folder of weights of any origin: names, shapes and types first, tensors when they are asked for."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from torch import Tensor
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from ..safetensors_files import StoredTensor, list_weight_files, map_tensors, read_headers
from .torch_files import map_torch_tensors, outline_torch_file

TORCH, SAFETENSORS = "torch", "safetensors"

_SAMPLE_SIZE = 1024
_TAR_MAGIC = slice(257, 262)
_MAX_MESSAGE = 1200
_GATED = (
    "If the model is gated, open its page on the Hub, accept the licence, run `hf auth login`, and download again "
    "with `hf download`."
)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class StoredWeights:
    """What a file or folder holds, known before any tensor of it is touched.

    Attributes:
        path: the file, or the folder of a safetensors repository.
        file_format: TORCH or SAFETENSORS.
        stored: shape and type of every tensor, by its name in the file.
        load: opens all tensors as views of the mapped file, which take no memory before they are used. ValueError where
            the file turns out to be damaged.
        training_state: plain values beside the weights, such as "epoch" and "args" (a dict).
        stray_tensors: names of tensors outside the state dict.
    """

    path: Path
    file_format: str
    stored: Mapping[str, StoredTensor]
    load: Callable[[], Mapping[str, Tensor]]
    training_state: Mapping[str, Any] = field(default_factory=dict)
    stray_tensors: tuple[str, ...] = ()


def with_printable_errors(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorator: keep names from a hostile or damaged file from filling or steering a terminal through a ValueError."""

    @functools.wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            message = "".join(character if character.isprintable() else "?" for character in str(error))
            if len(message) > _MAX_MESSAGE:
                message = f"{message[: _MAX_MESSAGE * 3 // 4]} ... {message[-_MAX_MESSAGE // 4 :]}"
            raise ValueError(message) from error

    return checked


@with_printable_errors
def read_weights(path: str | Path) -> StoredWeights:
    """Open a .pth or .pt file, a .safetensors file, or a folder with model.safetensors or with shards and their index.

    No code of a pickle runs.

    Raises:
        ValueError: no such file, no weights, or damaged ones.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise ValueError(f"{path} does not exist. Name a checkpoint file, or a folder with safetensors files.")
    if not path.is_dir() and not path.is_file():
        raise ValueError(f"{path} is neither a file nor a folder.")
    if path.is_dir() or identify_file(path) == SAFETENSORS:
        files: Mapping[Path, set[str] | None] = _list_files(path) if path.is_dir() else {path: None}
        return StoredWeights(path, SAFETENSORS, read_headers(files), lambda: map_tensors(files))
    try:
        outline = outline_torch_file(path)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error

    @with_printable_errors
    def load() -> Mapping[str, Tensor]:
        try:
            return map_torch_tensors(path, outline)
        except ValueError as error:
            raise ValueError(f"{path} {error}") from error

    return StoredWeights(
        path, TORCH, outline.tensors, load, outline.training_state(), stray_tensors=outline.stray_tensors()
    )


def identify_file(path: Path) -> str:
    """TORCH or SAFETENSORS, from the content; the name of a file proves nothing.

    Raises:
        ValueError: empty, a web page, a Git LFS pointer, other text, a pickle outside of an archive as torch wrote before
            1.6, or another format.
    """
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE_SIZE)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    if not sample:
        raise ValueError(f"{path} is empty. Download it again.")
    if sample.startswith(b"PK\x03\x04"):
        return TORCH
    # A safetensors header's length in eight bytes comes first; the header itself is JSON.
    looks_like_safetensors = sample[8:9] == b"{"
    if sample[:1] == b"\x80" and not looks_like_safetensors:
        raise ValueError(
            f"{path} is a bare pickle, as torch wrote before version 1.6, and was not opened. If you trust where it comes"
            " from, load it with torch.load and save it again with torch.save."
        )
    _raise_text(path, sample)
    if looks_like_safetensors:
        return SAFETENSORS
    if sample[_TAR_MAGIC] == b"ustar":
        raise ValueError(
            f"{path} is a tar archive. Unpack it, or, if torch older than 0.1.10 wrote it, load and save it again."
        )
    raise ValueError(
        f"{path} is no checkpoint: its first bytes {sample[:8].hex(' ')} are those of neither torch.save nor safetensors."
    )


def _raise_text(path: Path, sample: bytes) -> None:
    """Say what a text file is; return if the sample is no text."""
    try:
        text = sample.decode()
    except UnicodeDecodeError as error:
        if error.end < len(sample) - 4:  # not merely a character that the end of the sample cuts in two
            return
        text = sample[: error.start].decode()
    if not re.fullmatch(r"[^\x00-\x08\x0e-\x1f\x7f]*", text):
        return
    if text.startswith("version https://git-lfs"):
        raise ValueError(
            f"{path} is a Git LFS pointer, not the weights themselves. Run `git lfs pull` in its folder, or download "
            "the file with `hf download`."
        )
    if re.match(r"\s*(<!doctype html|<html|<\?xml|<head|<!--)", text, re.IGNORECASE):
        raise ValueError(f"{path} is a web page (HTML), not weights: the download was answered by a page. {_GATED}")
    beginning = " ".join(text.split())[:60]
    raise ValueError(f"{path} is a text file, not weights; it begins with {beginning!r}. {_GATED}")


def _list_files(folder: Path) -> Mapping[Path, set[str] | None]:
    """What list_weight_files finds in a folder; each file is of the format that its name says."""
    files = list_weight_files(folder)
    if not files:
        others = sorted(
            file.name for file in folder.iterdir() if file.suffix in (".pth", ".pt", ".bin", ".safetensors")
        )
        hint = f" Name one of its files instead: {', '.join(others[:5])}." if others else ""
        raise ValueError(f"{folder} holds neither {SAFE_WEIGHTS_NAME} nor {SAFE_WEIGHTS_INDEX_NAME}.{hint}")
    for file in files:
        if identify_file(file) != SAFETENSORS:
            raise ValueError(
                f"{file} is no safetensors file, whatever its name says. Rename it, and convert it by itself."
            )
    return files
