# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The splits of a folder to look through before training: task, samples and surveys, whatever is wrong with them."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from tqdm import tqdm

from ...listings import printable
from .columns import find_table, folder_of, from_columns, from_pairs
from .depth_protocols import DEPTH_PROTOCOLS, DepthProtocol, find_depth_protocol
from .depth_survey import DepthSurvey
from .file_listing import MissingSplit
from .file_pairs import SPLITS, differs_from_published, list_split
from .image_labels import encode_class_images, encode_labelled_table, find_split_folder, list_class_images
from .mask_survey import MaskSurvey
from .pair_reading import read_image
from .segmentation_datasets import SegmentationProtocol, list_mask_folder, recognise_masks, settle_numbering

LABEL_COLUMNS = {"depth": "depth", "segmentation": "segmentation_map", "classification": "label"}
_CHUNK = 64


@dataclass
class ClassSurvey:
    """Sizes and classes of images with one class each."""

    class_names: list[str]
    sizes: Counter = field(default_factory=Counter)
    images: Counter = field(default_factory=Counter)

    def measure(self, image: Any, label: Any, name: str) -> dict[str, Any]:
        """Read one image. Raises ValueError when it cannot be used."""
        width, height = read_image(image).size
        return {"size": (height, width), "label": label}

    def add(self, measured: dict[str, Any]) -> None:
        """Sum up one measurement."""
        self.sizes[measured["size"]] += 1
        self.images[self.class_names[measured["label"]]] += 1

    def summary(self) -> dict[str, Any]:
        """Numbers for report.json."""
        return {"classes": {name: self.images[name] for name in self.class_names}}

    def lines(self) -> list[str]:
        """The same for people."""
        counts = [self.images[name] for name in self.class_names] or [0]
        return [f"classes: {len(self.class_names)}, with {min(counts)} to {max(counts)} images each"]

    def problems(self) -> list[str]:
        """None: all problems show when single images are read."""
        return []

    def warnings(self) -> list[str]:
        """Too few classes to tell apart."""
        return ["There is only one class."] if len(self.class_names) == 1 else []


@dataclass
class Split:
    """Samples of a split (columns image, label, name; not decoded) and problems that show without reading them."""

    name: str
    samples: Dataset
    survey: DepthSurvey | MaskSurvey | ClassSurvey
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def read(self, limit: int | None = None) -> list[int]:
        """Read and measure samples on all cores, at most `limit`, evenly spread; returns the indices of those it could.

        The others are noted as problems.
        """
        total = len(self.samples)
        chosen = np.unique(np.linspace(0, total - 1, min(limit or total, total)).astype(int)).tolist()
        readable = []
        with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(chosen), desc=self.name, unit="image") as bar:
            for start in range(0, len(chosen), _CHUNK):
                chunk = chosen[start : start + _CHUNK]
                for index, measured in zip(chunk, pool.map(self._measure, chunk), strict=True):
                    if isinstance(measured, str):
                        self.problems.append(measured)
                    else:
                        self.survey.add(measured)
                        readable.append(index)
                    bar.update()
        return readable

    def _measure(self, index: int) -> dict[str, Any] | str:
        sample = self.samples[index]
        try:
            return self.survey.measure(sample["image"], sample["label"], sample["name"])
        except ValueError as error:
            message, name = str(error), sample["name"]
            return message if name in message else f"{name}: {message}"


def find_task(folder: Path, task: str | None = None, protocol: str | None = None) -> str:
    """The task of a data set: as given, as the protocol says, or as the layout of the folder shows.

    Raises:
        ValueError: there is no such folder, the task cannot be told, or task and protocol contradict each other.
    """
    if not folder.exists():
        raise ValueError(f"{printable(folder)} does not exist.")
    if protocol not in (None, "folder"):
        by_protocol = "depth" if protocol in DEPTH_PROTOCOLS else "segmentation"
        if task not in (None, by_protocol):
            raise ValueError(f"--protocol {protocol} is for {by_protocol}, not for {task}.")
        return by_protocol
    if task is not None:
        return task
    if find_depth_protocol(folder).name != "folder":
        return "depth"
    if recognise_masks(folder) != "folder":
        return "segmentation"
    for base in (folder, *(folder / name for name in SPLITS)):
        if any((base / name).is_dir() for name in ("depth", "depths")):
            return "depth"
        if any((base / name).is_dir() for name in list_mask_folder.keywords["label_folders"]):
            return "segmentation"
    raise ValueError(f"The layout of {folder} does not tell what it is for; pass --task.")


def find_splits(
    folder: Path,
    rules: DepthProtocol | SegmentationProtocol | None,
    split: str | None = None,
    split_file: Path | None = None,
    image_column: str = "image",
    label_column: str | None = None,
    allow_outside: bool = False,
) -> list[Split]:
    """The split asked for, or all that there are.

    Args:
        rules: protocol of the depth or segmentation maps; None: each image has one class.
        label_column: of a table; None: the usual one of the task (`LABEL_COLUMNS`).
        allow_outside: as for `list_split`.

    Raises:
        ValueError: none can be listed; the message says why for each.
    """
    splits, missing, failures = [], [], []
    for name in _split_names(folder, rules, split, split_file):
        try:
            if rules is None:
                splits.append(_list_classes(folder, name, image_column, label_column))
            else:
                columns = (image_column, label_column)
                splits.append(_list_labels(folder, name, rules, split_file, columns, allow_outside))
        except ValueError as error:
            (missing if isinstance(error, MissingSplit) else failures).append(f"{name or 'all'}: not checked. {error}")
    if not splits:
        # A problem that all of them have is said once.
        reasons = [text.split(": not checked. ", 1)[1] for text in (*failures, *missing)]
        raise ValueError(reasons[0] if len(set(reasons)) == 1 else "\n".join((*failures, *missing)))
    splits[0].problems.extend(failures)
    splits[0].warnings.extend(missing)
    return splits


def _split_names(folder: Path, rules: Any, split: str | None, split_file: Path | None) -> list[str | None]:
    """The requested split, or all that the protocol, the folders or the table may have; [None]: no splits."""
    if split is not None or split_file is not None:
        return [split]
    has_splits = any((folder / name).is_dir() for name in SPLITS) or (
        (folder / "dataset_dict.json").is_file() or any(folder.glob("data/*.parquet"))
    )
    if rules is not None:
        has_splits = has_splits or bool(rules.num_pairs)
    return list(SPLITS) if has_splits else [None]


def _list_labels(
    folder: Path,
    split: str | None,
    rules: DepthProtocol | SegmentationProtocol,
    split_file: Path | None,
    columns: tuple[str, str | None],
    allow_outside: bool,
) -> Split:
    problems: list[str] = []
    warnings: list[str] = []
    if (table := find_table(folder, split)) is not None:
        usual = LABEL_COLUMNS["depth" if isinstance(rules, DepthProtocol) else "segmentation"]
        samples = from_columns(table, {"image": columns[0], "label": columns[1] or usual}, folder_of(folder))
    else:
        listing = list_split(folder, split, rules, split_file, allow_outside)
        problems, warnings = listing.problems, listing.notes
        samples = from_pairs(listing.pairs, "label", folder)
        if split_file is None and (note := differs_from_published(len(samples), split, rules)):
            warnings.append(note)
    if isinstance(rules, DepthProtocol):
        return Split(split or "all", samples, DepthSurvey(rules), problems, warnings)
    if len(samples):
        try:
            rules = settle_numbering(rules, samples["label"])
        except ValueError as error:
            problems = [*problems, str(error)]
    return Split(split or "all", samples, MaskSurvey(rules), problems, warnings)


def _list_classes(folder: Path, split: str | None, image_column: str, label_column: str | None) -> Split:
    if (table := find_table(folder, split)) is not None:
        label_column = label_column or LABEL_COLUMNS["classification"]
        samples, names = encode_labelled_table(table, image_column, label_column, folder=folder_of(folder))
        return Split(split or "all", samples, ClassSurvey(names))
    names, listing = list_class_images(find_split_folder(folder, split))
    samples = encode_class_images(listing.pairs, names, folder)
    return Split(split or "all", samples, ClassSurvey(names), listing.problems, listing.notes)


def compare_classes(splits: list[Split]) -> list[str]:
    """Problems between splits: classes to test on that are not among those to train on."""
    names = {split.name: split.survey.class_names for split in splits if isinstance(split.survey, ClassSurvey)}
    if not {"train", "val"} <= names.keys():
        return []
    unknown = [name for name in names["val"] if name not in names["train"]]
    return [f"val has the classes {', '.join(unknown)}, which train has not."] if unknown else []
