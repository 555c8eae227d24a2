# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints of a run under Accelerate: all its processes write one together, and all go on from the same one."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from .checkpointing import find_last_checkpoint, read_process_state, save_checkpoint, write_process_state


class DataStream(Protocol):
    """Training data that can go on where it stopped; its state fits into JSON."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


NOTHING: Mapping[str, Any] = MappingProxyType({})


def save_run(
    accelerator: Accelerator,
    stream: DataStream,
    output_dir: str | Path,
    step: int,
    name: str = "process",
    identity: Mapping[str, Any] = NOTHING,
) -> Path:
    """Write what Accelerate has prepared, random states and each process's place in the data; returns the folder.

    Every process calls this.

    Args:
        name: stem of each process's own file.
        identity: what the run has to agree on with the one that goes on from here, fit for JSON.
    """

    def write(folder: str) -> None:
        accelerator.save_state(folder)
        write_process_state(folder, accelerator.process_index, {**stream.state_dict(), **identity}, name)

    return save_checkpoint(
        output_dir,
        step,
        write,
        is_main_process=accelerator.is_main_process,
        wait_for_everyone=accelerator.wait_for_everyone,
    )


def resume_run(
    accelerator: Accelerator,
    stream: DataStream,
    output_dir: str | Path,
    name: str = "process",
    identity: Mapping[str, Any] = NOTHING,
) -> int:
    """Go on from the newest undamaged checkpoint of `save_run`: the steps that it was taken after, 0 where there is none.

    Every process calls this, after preparing models and optimizers.

    Raises:
        ValueError: a run with another identity, other data or another number of processes wrote the checkpoint.
    """
    found = [find_last_checkpoint(output_dir) if accelerator.is_main_process else None]
    broadcast_object_list(found)  # all processes resume from the one that the main process has verified
    if found[0] is None:
        return 0
    checkpoint, step = found[0]
    state = read_process_state(checkpoint, accelerator.process_index, name)
    for key, value in identity.items():
        if state.get(key) != value:
            raise ValueError(f"{output_dir} holds a run with other {key}: {state.get(key)}; asked for {value}.")
    accelerator.load_state(str(checkpoint))
    stream.load_state_dict(state)
    accelerator.print(f"Resuming from {checkpoint}")
    return step
