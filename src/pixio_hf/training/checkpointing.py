# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Interrupting and resuming: checkpoints that appear whole or not at all, and are verified before they are loaded.

A checkpoint is a folder with a manifest, written last, that lists the size and SHA-256 of every file. It is prepared under
another name, forced to disk and renamed. Whatever a killed process or a full disk leaves behind fails the check and is
passed over with a warning.
"""

import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from transformers.utils import logging

logger = logging.get_logger(__name__)

MANIFEST_NAME = "manifest.json"
_CHUNK_BYTES = 1 << 24


def checkpoint_path(output_dir: str | Path, step: int) -> Path:
    """Folder of the checkpoint taken after a number of steps."""
    return Path(output_dir) / f"checkpoint-{step}"


def list_checkpoints(output_dir: str | Path) -> list[int]:
    """Steps of the checkpoints of a run, ascending, not verified; other folders are left alone."""
    names = (path.name.removeprefix("checkpoint-") for path in Path(output_dir).glob("checkpoint-*") if path.is_dir())
    return sorted(int(name) for name in names if name.isdecimal())


def find_last_checkpoint(output_dir: str | Path) -> tuple[Path, int] | None:
    """Newest undamaged checkpoint of a run and its step, or None; warns about each damaged one it passes over."""
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
    files = [path for path in list_files(folder) if path != folder / MANIFEST_NAME]
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(hash_file, files))
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": digest}
        for path, digest in zip(files, hashes, strict=True)
    }


def list_files(folder: Path) -> list[Path]:
    """Regular files of a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def hash_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def force_to_disk(*paths: Path) -> None:
    """Have the operating system write files and folders to the device, so that they survive a loss of power."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save_checkpoint(
    output_dir: str | Path,
    step: int,
    write: Callable[[str], object],
    keep: int = 2,
    is_main_process: bool = True,
    wait_for_everyone: Callable[[], object] = lambda: None,
) -> Path:
    """Write a checkpoint under a temporary name, rename it when it is whole, and remove all but the newest `keep`.

    Every process of a distributed run calls this, on one file system: all of them write, the main one adds the manifest,
    renames and removes. Only checkpoints of earlier steps are removed.

    Args:
        write: saves everything into the folder whose path it is given, such as `accelerator.save_state`.
        wait_for_everyone: barrier of a distributed run.

    Raises:
        ValueError: keep is not positive, so that nothing would be left to resume from.
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, got {keep}.")
    target = checkpoint_path(output_dir, step)
    partial = target.with_name(f"partial-{target.name}")
    if is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
    wait_for_everyone()
    write(str(partial))
    force_to_disk(*list_files(partial))
    wait_for_everyone()
    if is_main_process:
        manifest = partial / MANIFEST_NAME
        manifest.write_text(json.dumps(describe_files(partial), indent=2) + "\n")
        force_to_disk(manifest, *(path for path in partial.rglob("*") if path.is_dir()), partial)
        replace_folder(partial, target)
        for old in [earlier for earlier in list_checkpoints(output_dir) if earlier <= step][:-keep]:
            shutil.rmtree(checkpoint_path(output_dir, old))
    wait_for_everyone()
    return target


def replace_folder(partial: Path, target: Path) -> None:
    """Give a finished folder its name, in place of an older one, and force the change of names to disk."""
    if target.exists():
        shutil.rmtree(target)
    os.replace(partial, target)
    force_to_disk(target.parent)


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
            # Locks of this kind belong to a process and not, as flock's do, also to the data workers it has forked.
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


def seed_pass(seed: int, step: int, index: int = 0, process: int = 0) -> None:
    """Make what a forward pass draws (dropout, stochastic depth) a function of run, step, pass and process alone.

    So a resumed run draws what an uninterrupted one does, whatever else has drawn from torch's state in between.

    Args:
        step: optimizer step, from 0.
        index: number of the pass within the step.
    """
    # SeedSequence mixes the numbers, so that neighbours get unrelated streams.
    torch.manual_seed(int(np.random.SeedSequence((seed, step, index, process)).generate_state(1, np.uint64)[0] >> 1))


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
