# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Files of the commands: check what goes in and out before any work, write without ever leaving half a file."""

import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image


def check_photos(photos: Sequence[Path]) -> None:
    """Raise ValueError naming every photo that is missing, a folder, or unreadable."""
    if not photos:
        raise ValueError("No photos given.")
    problems = []
    for photo in photos:
        if not photo.exists():
            problems.append(f"{photo} does not exist")
        elif photo.is_dir():
            problems.append(f"{photo} is a folder; name its photos, for example {photo / '*.jpg'}")
        elif not os.access(photo, os.R_OK):
            problems.append(f"{photo} cannot be read")
    if problems:
        raise ValueError("; ".join(problems) + ". Nothing was done.")


def plan_outputs(
    photos: Sequence[Path], out: Path, endings: Sequence[str], overwrite: bool
) -> dict[Path, tuple[Path, ...]]:
    """Result files of each photo: `out / (stem + ending)`, one per ending.

    Raises:
        ValueError: two photos would write the same file, a result would replace a photo, or exists and may not be
            replaced.
    """
    check_photos(photos)
    planned: dict[Path, tuple[Path, ...]] = {}
    writers: dict[Path, Path] = {}
    for photo in photos:
        targets = tuple(out / f"{photo.stem}{ending}" for ending in endings)
        for target in targets:
            if target in writers:
                raise ValueError(
                    f"{writers[target]} and {photo} would both write {target}. Rename one, or use two calls with"
                    " different --out folders."
                )
            writers[target] = photo
        planned[photo] = targets
    check_targets(list(writers), out, overwrite)
    inputs = {photo.resolve() for photo in photos}
    if replaced := [str(target) for target in writers if target.resolve() in inputs]:
        raise ValueError(f"Results would replace the photos {', '.join(replaced)}. Choose another --out folder.")
    return planned


def check_targets(targets: Sequence[Path], out: Path, overwrite: bool) -> None:
    """Raise ValueError where the output folder is a file, or targets exist and may not be replaced."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; name a folder.")
    if folders := [str(target) for target in targets if target.is_dir()]:
        raise ValueError(f"{', '.join(folders)} should become files, but are folders. Choose another --out folder.")
    existing = [str(target) for target in targets if target.exists()]
    if existing and not overwrite:
        shown = ", ".join(existing[:3]) + (f" and {len(existing) - 3} more" if len(existing) > 3 else "")
        raise ValueError(f"Results exist already: {shown}. Pass --overwrite to replace them, or another --out folder.")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp lets nobody else read; results get the permissions of any new file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) uint8 or (H, W) uint16 pixels as PNG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def write_npy(path: Path, values: np.ndarray) -> None:
    """Write an array in NumPy's own format."""
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    write_bytes(path, buffer.getvalue())
