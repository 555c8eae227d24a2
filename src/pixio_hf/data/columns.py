# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pairs as a `datasets.Dataset`, not decoded yet: from files, the Hub, save_to_disk folders and Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, DatasetDict, Features, Image, Value
from huggingface_hub.utils import validate_repo_id
from transformers.utils import logging

from .file_pairs import FileProtocol, differs_from_published, list_split, path_below

logger = logging.get_logger(__name__)

# Data sets on the Hub name their second split in one of these ways.
_SPLIT_ALIASES = {"val": ("val", "validation", "valid", "dev"), "train": ("train", "training")}


def open_encoded(
    name_or_path: str | Path,
    split: str | None,
    columns: dict[str, str],
    protocol: FileProtocol,
    split_file: str | Path | None,
) -> Dataset:
    """Pairs as a Dataset, not decoded: columns image, the label's, and name.

    Args:
        columns: {"image": its column in a table, name of the label: its column in a table}.
        protocol: lists the files where it is a folder.

    Raises:
        ValueError: nothing there, missing counterparts or columns, a split-file line that does not parse.
    """
    if (table := find_table(name_or_path, split)) is not None:
        if split_file is not None:
            raise ValueError(f"A split file names the files of a folder; {name_or_path} is a table.")
        return from_columns(table, columns)
    root = Path(name_or_path)
    pairs = list_split(root, split, protocol, split_file).checked(split_file or root)
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


def from_columns(dataset: Dataset, columns: dict[str, str]) -> Dataset:
    """Keep the columns {new name: own name} of a table, images not decoded, and add `name`.

    Raises:
        ValueError: a column is missing.
    """
    for name, own in columns.items():
        if own not in dataset.column_names:
            raise ValueError(
                f"The data set has no column {own!r} for the {name}; it has {', '.join(dataset.column_names)}. Name the"
                " right one."
            )
    if len(set(columns.values())) < len(columns):
        raise ValueError(f"The columns must differ, got {columns}.")
    dataset = dataset.select_columns(list(columns.values()))
    dataset = dataset.rename_columns({own: name for name, own in columns.items() if own != name})
    for name in columns:
        if isinstance(dataset.features[name], Image):
            dataset = dataset.cast_column(name, Image(decode=False))
    names: Any = [f"row {index}" for index in range(len(dataset))]
    return dataset.add_column("name", names)


def find_table(name_or_path: str | Path, split: str | None) -> Dataset | None:
    """The table that a save_to_disk folder, Parquet files or a Hub id names; None for any other existing folder.

    Raises:
        ValueError: neither a path that exists nor a data set on the Hub, or it has no such split.
    """
    path = Path(name_or_path)
    if any((path / marker).is_file() for marker in ("dataset_info.json", "dataset_dict.json")):
        return _choose_split(datasets.load_from_disk(str(path)), split, path)
    if path.suffix == ".parquet" and path.is_file():
        return datasets.load_dataset("parquet", data_files=str(path), split="train")
    if path.is_dir() and not (any(path.glob("*.parquet")) or any(path.glob("data/*.parquet"))):
        return None
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; expected a folder, a .parquet file or a data set on the Hub.")
    try:
        if not path.exists():
            validate_repo_id(str(name_or_path))  # so that a mistyped folder is told at once, without asking the Hub
        splits = datasets.get_dataset_split_names(str(name_or_path))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name_or_path} is neither a folder that exists nor a data set that can be loaded from the Hub: {error}"
        ) from error
    return datasets.load_dataset(str(name_or_path), split=_find_split(splits, split, name_or_path))


def _choose_split(loaded: Any, split: str | None, path: Path) -> Dataset:
    if not isinstance(loaded, DatasetDict):
        if split not in (None, "train"):
            raise ValueError(f"{path} holds one table without splits, not {split!r}.")
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
    raise ValueError(f"{source} has the splits {', '.join(names)}, {asked}.")
