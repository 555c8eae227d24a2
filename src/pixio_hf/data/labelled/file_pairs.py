# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Find image and label files that belong together: same names, or those that a text file names. None is opened."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from ...listings import find_files, photo_endings, printable
from .file_listing import Listing, MissingSplit, list_endings, note_unread
from .pair_lists import find_metadata, read_metadata, read_split_file

SPLITS = ("train", "val")


def pair_by_name(images: Path, labels: Path, label_endings: Iterable[str]) -> Listing:
    """Pair images/a/b.jpg with labels/a/b.png: same path below the two folders but for the ending.

    Raises:
        ValueError: one of the folders is missing.
    """
    sides = (_Side(images, photo_endings(), Listing([])), _Side(labels, tuple(label_endings), Listing([])))
    listing = Listing([], [text for side in sides for text in side.listing.problems])
    image_side, label_side = sides
    for stem in sorted(image_side.stems.keys() | label_side.stems.keys(), key=lambda stem: stem.split("/")):
        image, label = image_side.stems.get(stem), label_side.stems.get(stem)
        if image is None or label is None:
            there, missing = (image, label_side) if label is None else (label, image_side)
            listing.problems.append(f"{there} has no counterpart {stem}.* in {missing.describe_gap(stem)}")
        else:
            listing.pairs.append((image, label))
    both = sorted(image_side.unread.keys() & label_side.unread.keys())
    for stem in both:
        if stem not in image_side.stems and stem not in label_side.stems:
            listing.problems.append(
                f"{image_side.unread[stem]} and {label_side.unread[stem]} are of formats that are not read: images are"
                f" {list_endings(image_side.endings)}, labels {list_endings(label_side.endings)}."
            )
    for side in sides:
        listing.notes.extend(note_unread(side.folder, sorted(side.unread.values()), side.endings))
    return listing


class _Side:
    """The images or the labels of a folder, by their paths without ending, and what lies beside them."""

    def __init__(self, folder: Path, endings: tuple[str, ...], listing: Listing):
        if not folder.is_dir():
            raise MissingSplit(f"The folder {printable(folder)} is missing.")
        self.folder, self.endings, self.listing = folder, endings, listing
        found = find_files(folder, endings)
        listing.problems.extend(found.problems)
        self.stems: dict[str, Path] = {}
        for name in found.files:
            stem, path = _stem(name), folder / name
            if stem in self.stems:
                listing.problems.append(f"{self.stems[stem]} and {path} have one name: which of them is meant?")
            self.stems[stem] = path
        self.unread = {_stem(name): name for name in found.others}
        # In lower case and in order, so that a near name is found without comparing all of them.
        self._all = sorted((_stem(name).lower(), name) for name in (*found.files, *found.others))

    def describe_gap(self, stem: str) -> str:
        """For messages: the folder, the name in it closest to a missing one, and the formats that are read."""
        read = f"read are {list_endings(self.endings)}"
        if stem in self.unread:
            return f"{printable(self.folder)}: {self.unread[stem]} lies there, but its format is not read; {read}."
        place = bisect_left(self._all, (stem.lower(), ""))
        near = self._all[place][1] if place < len(self._all) and self._all[place][0].startswith(stem.lower()) else ""
        # "00012" does not count as close to "0001".
        is_near = near and not near[len(stem) : len(stem) + 1].isdigit()
        return f"{printable(self.folder)}" + (f" ({near} lies there)" if is_near else "") + f"; {read}."


def _stem(name: str) -> str:
    """A relative path without the ending of its last part."""
    head, slash, base = name.rpartition("/")
    dot = base.rfind(".")
    return head + slash + (base[:dot] if dot > 0 else base)


def list_folder(
    root: Path,
    split: str | None,
    label_key: str,
    label_folders: tuple[str, ...],
    endings: Iterable[str],
    allow_outside: bool = False,
) -> Listing:
    """Pairs of a user's own folder: a metadata.jsonl (or .csv), or images/ beside one of the label folders.

    They lie in root/<split>, or in root itself when split is None or root has no folder for any split.

    Raises:
        ValueError: no such layout.
    """
    base = root / split if split else root
    if split and not base.is_dir():
        if split != "train" or any((root / name).is_dir() for name in SPLITS):
            raise MissingSplit(f"{printable(root)} has no folder {split!r}.")
        base = root
    if (metadata := find_metadata(base)) is not None:
        return read_metadata(metadata, label_key, allow_outside)
    for name in label_folders:
        if (base / name).is_dir():
            return pair_by_name(base / "images", base / name, endings)
    raise ValueError(
        f"{printable(base)} must hold the folders images and {' or '.join(label_folders)} with files of the same names, or"
        f' a metadata.jsonl with {{"file_name": ..., "{label_key}": ...}} a line; or pass a split file. Read are'
        f" {list_endings(photo_endings())} for images, {list_endings(endings)} for labels."
    )


class FileProtocol(Protocol):
    """What a depth or segmentation protocol knows of its files."""

    @property
    def name(self) -> str: ...

    @property
    def list_pairs(self) -> Callable[..., Listing]: ...

    @property
    def num_pairs(self) -> Mapping[str, int]:
        """Published size of each split."""
        ...


def list_split(
    root: Path,
    split: str | None,
    protocol: FileProtocol,
    split_file: str | Path | None = None,
    allow_outside: bool = False,
) -> Listing:
    """Files of a split, from the split file or the folder. Raises ValueError for a split that there is not.

    allow_outside: whether a split file or metadata.jsonl may name files outside of the folder.
    """
    if split_file is not None:
        return read_split_file(split_file, root, allow_outside)
    if protocol.num_pairs and split not in protocol.num_pairs:
        raise MissingSplit(f"{protocol.name} has the splits {', '.join(protocol.num_pairs)}, not {split!r}.")
    # Only a user's own folder can name its files in a text file.
    options = {"allow_outside": True} if allow_outside and protocol.name == "folder" else {}
    return protocol.list_pairs(root, split, **options)


def differs_from_published(num_pairs: int, split: str | None, protocol: FileProtocol) -> str:
    """A sentence if a split does not have its published size, else nothing."""
    expected = protocol.num_pairs.get(split or "")
    if expected is None or num_pairs == expected:
        return ""
    return (
        f"{num_pairs} pairs, but the published {protocol.name} {split} has {expected}: results cannot be compared with"
        " published ones. Pass the published list as split file."
    )
