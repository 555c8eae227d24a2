# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Find image and label files that belong together: split files, metadata.jsonl, same names. No file is opened."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

IMAGE_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLITS = ("train", "val")
_SHOWN = 5


@dataclass(frozen=True)
class Listing:
    """Pairs (image, label) of files that exist, and one sentence for everything that has no counterpart."""

    pairs: list[tuple[Path, Path]]
    problems: list[str] = field(default_factory=list)

    def checked(self, source: str | Path) -> list[tuple[Path, Path]]:
        """The pairs; ValueError when there are problems or no pair at all."""
        if self.problems:
            raise ValueError(f"{source}: {shorten(self.problems)}")
        if not self.pairs:
            raise ValueError(f"{source} holds no pair of an image and a label.")
        return self.pairs


def shorten(problems: list[str]) -> str:
    """The first few problems in one text, and how many more there are."""
    more = f" ... and {len(problems) - _SHOWN} more problems." if len(problems) > _SHOWN else ""
    return "\n".join(problems[:_SHOWN]) + more


def list_files(folder: Path, endings: Iterable[str] = IMAGE_ENDINGS) -> list[Path]:
    """Files below a folder with one of the endings, in order of their paths; hidden files are left out.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"The folder {folder} is missing.")
    endings = tuple(endings)
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in endings and not path.name.startswith(".")
    )


def keep_existing(pairs: Iterable[tuple[Path, Path]]) -> Listing:
    """Sort out the pairs of which a file is missing."""
    listing = Listing([])
    for pair in pairs:
        if missing := [str(path) for path in pair if not path.is_file()]:
            listing.problems.append(f"{' and '.join(missing)}: no such file.")
        else:
            listing.pairs.append(pair)
    return listing


def read_split_file(split_file: str | Path, root: Path) -> Listing:
    """Pairs of a text file: one "image-path label-path" a line, relative to the data root (SPEC 5.8).

    The paths are separated by white space, or by one tab where they contain spaces. Empty lines do not count.

    Raises:
        ValueError: no such file, or a line that is not two relative paths (named as file:line).
    """
    split_file, pairs = Path(split_file), []
    try:
        lines = split_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"The split file {split_file} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = [part.strip() for part in line.split("\t")] if line.count("\t") == 1 else line.split()
        if len(fields) != 2 or not all(fields) or any(Path(part).is_absolute() for part in fields):
            raise ValueError(
                f"{split_file}:{number}: expected two paths relative to {root}, the image and its label, got {line!r}."
                " Separate paths that contain spaces by a tab."
            )
        pairs.append((root / fields[0], root / fields[1]))
    return keep_existing(pairs)


def read_metadata(metadata: Path, label_key: str) -> Listing:
    """Pairs of a metadata.jsonl: one {"file_name": ..., label_key: ...} a line, relative to its folder.

    Raises:
        ValueError: a line that is no such object (named as file:line).
    """
    pairs = []
    for number, line in enumerate(metadata.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            pair = (metadata.parent / entry["file_name"], metadata.parent / entry[label_key])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f'{metadata}:{number}: expected {{"file_name": "a.jpg", "{label_key}": "a.png"}}, got {line!r}.'
            ) from error
        pairs.append(pair)
    return keep_existing(pairs)


def pair_by_name(images: Path, labels: Path, label_endings: Iterable[str]) -> Listing:
    """Pair images/a/b.jpg with labels/a/b.png: same path below the two folders but for the ending."""
    listing = Listing([])
    by_stem: list[dict[Path, Path]] = []
    for folder, endings in ((images, IMAGE_ENDINGS), (labels, label_endings)):
        stems: dict[Path, Path] = {}
        for path in list_files(folder, endings):
            stem = path.relative_to(folder).with_suffix("")
            if stem in stems:
                listing.problems.append(f"{stems[stem]} and {path} have one name: which of them is meant?")
            stems[stem] = path
        by_stem.append(stems)
    image_stems, label_stems = by_stem
    for stem in sorted(image_stems.keys() | label_stems.keys()):
        if stem not in label_stems:
            listing.problems.append(f"{image_stems[stem]} has no counterpart {stem}.* in {labels}.")
        elif stem not in image_stems:
            listing.problems.append(f"{label_stems[stem]} has no counterpart {stem}.* in {images}.")
        else:
            listing.pairs.append((image_stems[stem], label_stems[stem]))
    return listing


def list_folder(root: Path, split: str | None, label_key: str, label_folders: tuple[str, ...], endings) -> Listing:
    """Pairs of a folder of one's own: a metadata.jsonl, or images/ beside one of the label folders.

    They lie in root/<split>, or in root itself when split is None or root has no folder for any split.

    Raises:
        ValueError: no such layout.
    """
    base = root / split if split else root
    if split and not base.is_dir():
        if split != "train" or any((root / name).is_dir() for name in SPLITS):
            raise ValueError(f"{root} has no folder {split!r}.")
        base = root
    if (base / "metadata.jsonl").is_file():
        return read_metadata(base / "metadata.jsonl", label_key)
    for name in label_folders:
        if (base / name).is_dir():
            return pair_by_name(base / "images", base / name, endings)
    raise ValueError(
        f"{base} must hold the folders images and {' or '.join(label_folders)} with files of the same names, or a"
        f' metadata.jsonl with {{"file_name": ..., "{label_key}": ...}} a line; or pass a split file.'
    )


class FileProtocol(Protocol):
    """What a depth or segmentation protocol knows of its files."""

    @property
    def name(self) -> str: ...

    @property
    def list_pairs(self) -> Callable[[Path, str | None], Listing]: ...

    @property
    def num_pairs(self) -> Mapping[str, int]:
        """Published size of each split."""
        ...


def list_split(root: Path, split: str | None, protocol: FileProtocol, split_file: str | Path | None = None) -> Listing:
    """Files of a split, from the split file or the folder. Raises ValueError for a split that there is not."""
    if split_file is not None:
        return read_split_file(split_file, root)
    if protocol.num_pairs and split not in protocol.num_pairs:
        raise ValueError(f"{protocol.name} has the splits {', '.join(protocol.num_pairs)}, not {split!r}.")
    return protocol.list_pairs(root, split)


def differs_from_published(num_pairs: int, split: str | None, protocol: FileProtocol) -> str:
    """A sentence when a split has not its published size, else nothing."""
    expected = protocol.num_pairs.get(split or "")
    if expected is None or num_pairs == expected:
        return ""
    return (
        f"{num_pairs} pairs, but the published {protocol.name} {split} has {expected}: results cannot be compared with"
        " published ones. Pass the published list as split file."
    )


def path_below(path: Path, root: Path) -> str:
    """A path relative to the data root where it lies below it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
