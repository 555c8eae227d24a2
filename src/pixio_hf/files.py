# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Write files and folders that get their name only when complete, with one writer at a time.

Everything that this package writes for users goes through here. The temporary itself is locked, so there is no lock
file. The system drops the lock when its holder dies; the next writer then takes over the temporary and empties it.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

try:
    import fcntl
except ImportError:  # Windows: whoever makes the temporary is its writer; after a kill it must be removed by hand
    fcntl = None

_CHUNK_BYTES = 4 * 2**20
_LONGEST_NAME = 255  # bytes, of most file systems
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def folder_in_progress(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, renamed to it at the end; any error or Ctrl-C removes it.

    An existing folder is moved aside, replaced and then deleted; check_target decides whether that is allowed. Call it
    again inside the block: another process may have finished `target` meanwhile.

    Raises:
        ValueError: another process is writing `target`, or the disk is full.
    """
    created = [parent for parent in target.absolute().parents if not parent.exists()]
    partial, replaced = partial_path(target), _beside(target, "replaced")
    with _only_writer(partial, target, is_folder=True):
        try:
            _finish_replacement(replaced, target)
            with _full_disk_explained(target):
                yield partial
                _move_into_place(partial, target, replaced)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            for parent in created:
                if parent.is_dir() and not any(parent.iterdir()):
                    parent.rmdir()
            raise


@contextmanager
def file_in_progress(target: Path, replace: bool = True) -> Iterator[Path]:
    """A temporary file beside `target`, renamed to it at the end; any error or Ctrl-C deletes it.

    Raises:
        ValueError: another process is writing `target`, the disk is full, or `target` exists and `replace` is False.
    """
    partial = partial_path(target)
    with _only_writer(partial, target, is_folder=False):
        try:
            with _full_disk_explained(target):
                yield partial
            if not replace and target.exists():
                raise ValueError(f"{target} was made by another process in the meantime; choose another name.")
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def write_bytes(target: str | Path, content: bytes) -> None:
    """Write a file, whole or not at all; an existing one is replaced. Errors as in file_in_progress."""
    with file_in_progress(Path(target)) as partial:
        partial.write_bytes(content)


def write_text(target: str | Path, content: str) -> None:
    """Write a file as UTF-8 with line ends as they are, whole or not at all; an older one of that name is replaced."""
    write_bytes(target, content.encode("utf-8"))


def write_json(target: str | Path, content: Any) -> None:
    """Write JSON with an indentation of two, whole or not at all; an older file of that name is replaced."""
    write_text(target, json.dumps(content, indent=2) + "\n")


def hash_file(path: str | Path, when_read: Callable[[int], object] | None = None) -> str:
    """SHA-256 of a file as hexadecimal text, read in pieces of 4 MiB; `when_read` is told the size of each."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK_BYTES))
    with open(path, "rb", buffering=0) as file:
        while num_bytes := file.readinto(buffer):
            digest.update(buffer[:num_bytes])
            if when_read is not None:
                when_read(num_bytes)
    return digest.hexdigest()


def force_to_disk(*paths: Path) -> None:
    """Have the operating system write files and folders to the device, so that they survive a loss of power."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def partial_path(target: Path) -> Path:
    """The temporary that becomes `target`, for processes that share it with the one that is its writer."""
    return _beside(target, "partial")


def _beside(target: Path, state: str) -> Path:
    name = f".{target.name}.{state}"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}.{state}"
    return target.with_name(name)


@contextmanager
def _only_writer(partial: Path, target: Path, is_folder: bool) -> Iterator[None]:
    """Hold the temporary of a target: a new one, or an emptied one that a killed process left."""
    handle = None
    while handle is None:  # whoever held it may rename or remove it between our steps
        handle = _claim(partial, target, is_folder)
    try:
        yield
    finally:
        os.close(handle)


def _claim(partial: Path, target: Path, is_folder: bool) -> int | None:
    partial.parent.mkdir(parents=True, exist_ok=True)
    is_new = _make(partial, is_folder)
    if fcntl is None:
        if not is_new:
            raise ValueError(_describe_leftover(partial, target))
        return os.open(os.devnull, os.O_RDONLY)
    try:
        # O_NONBLOCK: opening a named pipe of that name must not block.
        mode = os.O_RDONLY if is_folder else os.O_RDWR
        handle = os.open(partial, mode | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.path.samestat(os.fstat(handle), os.stat(partial))
    except BlockingIOError:
        os.close(handle)
        raise ValueError(
            f"{target} is being written by another process. Wait until that has ended, or choose another name."
        ) from None
    except FileNotFoundError:
        is_ours = False
    except OSError:  # a network disk without locks
        if is_new:
            return handle
        os.close(handle)
        raise ValueError(_describe_leftover(partial, target)) from None
    if not is_ours:
        os.close(handle)
        return None
    if not is_new:
        _empty(partial, is_folder)
    return handle


def _describe_leftover(partial: Path, target: Path) -> str:
    return (
        f"{target} is being written by another process, or one was killed while it did that. If none is at work, remove"
        f" {partial}."
    )


def _make(partial: Path, is_folder: bool) -> bool:
    """Make a temporary; False if it exists already."""
    try:
        if is_folder:
            partial.mkdir()
        else:
            partial.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _empty(partial: Path, is_folder: bool) -> None:
    if not is_folder:
        os.truncate(partial, 0)
        return
    for entry in partial.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _finish_replacement(replaced: Path, target: Path) -> None:
    """Finish the work of a process that was killed after moving the old folder aside, before deleting it."""
    if not replaced.is_dir():
        return
    if target.exists():
        shutil.rmtree(replaced)
    else:
        replaced.rename(target)


def _move_into_place(partial: Path, target: Path, replaced: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    target.rename(replaced)
    try:
        partial.rename(target)
    except BaseException:
        replaced.rename(target)
        raise
    shutil.rmtree(replaced)


@contextmanager
def _full_disk_explained(target: Path) -> Iterator[None]:
    """Turn the many errors that libraries raise on a full disk into a ValueError."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        chain = [error, error.__cause__, error.__context__]
        is_full = any(isinstance(cause, OSError) and cause.errno in _FULL for cause in chain)
        # safetensors gives the error only as text.
        if not is_full and not any(os.strerror(number) in str(error) for number in _FULL):
            raise
        free = shutil.disk_usage(target.parent).free
        raise ValueError(
            f"{target} could not be written: the disk is full, or a limit on files is reached ({free / 1e9:.2f} GB are"
            " free). Nothing was left there; make room, or choose another disk."
        ) from error
