# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What is in a folder: which endings are images, which names are regular files, and how to read them.

Only regular files are opened, because reading a FIFO could block forever.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import IO, Any

import PIL.Image

_PHOTO_ENDINGS = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"),
    *(".tif", ".tiff"),
)
# Formats that Pillow reads only where it was built with their library, or where a plugin of it was imported.
HEIF_ENDINGS = (".heic", ".heif", ".hif")
_OPTIONAL_PHOTO_ENDINGS = (".avif", *HEIF_ENDINGS, ".j2k", ".jp2", ".jxl", ".webp")

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def photo_endings() -> tuple[str, ...]:
    """Endings of the photos that are read here, in lower case; .heic, .webp and the like only where Pillow reads them."""
    register_heif()
    registered = PIL.Image.registered_extensions()
    optional = [ending for ending in _OPTIONAL_PHOTO_ENDINGS if registered.get(ending) in PIL.Image.OPEN]
    return tuple(sorted((*_PHOTO_ENDINGS, *optional)))


@cache
def register_heif() -> bool:
    """Let Pillow read HEIC, the photos of iPhones, where pillow-heif is installed; whether it is."""
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def open_image(source: str | os.PathLike | IO[bytes]) -> PIL.Image.Image:
    """PIL.Image.open, which knows HEIC where pillow-heif is installed. Raises what it raises."""
    try:
        return PIL.Image.open(source)
    except PIL.UnidentifiedImageError:
        # Looked for only now: loading the library takes a while.
        if not register_heif():
            raise
        return PIL.Image.open(source)


def ending_of(name: str) -> str:
    """The ending of a file's name in lower case: ".png"; "" where it has none."""
    return os.path.splitext(name)[1].lower()


def printable(path: str | os.PathLike) -> str:
    """A path as text that can be printed; bytes that are not UTF-8 appear as \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def show_path(path: str | os.PathLike) -> str:
    """A path for messages: see `printable`; at most 200 characters."""
    text = printable(path)
    return text if len(text) <= 200 else f"{text[:200]}..."


def is_utf8(name: str) -> bool:
    """Whether a file's name is text; others cannot be stored in tables, reports or on the Hub."""
    try:
        return name.isascii() or bool(name.encode("utf-8"))
    except UnicodeEncodeError:
        return False


def describe_odd_file(path: str | os.PathLike) -> str:
    """Why a path cannot be read as a file, such as "is a FIFO, not a file"; "" for an existing regular file."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if os.path.islink(path):
            return "is a link to a file that is not there"
        return (
            "is no file that exists" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        )
    except ValueError:  # a NUL character
        return "is no name of a file"
    if stat.S_ISREG(mode):
        return ""
    kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "a special file")
    return f"is {kind}, not a file" if kind == "a folder" else f"is {kind}, not a regular file"


def check_regular(path: str | os.PathLike) -> None:
    """Raise ValueError unless there is a regular file: nothing else may be opened."""
    if odd := describe_odd_file(path):
        raise ValueError(f"{printable(path)} {odd}.")


def read_regular(path: str | os.PathLike) -> bytes:
    """The bytes of a regular file. Raises ValueError naming any other."""
    check_regular(path)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"{printable(path)} cannot be read: {error.strerror or error}.") from error


@dataclass(frozen=True)
class FoundFiles:
    """What is below a folder, as sorted relative paths; hidden files and folders are left out."""

    files: list[str] = field(default_factory=list)
    """Regular files with one of the endings."""
    others: list[str] = field(default_factory=list)
    """Regular files with other endings."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each name that has one of the endings but is no regular file, or is not UTF-8."""


def find_files(
    folder: str | os.PathLike, endings: Iterable[str], only_utf8: bool = True, recursive: bool = True
) -> FoundFiles:
    """List everything below a folder; links are followed, each folder is visited once. No file is opened.

    With only_utf8=False, files whose names are not UTF-8 are listed too; with recursive=False, folders below are left out.

    Raises:
        ValueError: a folder cannot be listed.
    """
    found, wanted = FoundFiles(), frozenset(endings)
    for entry, relative in _walk(os.fspath(folder), recursive):
        has_ending = ending_of(entry.name) in wanted
        if entry.is_file():
            if only_utf8 and not is_utf8(relative):
                if has_ending:
                    found.problems.append(f"{printable(entry.path)} has a name that is not UTF-8; rename it.")
            elif has_ending:
                found.files.append(relative)
            else:
                found.others.append(relative)
        elif has_ending and (odd := describe_odd_file(entry.path)):
            found.problems.append(f"{printable(entry.path)} {odd}.")
    for names in (found.files, found.others):
        names.sort(key=lambda name: name.split("/"))
    found.problems.sort()
    return found


def _walk(folder: str, recursive: bool) -> Iterator[tuple[os.DirEntry, str]]:
    visited, waiting = {_identity(folder)}, [(folder, "")]
    while waiting:
        parent, prefix = waiting.pop()
        for entry in _list_folder(parent):
            if entry.name.startswith("."):
                continue
            relative = prefix + entry.name
            yield entry, relative
            # Links can lead back up; what was visited is not entered again.
            if recursive and entry.is_dir() and (identity := _identity(entry.path)) not in visited:
                visited.add(identity)
                waiting.append((entry.path, f"{relative}/"))


def _list_folder(folder: str) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise ValueError(f"The folder {printable(folder)} cannot be listed: {error.strerror or error}.") from error


def _identity(folder: str) -> Any:
    if sys.platform == "win32":
        return os.path.realpath(folder)
    status = os.stat(folder)
    return status.st_dev, status.st_ino
