# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Share the items of an evaluation between processes so that each is counted once, and bring the results together."""

import atexit
import os
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

import torch.distributed
from tqdm.auto import tqdm

Item = TypeVar("Item")


def join_processes() -> None:
    """Join the processes that `accelerate launch` or `torchrun` started; does nothing in a single one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        # gloo even with GPUs: only rows of numbers in host memory are exchanged.
        torch.distributed.init_process_group("gloo")
        atexit.register(torch.distributed.destroy_process_group)


def process_index() -> int:
    """Number of this process, from 0."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def num_processes() -> int:
    """How many processes share the work."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def share_items(items: Iterable[Item], title: str = "", progress: bool = True) -> Iterator[tuple[int, Item]]:
    """This process's part of the items with their numbers: every num_processes-th, none twice, none added.

    A data set with indices is read only at these; of a stream, items of other processes are read and dropped. Only the
    first process has a progress bar.
    """
    first, step = process_index(), num_processes()
    bar = tqdm(total=_share_of(items, first, step), desc=title, unit="image", disable=not progress or first > 0)
    with bar:
        if isinstance(items, Sized) and hasattr(items, "__getitem__"):
            for index in range(first, len(items), step):
                yield index, items[index]  # pyright: ignore[reportIndexIssue]
                bar.update()
        else:
            for index, item in enumerate(items):
                if index % step == first:
                    yield index, item
                    bar.update()


def _share_of(items: Iterable[Any], first: int, step: int) -> int | None:
    return len(range(first, len(items), step)) if isinstance(items, Sized) else None


def gather_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of all processes in the order of their "index", in every process.

    Raises:
        ValueError: there is none at all.
    """
    if torch.distributed.is_initialized():
        parts: list[list[dict[str, Any]]] = [[] for _ in range(num_processes())]
        torch.distributed.all_gather_object(parts, rows)
        rows = [row for part in parts for row in part]
    if not rows:
        raise ValueError("The data set is empty: there is nothing to evaluate.")
    return sorted(rows, key=lambda row: row["index"])
