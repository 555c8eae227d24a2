# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Find the shards of a data set: tar files in WebDataset layout or Parquet files, local or behind any fsspec address."""

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from transformers.utils import logging

from ...listings import describe_odd_file, find_files, photo_endings, printable

logger = logging.get_logger(__name__)

SHARD_SUFFIXES = (".tar", ".parquet")


def list_files(folder: str | Path, suffixes: Iterable[str], warn: bool = False) -> list[str]:
    """Regular files below a folder with one of these endings, as sorted paths relative to it; hidden ones are left out.

    `warn` says once what else lies there: other files, and names with these endings that are no regular files.
    """
    found = find_files(folder, suffixes, only_utf8=False)
    if warn and found.problems:
        logger.warning(f"{len(found.problems)} entries are left out: {shorten_list(found.problems)}")
    if warn and found.others:
        names = shorten_list([printable(name) for name in found.others])
        logger.warning(f"{printable(folder)}: {len(found.others)} files that are no images are left out: {names}")
    return sorted(found.files)


def shorten_list(items: Sequence[str], num_shown: int = 3) -> str:
    """The first few items in one text, and how many more there are."""
    more = f" and {len(items) - num_shown} more" if len(items) > num_shown else ""
    return ", ".join(items[:num_shown]) + more


def expand_braces(pattern: str) -> list[str]:
    """Spell out the ranges of a pattern, as WebDataset writes them: "a-{08..10}.tar" -> a-08.tar, a-09.tar, a-10.tar."""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    numbers = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return [name for n in numbers for name in expand_braces(pattern[: match.start()] + n + pattern[match.end() :])]


def find_shards(dataset: str) -> list[str] | None:
    """Paths or addresses of a data set's shards, sorted; None for a local folder without any.

    Args:
        dataset: a folder; a path or address (such as hf://datasets/OWNER/NAME/...) with the wildcards * and ? or a range
            {0000..0099}; or the name OWNER/NAME of a data set on the Hub, whose training split is taken.

    Raises:
        ValueError: nothing was found, or not shards of one kind.
    """
    if Path(dataset).is_dir():
        names = list_files(dataset, SHARD_SUFFIXES)
        if not names:
            return None
        shards = [os.path.join(dataset, name) for name in prefer_training_split(dataset, names)]
        if list_files(dataset, photo_endings()):
            raise ValueError(f"{dataset} holds both shards and single images; name the shards, such as {shards[0]}.")
    elif "{" in dataset:
        shards = expand_braces(dataset)
    elif "://" in dataset or any(character in dataset for character in "*?[") or Path(dataset).is_file():
        shards = expand_wildcards(dataset)
    elif os.path.lexists(dataset):
        raise ValueError(f"{printable(dataset)} {describe_odd_file(dataset)}.")
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", dataset):
        shards = find_hub_shards(dataset)
    else:
        raise ValueError(
            f"{dataset!r} is neither a folder nor a file, pattern, address or OWNER/NAME of a Hub data set."
        )
    if not shards:
        raise ValueError(f"No file matches {dataset}.")
    kinds = {os.path.splitext(shard)[1].lower() for shard in shards}
    if len(kinds) != 1 or not kinds <= set(SHARD_SUFFIXES):
        raise ValueError(
            f"{dataset} stands for files that end in {', '.join(sorted(kinds))}: expected only"
            f" {' or only '.join(SHARD_SUFFIXES)}."
        )
    return sorted(shards)


def prefer_training_split(folder: str, names: list[str]) -> list[str]:
    """Names that contain "train", where some do and others do not; says how many it leaves out.

    See docs/specification.md 3.4.
    """
    training = fnmatch.filter(names, "*train*")
    if training and len(training) < len(names):
        logger.warning(f"{folder}: taking the {len(training)} of {len(names)} shards whose names contain 'train'.")
    return training or names


def expand_wildcards(pattern: str) -> list[str]:
    """Files that a pattern matches, on any file system fsspec knows, as addresses that fsspec opens."""
    from fsspec.core import url_to_fs

    file_system, path = url_to_fs(pattern)
    found = [str(name) for name in file_system.glob(path)]
    return [str(file_system.unstrip_protocol(name)) for name in found] if "://" in pattern else found


def find_hub_shards(name: str) -> list[str]:
    """Addresses of the files of the training split of a Hub data set, as `datasets` finds them."""
    from datasets import load_dataset_builder

    try:
        files = load_dataset_builder(name).config.data_files
    except Exception as error:  # the Hub's, the network's and the builders' errors have no common base
        raise ValueError(
            f"{name!r} is neither a local folder nor a data set that can be read from the Hub: {error}"
        ) from error
    if not files or "train" not in files:
        raise ValueError(f"{name} has no split called train; found {', '.join(map(str, files or {})) or 'none'}.")
    return [str(address) for address in files["train"]]
