# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Write checkpoints in little memory; nothing half-written ever has its final name."""

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors.torch import save_file
from torch import Tensor
from tqdm.auto import tqdm

SHARD_PATTERN = "model{suffix}.safetensors"
INDEX_NAME = "model.safetensors.index.json"
# --overwrite may delete a folder only if it holds config.json and one of these.
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin")


@dataclass(frozen=True)
class ShardPlan:
    """Which tensors go to which file, decided from shapes alone; `total_size` in bytes."""

    files: Mapping[str, list[str]]
    file_of_tensor: Mapping[str, str]
    total_size: int


def plan_shards(tensors: Mapping[str, Tensor], max_shard_size: str | int, dtype: torch.dtype | None) -> ShardPlan:
    """Distribute tensors over files of at most `max_shard_size` ("5GB", or bytes), as huggingface_hub does.

    Raises:
        ValueError: a size that cannot be read, or is not above 0.
    """
    sizes = {name: tensor.numel() * stored_dtype(tensor, dtype).itemsize for name, tensor in tensors.items()}
    readable = (
        re.fullmatch(r"\s*\d+(\.\d+)?\s*[TGMK]B\s*", str(max_shard_size).upper()) or str(max_shard_size).isdigit()
    )
    if not readable or not re.search("[1-9]", str(max_shard_size)):
        raise ValueError(
            f"max_shard_size {str(max_shard_size)[:80]!r} is no size above 0: write a number and a unit, such as 5GB or"
            " 500MB (--max-shard-size)."
        )
    # Not the function for tensors: that one keeps views of one storage, such as query, key and value, together and
    # counts the first of them only.
    split = split_state_dict_into_shards_factory(
        sizes, get_storage_size=lambda size: size, filename_pattern=SHARD_PATTERN, max_shard_size=max_shard_size
    )
    return ShardPlan(split.filename_to_tensors, split.tensor_to_filename, split.metadata["total_size"])


def stored_dtype(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    """Type in which a tensor is written: `dtype` for floating point tensors, where one is asked for; else its own."""
    return dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype


def convert_tensor(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The tensor as it is written: contiguous, in its stored type, without a copy where nothing changes.

    Raises:
        ValueError: a finite value that the stored type cannot hold.
    """
    converted = tensor.to(stored_dtype(tensor, dtype)).contiguous()
    if converted.dtype != tensor.dtype and not (converted.isfinite() | ~tensor.isfinite()).all():
        raise ValueError(
            f"{name} holds values up to {tensor.abs().max().item():.4g}, which {_name(converted.dtype)} cannot hold (its"
            f" largest is {torch.finfo(converted.dtype).max:.4g}). Choose --dtype bfloat16 or float32."
        )
    return converted


def write_weights(
    folder: Path, tensors: Mapping[str, Tensor], plan: ShardPlan, dtype: torch.dtype | None = None
) -> None:
    """Write all tensors shard by shard, and an index where there are several; shows a progress bar in bytes.

    Memory: tensors that keep their type are written straight from the mapped file, without memory of the process; if
    the type changes, one shard is held at a time.
    """
    with _show_growth(folder, plan.total_size):
        for file, names in plan.files.items():
            shard = {name: convert_tensor(name, tensors[name], dtype) for name in names}
            save_file(shard, folder / file, metadata={"format": "pt"})
            del shard
    if len(plan.files) > 1:
        index = {"metadata": {"total_size": plan.total_size}, "weight_map": dict(sorted(plan.file_of_tensor.items()))}
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n")


def check_target(target: Path, source: Path, overwrite: bool) -> None:
    """Refuse a target folder that must not be written, before any work is done.

    Raises:
        ValueError: the target is a file, exists without `overwrite`, is no checkpoint, or holds or lies in the source.
    """
    resolved, origin = target.resolve(), source.resolve()
    if resolved == origin or (origin.is_dir() and origin in resolved.parents):
        raise ValueError(f"The output folder {target} lies inside the input {source}; choose another place.")
    for parent in resolved.parents:
        if parent.exists() and not parent.is_dir():
            raise ValueError(f"{target} cannot be made: {parent} is a file.")
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir():
        raise ValueError(f"{target} exists and is no folder; name the folder that the checkpoint should become.")
    if not overwrite:
        raise ValueError(f"{target} exists already. Pass --overwrite to replace it, or choose another folder.")
    if resolved in origin.parents:
        raise ValueError(f"{target} holds the input {source}; replacing it would delete that. Choose another folder.")
    if target.is_symlink():
        raise ValueError(f"{target} is a link; pass the folder that it points to, {resolved}.")
    is_checkpoint = (target / "config.json").is_file() and any(any(target.glob(name)) for name in WEIGHT_FILES)
    if any(target.iterdir()) and not is_checkpoint:
        raise ValueError(
            f"{target} is not empty and no checkpoint (config.json and weights), and is not replaced even with"
            " --overwrite. Move it away or choose another folder."
        )


def check_free_space(target: Path, num_bytes: int) -> None:
    """Refuse to start where the disk is too small: ValueError with the bytes that are missing."""
    place = next(parent for parent in target.resolve().parents if parent.exists())
    free = shutil.disk_usage(place).free
    needed = num_bytes + 16 * 2**20  # configuration, card and the file system's own bookkeeping
    if free < needed:
        raise ValueError(
            f"The disk of {place} has {free / 1e9:.2f} GB free; the output needs {needed / 1e9:.2f} GB. A folder that"
            " --overwrite replaces is deleted only after the new one is complete."
        )


@contextmanager
def _show_growth(folder: Path, total_size: int) -> Iterator[None]:
    """Progress bar that watches a folder grow, because a whole shard is one call into safetensors."""
    finished = threading.Event()
    with tqdm(total=total_size, desc="writing", unit="B", unit_scale=True, delay=0.5) as progress:

        def follow() -> None:
            while not finished.wait(0.2):
                progress.update(max(min(_folder_size(folder), total_size) - progress.n, 0))

        watcher = threading.Thread(target=follow, daemon=True)
        watcher.start()
        try:
            yield
            finished.set()
            watcher.join()
            progress.update(total_size - progress.n)
        finally:
            finished.set()
            watcher.join()


def _folder_size(folder: Path) -> int:
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # safetensors renames its own temporary file
            status = path.stat()
            # Blocks written so far, because safetensors gives the file its full length at once.
            size += 512 * status.st_blocks if hasattr(status, "st_blocks") else status.st_size
    return size


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
