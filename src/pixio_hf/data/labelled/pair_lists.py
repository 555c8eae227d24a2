# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pairs that a text file names: split files, metadata.jsonl, metadata.csv. They stay inside of the data folder."""

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...listings import printable
from ...text_files import parse_json, read_text_lines, shorten_line
from .file_listing import Listing, keep_existing

METADATA_NAMES = ("metadata.jsonl", "metadata.csv")


def read_split_file(split_file: str | Path, root: Path, allow_outside: bool = False) -> Listing:
    """Pairs of a text file: one "image-path label-path" a line, relative to the data root (docs/specification.md 5.8).

    The paths are separated by white space, or by one tab where they contain spaces. Empty lines do not count.

    Args:
        allow_outside: accept files that lie outside of the root, also by way of links.

    Raises:
        ValueError: no such file, or a line that is not two paths inside of the root (named as file:line).
    """
    pairs, folder = [], NamedFolder(root, allow_outside)
    for number, line in read_text_lines(split_file):
        fields = [part.strip() for part in line.split("\t")] if line.count("\t") == 1 else line.split()
        place = f"{printable(split_file)}:{number}"
        if len(fields) != 2 or not all(fields):
            raise ValueError(
                f"{place}: expected two paths relative to {printable(root)}, the image and its label, got"
                f" {shorten_line(line)}. Separate paths that contain spaces by a tab."
            )
        pairs.append((folder.find(fields[0], place), folder.find(fields[1], place)))
    return keep_existing(pairs)


def read_metadata(metadata: Path, label_key: str, allow_outside: bool = False) -> Listing:
    """Pairs of a metadata.jsonl, one {"file_name": ..., label_key: ...} a line, or of a metadata.csv with these columns.

    Names are relative to its folder, and stay inside of it unless `allow_outside`.

    Raises:
        ValueError: a line that is no such object, or names a file outside (named as file:line).
    """
    pairs, folder = [], NamedFolder(metadata.parent, allow_outside)
    read_entries = _read_csv if metadata.suffix == ".csv" else _read_json_lines
    for number, line, entry in read_entries(metadata):
        place = f"{printable(metadata)}:{number}"
        names = [entry.get(key) for key in ("file_name", label_key)] if isinstance(entry, Mapping) else []
        texts = [name for name in names if isinstance(name, str) and name]
        if len(texts) != 2:
            example = f'{{"file_name": "a.jpg", "{label_key}": "a.png"}}'
            expected = f"the columns file_name and {label_key}" if metadata.suffix == ".csv" else example
            raise ValueError(f"{place}: expected {expected}, got {shorten_line(line)}.")
        pairs.append((folder.find(texts[0], place), folder.find(texts[1], place)))
    return keep_existing(pairs)


def find_metadata(folder: Path) -> Path | None:
    """The metadata.jsonl or metadata.csv of a folder. Raises ValueError when it has both."""
    found = [folder / name for name in METADATA_NAMES if (folder / name).exists()]
    if len(found) > 1:
        raise ValueError(f"{printable(folder)} holds both {' and '.join(METADATA_NAMES)}: which of them is meant?")
    return found[0] if found else None


class NamedFolder:
    """The folder that paths in a text file are relative to and must stay inside of."""

    def __init__(self, root: Path, allow_outside: bool):
        self.root, self.allow_outside = root, allow_outside
        real = os.path.realpath(root)
        self.inside = [real]
        # Files of a downloaded snapshot are links to the blobs beside it.
        snapshots = os.path.dirname(real)
        while snapshots != os.path.dirname(snapshots):
            if os.path.basename(snapshots) == "snapshots":
                self.inside.append(os.path.join(os.path.dirname(snapshots), "blobs"))
                break
            snapshots = os.path.dirname(snapshots)
        self.real_parents: dict[str, str] = {}

    def find(self, name: str, place: str) -> Path:
        """The path that a name stands for; ValueError, beginning with place, when it is none or leads outside."""
        try:
            path = os.path.join(self.root, name)
            real = self.resolve(path)
        except (OSError, ValueError) as error:  # too long, NUL characters, surrogates
            raise ValueError(f"{place}: {shorten_line(name)} is no name of a file: {_say(error)}.") from error
        if not self.allow_outside and not any(
            real.startswith(f"{folder.rstrip(os.sep)}{os.sep}") for folder in self.inside
        ):
            raise ValueError(
                f"{place}: {shorten_line(name)} lies outside of {printable(self.root)}. If that is meant, pass"
                " allow_outside=True."
            )
        return Path(path)

    def resolve(self, path: str) -> str:
        """The path without links; each folder is resolved once."""
        parent, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir):
            return os.path.realpath(path)
        if parent not in self.real_parents:
            self.real_parents[parent] = os.path.realpath(parent)
        real = os.path.join(self.real_parents[parent], name)
        try:
            os.lstat(real)
        except FileNotFoundError:
            return real
        return os.path.realpath(real) if os.path.islink(real) else real


def _say(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it cannot be encoded"
    return getattr(error, "strerror", None) or str(error)


def _read_json_lines(path: Path) -> Iterator[tuple[int, str, Any]]:
    for number, line in read_text_lines(path):
        try:
            entry = parse_json(line)
        except ValueError as error:
            raise ValueError(f"{printable(path)}:{number}: {shorten_line(line)} is no JSON: {error}.") from error
        yield number, line, entry


def _read_csv(path: Path) -> Iterator[tuple[int, str, Any]]:
    lines = list(read_text_lines(path))
    columns: list[str] = []
    for number, line in lines:
        try:
            row = next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise ValueError(f"{printable(path)}:{number}: {shorten_line(line)} is no CSV: {error}.") from error
        if not columns:
            columns = [name.strip() for name in row]
            continue
        yield number, line, dict(zip(columns, row, strict=False))
