# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Interrupting and resuming: checkpoints that appear whole or not at all, and are verified before they are loaded.

A checkpoint is a folder with a manifest, written last, that lists the size and SHA-256 of every file. It is prepared
under another name, forced to disk and renamed. What a killed process or a full disk leaves behind fails the check and
is skipped with a warning.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from transformers.utils import logging

from ..files import folder_in_progress, force_to_disk, hash_file, partial_path, write_json

logger = logging.get_logger(__name__)

MANIFEST_NAME = "manifest.json"


class DataStream(Protocol):
    """Training data that can go on where it stopped; its state fits into JSON."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


def checkpoint_path(output_dir: str | Path, step: int) -> Path:
    """Folder of the checkpoint taken after a number of steps."""
    return Path(output_dir) / f"checkpoint-{step}"


def list_checkpoints(output_dir: str | Path) -> list[int]:
    """Steps of the checkpoints of a run, ascending, not verified; other folders are left alone."""
    names = (path.name.removeprefix("checkpoint-") for path in Path(output_dir).glob("checkpoint-*") if path.is_dir())
    return sorted(int(name) for name in names if name.isdecimal())


def find_last_checkpoint(output_dir: str | Path) -> tuple[Path, int] | None:
    """Newest undamaged checkpoint of a run and its step, or None; warns about each damaged one that it skips."""
    for step in reversed(list_checkpoints(output_dir)):
        folder = checkpoint_path(output_dir, step)
        problem = find_damage(folder)
        if problem is None:
            return folder, step
        logger.warning(f"Ignoring {folder}, which is damaged or half-written: {problem}.")
    return None


def find_damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, measured against its manifest; None if nothing is."""
    try:
        expected = json.loads((folder / MANIFEST_NAME).read_text())
        for name, entry in expected.items():
            size = (folder / name).stat().st_size
            if size != entry["bytes"]:
                return f"{name} has {size} bytes instead of {entry['bytes']}"
        for name, entry in describe_files(folder).items():
            if entry != expected.get(name, entry):
                return f"the contents of {name} have changed"
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below a folder, apart from its manifest."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MANIFEST_NAME]
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(hash_file, files))
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": digest}
        for path, digest in zip(files, hashes, strict=True)
    }


@contextmanager
def folder_of_run(
    target: Path,
    is_main_process: bool = True,
    wait_for_everyone: Callable[[], object] = lambda: None,
    has_manifest: bool = False,
) -> Iterator[Path]:
    """A temporary folder that all processes of a run write into; at the end it is forced to disk and becomes `target`.

    Every process enters this, on one file system; the main one adds the manifest and renames. An older folder of that name
    is replaced.

    Args:
        wait_for_everyone: barrier of a distributed run.

    Raises:
        ValueError: another process is writing `target`, or the disk is full.
    """
    partial = partial_path(target)
    with ExitStack() as held:
        if is_main_process:
            # Locks are unknown to some clusters' disks. What lies there was left by a killed process: see lock_output_dir.
            shutil.rmtree(partial, ignore_errors=True)
            held.enter_context(folder_in_progress(target))
        wait_for_everyone()
        yield partial
        force_to_disk(*(path for path in sorted(partial.rglob("*")) if path.is_file()))
        wait_for_everyone()
        if is_main_process:
            if has_manifest:
                manifest = partial / MANIFEST_NAME
                manifest.write_text(json.dumps(describe_files(partial), indent=2) + "\n")
                force_to_disk(manifest)
            force_to_disk(*(path for path in partial.rglob("*") if path.is_dir()), partial)
    if is_main_process:
        force_to_disk(target.parent)
    wait_for_everyone()


def save_checkpoint(
    output_dir: str | Path,
    step: int,
    write: Callable[[str], object],
    keep: int = 2,
    is_main_process: bool = True,
    wait_for_everyone: Callable[[], object] = lambda: None,
) -> Path:
    """Write a checkpoint under a temporary name, rename it when it is whole, and remove all but the newest `keep`.

    Every process of a distributed run calls this, see folder_of_run. Only checkpoints of earlier steps are removed.

    Args:
        write: saves everything into the folder whose path it is given, such as `accelerator.save_state`.

    Raises:
        ValueError: keep is not positive, so that nothing would be left to resume from.
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, got {keep}.")
    target = checkpoint_path(output_dir, step)
    with folder_of_run(target, is_main_process, wait_for_everyone, has_manifest=True) as partial:
        write(str(partial))
    if is_main_process:
        for old in [earlier for earlier in list_checkpoints(output_dir) if earlier <= step][:-keep]:
            shutil.rmtree(checkpoint_path(output_dir, old))
    wait_for_everyone()
    return target


def save_run(
    accelerator: Accelerator,
    stream: DataStream,
    output_dir: str | Path,
    step: int,
    name: str = "process",
    identity: Mapping[str, Any] | None = None,
) -> Path:
    """Write what Accelerate has prepared, random states and each process's place in the data; returns the folder.

    Every process calls this.

    Args:
        name: stem of each process's own file.
        identity: settings that a run which continues from here must share, fit for JSON.
    """

    def write(folder: str) -> None:
        accelerator.save_state(folder)
        write_process_state(folder, accelerator.process_index, {**stream.state_dict(), **(identity or {})}, name)

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
    identity: Mapping[str, Any] | None = None,
) -> int:
    """Continue from the newest undamaged checkpoint of `save_run`; returns its step, or 0 if there is none.

    Every process calls this, after preparing models and optimizers.

    Raises:
        ValueError: a run with another identity, other data or another number of processes wrote the checkpoint.
    """
    found = find_shared_checkpoint(accelerator, output_dir)
    if found is None:
        return 0
    checkpoint, step = found
    state = read_process_state(checkpoint, accelerator.process_index, name)
    for key, value in (identity or {}).items():
        if state.get(key) != value:
            raise ValueError(f"{output_dir} holds a run with other {key}: {state.get(key)}; asked for {value}.")
    accelerator.load_state(str(checkpoint))
    stream.load_state_dict(state)
    accelerator.print(f"Resuming from {checkpoint}")
    return step


def find_shared_checkpoint(accelerator: Accelerator, output_dir: str | Path) -> tuple[Path, int] | None:
    """find_last_checkpoint in the main process, which tells all others: they resume from the one that it has verified."""
    found = [find_last_checkpoint(output_dir) if accelerator.is_main_process else None]
    broadcast_object_list(found)
    return found[0]


def check_same_run(output_dir: str | Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new run; refuse a folder with a run of other settings, which could not be continued.

    Raises:
        ValueError: names the settings that differ.
    """
    file = Path(output_dir, "settings.json")
    wanted = json.loads(json.dumps(settings))
    if file.is_file():
        found = json.loads(file.read_text())
        if differing := sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name)):
            changes = ", ".join(f"{name}: {found.get(name)} -> {wanted.get(name)}" for name in differing)
            raise ValueError(f"{output_dir} holds another run ({changes}). Choose another --output_dir.")
        return
    write_json(file, wanted)


def lock_output_dir(output_dir: str | Path, patience: float = 60.0) -> IO[str]:
    """Make sure that no other process trains into a folder, for as long as the returned file is open.

    A killed launcher can leave its processes training. The lock of a dead process is void at once; a living one is
    waited for, up to `patience` seconds.

    Raises:
        ValueError: a living process still holds the folder.
    """
    Path(output_dir).mkdir(parents=True, exist_ok=True)
    file = Path(output_dir, "training.lock").open("a+")  # noqa: SIM115, the caller closes it
    try:
        import fcntl
    except ImportError:  # Windows
        return file
    deadline = time.monotonic() + patience
    while True:
        try:
            # Unlike flock's, these locks belong to the process alone, not to the data workers that it forked.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                file.seek(0)
                raise ValueError(
                    f"Another process ({file.read() or 'unknown'}) is training into {output_dir}: stop it, or choose"
                    " another folder."
                ) from None
            time.sleep(0.1)
        except OSError as error:  # some cluster file systems know no locks
            logger.warning(f"Could not lock {output_dir} ({error}): make sure that no other run writes to it.")
            return file
    file.truncate(0)
    file.write(f"pid {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file


def write_process_state(folder: str | Path, rank: int, state: dict[str, Any], name: str = "process") -> None:
    """Put what differs from process to process into a checkpoint, as JSON."""
    Path(folder, f"{name}-{rank}.json").write_text(json.dumps(state, indent=2) + "\n")


def read_process_state(folder: str | Path, rank: int, name: str = "process") -> dict[str, Any]:
    """What `write_process_state` wrote for a process.

    Raises:
        ValueError: the checkpoint has no state of that process, because fewer processes wrote it.
    """
    path = Path(folder, f"{name}-{rank}.json")
    if not path.is_file():
        written = len(list(Path(folder).glob(f"{name}-*.json")))
        raise ValueError(
            f"{folder} was written by {written} processes and has nothing for process {rank}: resume with as many as"
            " before."
        )
    return json.loads(path.read_text())
