# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Lists of image and label files that belong together, and what is wrong with them. No file is opened."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...listings import describe_odd_file, ending_of, find_files, is_utf8, printable

_SHOWN = 5


class MissingSplit(ValueError):
    """A data set has no such split, or its folder is missing."""


@dataclass(frozen=True)
class Listing:
    """Pairs (image, label) of files that exist, and one sentence for everything that has no counterpart."""

    pairs: list[tuple[Path, Path]]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences about files that lie beside the pairs and are not read."""

    def checked(self, source: str | Path) -> list[tuple[Path, Path]]:
        """The pairs; ValueError when there are problems or no pair at all."""
        if self.problems:
            raise ValueError(f"{source}: {shorten(self.problems)}")
        if not self.pairs:
            raise ValueError(f"{source} holds no pair of an image and a label. {' '.join(self.notes)}".rstrip())
        return self.pairs


def shorten(problems: list[str]) -> str:
    """The first few problems in one text, and how many more there are."""
    more = f" ... and {len(problems) - _SHOWN} more problems." if len(problems) > _SHOWN else ""
    return "\n".join(problems[:_SHOWN]) + more


def list_files(folder: Path, endings: Iterable[str], problems: list[str]) -> list[Path]:
    """Regular files below a folder with one of the endings, in order of their paths; hidden files are left out.

    Adds a sentence to problems for everything else that has such a name.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise MissingSplit(f"The folder {printable(folder)} is missing.")
    found = find_files(folder, endings)
    problems.extend(found.problems)
    return [folder / name for name in found.files]


def keep_existing(pairs: Iterable[tuple[Path, Path]], problems: Iterable[str] = ()) -> Listing:
    """Keep pairs of which both are regular files; the others become problems, after those already known."""
    listing = Listing([], list(problems))
    for pair in pairs:
        if unnamed := [printable(path) for path in pair if not is_utf8(os.fspath(path))]:
            listing.problems.append(f"{' and '.join(unnamed)} has a name that is not UTF-8; rename it.")
            continue
        missing: dict[str, list[str]] = {}
        for path in pair:
            if odd := describe_odd_file(path):
                missing.setdefault(odd, []).append(printable(path))
        if missing:
            listing.problems.extend(
                f"{' and '.join(names)}: {'no such file' if odd.startswith('is no file') else odd}."
                for odd, names in missing.items()
            )
        else:
            listing.pairs.append(pair)
    return listing


def list_endings(endings: Iterable[str]) -> str:
    """Endings as they are named in messages."""
    return " ".join(sorted(endings))


def note_unread(folder: Path, names: Sequence[str], endings: Iterable[str]) -> list[str]:
    """A sentence about files of a folder that are not read, with the endings that are; none without such files."""
    if not names:
        return []
    kinds = ", ".join(
        f"{kind or 'no ending'}: {count}" for kind, count in Counter(map(ending_of, names)).most_common()
    )
    return [
        f"{printable(folder)} also holds {len(names)} files that are not read ({kinds}), first {names[0]}. Read are"
        f" {list_endings(endings)}."
    ]


def path_below(path: Path, root: Path) -> str:
    """A path relative to the data root where it lies below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
