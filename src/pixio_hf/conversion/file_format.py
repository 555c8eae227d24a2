# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a file that should hold weights really is, told from its first bytes; what a tensor in it looks like."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..safetensors_files import StoredTensor

TORCH_ZIP, TORCH_LEGACY, SAFETENSORS = "torch zip", "torch legacy", "safetensors"

_SAMPLE_SIZE = 1024
_TAR_MAGIC = slice(257, 262)
_GATED = (
    "If the model is gated, open its page on the Hub, accept the licence, run `hf auth login`, and download again "
    "with `hf download`."
)


@dataclass(frozen=True)
class StoredWeights:
    """What a file holds, known before any tensor of it is touched.

    `load` opens the tensors under their names in the file; `training_state` are the plain values beside them, and
    `stray_tensors` the names of tensors outside the state dict.
    """

    file_format: str
    stored: Mapping[str, StoredTensor]
    load: Callable[[], Mapping[str, Tensor]]
    training_state: Mapping[str, Any] = field(default_factory=dict)
    stray_tensors: tuple[str, ...] = ()


def identify_file(path: Path) -> str:
    """One of TORCH_ZIP, TORCH_LEGACY and SAFETENSORS, from the content; the name of a file proves nothing.

    Raises:
        ValueError: empty, a web page, a Git LFS pointer, other text, or a format that is none of the three.
    """
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE_SIZE)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    if not sample:
        raise ValueError(f"{path} is empty. Download it again.")
    if sample.startswith(b"PK\x03\x04"):
        return TORCH_ZIP
    _raise_text(path, sample)
    # A header's length in eight bytes comes first; the header itself is JSON.
    if sample[8:9] == b"{":
        return SAFETENSORS
    if sample[:1] == b"\x80":
        return TORCH_LEGACY
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
