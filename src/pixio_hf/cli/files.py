# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files of the commands: what goes in and out is checked before any work, and no half file is ever left."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image

# Kept beside the command line's options, where it runs before torch is imported.
from pixio_hf_cli.result_files import check_photos, check_targets, plan_outputs, show_name

__all__ = [
    "check_photos",
    "check_targets",
    "plan_outputs",
    "write_all",
    "write_bytes",
    "write_npy",
    "write_png",
]


def write_all(writers: Sequence[tuple[Path, Callable[[Path], None]]]) -> None:
    """Write several files, each with its own function: one that fails does not stop the others.

    Raises:
        ValueError: after all were tried, naming the files that could not be written.
    """
    problems = []
    for path, write in writers:
        try:
            write(path)
        except Exception as error:  # whatever it is, the other files can hold their part
            problems.append(f"{show_name(path)} was not written: {error or type(error).__name__}")
    if problems:
        raise ValueError("; ".join(problems))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that it is there whole or not at all."""
    write_whole(path, lambda file: file.write(content))


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 or (H, W) uint16 pixels as PNG."""
    write_whole(path, lambda file: PIL.Image.fromarray(pixels).save(file, format="PNG"))


def write_npy(path: Path, values: np.ndarray) -> None:
    """Write an array in NumPy's own format."""
    write_whole(path, lambda file: np.save(file, values, allow_pickle=False))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file under a temporary name, and rename it, so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        # mkstemp lets nobody else read; results get the permissions of any new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
