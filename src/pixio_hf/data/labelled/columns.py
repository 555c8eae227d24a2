# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pairs as a `datasets.Dataset`, not decoded yet: from files, the Hub, save_to_disk folders and Parquet."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, DatasetDict, Features, Image, Value
from huggingface_hub.utils import validate_repo_id
from transformers.utils import logging

from ...listings import describe_odd_file, printable
from .file_listing import MissingSplit, path_below
from .file_pairs import FileProtocol, differs_from_published, list_split

logger = logging.get_logger(__name__)

# Files that are tables themselves, and the builders of `datasets` that read them.
_TABLE_FILES = {".arrow": "arrow", ".feather": "arrow", ".parquet": "parquet"}

# Data sets on the Hub name their second split in one of these ways.
_SPLIT_ALIASES = {"val": ("val", "validation", "valid", "dev"), "train": ("train", "training")}


def open_encoded(
    name_or_path: str | Path,
    split: str | None,
    columns: dict[str, str],
    protocol: FileProtocol,
    split_file: str | Path | None,
    allow_outside: bool = False,
) -> Dataset:
    """Pairs as a Dataset, not decoded: columns image, the label's, and name.

    Args:
        columns: {"image": its column in a table, name of the label: its column in a table}.
        protocol: lists the files where it is a folder.
        allow_outside: accept files outside of the folder in a split file or metadata.jsonl.

    Raises:
        ValueError: nothing there, missing counterparts or columns, a split-file line that does not parse.
    """
    if (table := find_table(name_or_path, split)) is not None:
        if split_file is not None:
            raise ValueError(f"A split file names the files of a folder; {name_or_path} is a table.")
        return from_columns(table, columns, folder_of(name_or_path))
    root = Path(name_or_path)
    listing = list_split(root, split, protocol, split_file, allow_outside)
    pairs = listing.checked(split_file or root)
    for note in listing.notes:
        logger.warning(note)
    if split_file is None and (note := differs_from_published(len(pairs), split, protocol)):
        logger.warning(f"{root}: {note}")
    _, label_column = columns
    return from_pairs(pairs, label_column, root)


def from_pairs(pairs: Sequence[tuple[Path, Path]], label_column: str, root: Path) -> Dataset:
    """Files as a Dataset with the columns image, label_column and name (the image's path below root)."""
    table = {
        "image": [str(image) for image, _ in pairs],
        label_column: [str(label) for _, label in pairs],
        "name": [path_below(image, root) for image, _ in pairs],
    }
    encoded = Image(decode=False)
    return Dataset.from_dict(
        table, features=Features({"image": encoded, label_column: encoded, "name": Value("string")})
    )


def from_columns(
    dataset: Dataset, columns: dict[str, str], folder: Path | None, image_columns: Sequence[str] | None = None
) -> Dataset:
    """Keep the columns {new name: own name} of a table, images not decoded, and add `name`.

    A column of images may hold `datasets` images, bytes of files (binary of any kind), arrays or nested lists, or
    paths, which are relative to `folder`. All columns do; with `image_columns`, only those.

    Raises:
        ValueError: a column is missing, or holds paths where there is no folder.
    """
    for name, own in columns.items():
        if own not in dataset.column_names:
            option = "label_column" if name in ("label", "segmentation_map") else f"{name}_column"
            raise ValueError(
                f"The data set has no column {own!r} for the {name}; it has {', '.join(dataset.column_names)}. Name the"
                f" right one ({option})."
            )
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"The columns must differ, got {columns}.")
    dataset = dataset.select_columns(list(columns.values()))
    dataset = dataset.rename_columns({own: name for name, own in columns.items() if own != name})
    named_images = set(columns) if image_columns is None else set(image_columns)
    for name in columns:
        feature = dataset.features[name]
        if isinstance(feature, Image):
            dataset = dataset.cast_column(name, Image(decode=False))
        elif name in named_images and is_text(feature):
            dataset = resolve_paths(dataset, name, folder)
    names: Any = [f"row {index}" for index in range(len(dataset))]
    return dataset.add_column("name", names)


def is_text(feature: Any) -> bool:
    """Whether a column holds texts, which name files."""
    return isinstance(feature, Value) and "string" in str(feature.dtype)


def resolve_paths(dataset: Dataset, column: str, folder: Path | None) -> Dataset:
    """Paths of a column as images of `datasets`, relative ones below the folder of the table."""
    if folder is None:
        raise ValueError(
            f"The column of the {column} holds texts, and a data set on the Hub has no files beside it; it must hold"
            " images."
        )
    texts = dataset[column]
    paths: Any = [{"bytes": None, "path": None if text is None else str(folder / text)} for text in texts]
    rest = dataset.remove_columns(column)
    return rest.add_column(column, paths).cast_column(column, Image(decode=False))


def folder_of(name_or_path: str | Path) -> Path | None:
    """The folder that a table lies in, itself or its file; None for a data set on the Hub."""
    path = Path(name_or_path)
    return path if path.is_dir() else path.parent if path.is_file() else None


def find_table(name_or_path: str | Path, split: str | None) -> Dataset | None:
    """The table that a save_to_disk folder, Parquet or Arrow files or a Hub id names; None for any other folder.

    Raises:
        ValueError: neither a path that exists nor a data set on the Hub, or it has no such split, or it is damaged.
    """
    path = Path(name_or_path)
    is_folder = path.is_dir()
    if is_folder and any((path / marker).is_file() for marker in ("dataset_info.json", "dataset_dict.json")):
        return _choose_split(_load(path, lambda: datasets.load_from_disk(str(path))), split, path)
    if (builder := _TABLE_FILES.get(path.suffix.lower())) and path.is_file():
        load = partial(datasets.load_dataset, builder, data_files=str(path), split="train")
        return _load(path, load)
    if is_folder and not (any(path.glob("*.parquet")) or any(path.glob("data/*.parquet"))):
        return None
    if path.exists() and not is_folder:
        raise ValueError(
            f"{printable(path)} {describe_odd_file(path) or 'is a file'}; expected a folder, a file that ends in"
            f" {' or '.join(_TABLE_FILES)}, or a data set on the Hub."
        )
    try:
        if not path.exists():
            validate_repo_id(str(name_or_path))  # reports a mistyped folder at once, without asking the Hub
        splits = datasets.get_dataset_split_names(str(name_or_path))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name_or_path} is neither a folder that exists nor a data set that can be loaded from the Hub: {error}"
        ) from error
    chosen = _find_split(splits, split, name_or_path)
    return _load(path, lambda: datasets.load_dataset(str(name_or_path), split=chosen))


def _load(source: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # pyarrow and the builders of `datasets` each have their own
        cause = error.__cause__ or error
        raise ValueError(f"{printable(source)} cannot be read as a table: {type(cause).__name__}: {cause}") from error


def _choose_split(loaded: Any, split: str | None, path: Path) -> Dataset:
    if not isinstance(loaded, DatasetDict):
        if split not in (None, "train"):
            raise MissingSplit(f"{path} holds one table without splits, not {split!r}.")
        return loaded
    return loaded[_find_split([str(name) for name in loaded], split, path)]


def _find_split(names: Sequence[str], split: str | None, source: Any) -> str:
    if split is None and len(names) == 1:
        return names[0]
    wanted = _SPLIT_ALIASES.get(split or "", (split,))
    for name in wanted:
        if name in names:
            return name
    asked = f"not {split!r}" if split else "name one of them"
    raise MissingSplit(f"{source} has the splits {', '.join(names)}, {asked}.")
