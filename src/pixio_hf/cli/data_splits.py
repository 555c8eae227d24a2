# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What `check-data` looks at: the task and the splits of a folder, and the samples of each, whatever is wrong with them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..data.labelled.columns import find_table, folder_of, from_columns, from_pairs
from ..data.labelled.depth_datasets import DEPTH_PROTOCOLS, adapt_protocol, find_depth_protocol
from ..data.labelled.file_listing import MissingSplit
from ..data.labelled.file_pairs import SPLITS, differs_from_published, list_split
from ..data.labelled.image_labels import (
    encode_class_images,
    encode_labelled_table,
    find_split_folder,
    list_class_images,
)
from ..data.labelled.segmentation_datasets import (
    find_segmentation_protocol,
    list_mask_folder,
    recognise_masks,
    settle_numbering,
)
from ..listings import printable
from .data_survey import ClassSurvey, DepthSurvey
from .mask_survey import MaskSurvey

LABEL_COLUMNS = {"depth": "depth", "segmentation": "segmentation_map", "classification": "label"}


@dataclass(frozen=True)
class DataRequest:
    """What to check, as on the command line; None where it is to be found out."""

    folder: Path
    task: str | None = None
    protocol: str | None = None
    split: str | None = None
    split_file: Path | None = None
    depth_scale: float | None = None
    num_classes: int | None = None
    do_reduce_labels: bool | None = None
    image_column: str = "image"
    label_column: str | None = None
    allow_outside: bool = False


@dataclass
class Split:
    """Samples of a split (columns image, label, name; not decoded) and what is wrong without reading them."""

    name: str
    samples: Dataset
    survey: DepthSurvey | MaskSurvey | ClassSurvey
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def find_task(request: DataRequest) -> str:
    """The task of a request: as given, as the protocol says, or as the layout of the folder shows.

    Raises:
        ValueError: it cannot be told, or task and protocol contradict each other.
    """
    if request.protocol not in (None, "folder"):
        by_protocol = "depth" if request.protocol in DEPTH_PROTOCOLS else "segmentation"
        if request.task not in (None, by_protocol):
            raise ValueError(f"--protocol {request.protocol} is for {by_protocol}, not for {request.task}.")
        return by_protocol
    if request.task is not None:
        return request.task
    if find_depth_protocol(request.folder).name != "folder":
        return "depth"
    if recognise_masks(request.folder) != "folder":
        return "segmentation"
    for base in (request.folder, *(request.folder / name for name in SPLITS)):
        if any((base / name).is_dir() for name in ("depth", "depths")):
            return "depth"
        if any((base / name).is_dir() for name in list_mask_folder.keywords["label_folders"]):
            return "segmentation"
    raise ValueError(f"The layout of {request.folder} does not tell what it is for; pass --task.")


def find_splits(request: DataRequest) -> list[Split]:
    """The split asked for, or all that there are.

    Raises:
        ValueError: none can be listed; the message says why for each.
    """
    if not request.folder.exists():
        raise ValueError(f"{printable(request.folder)} does not exist.")
    task = find_task(request)
    splits, missing, failures = [], [], []
    for name in split_names(request, task):
        try:
            if task == "classification":
                splits.append(list_classes(request, name))
            else:
                splits.append(list_labels(request, task, name))
        except ValueError as error:
            (missing if isinstance(error, MissingSplit) else failures).append(f"{name or 'all'}: not checked. {error}")
    if not splits:
        # Whatever is wrong with all of them is said once.
        reasons = [text.split(": not checked. ", 1)[1] for text in (*failures, *missing)]
        raise ValueError(reasons[0] if len(set(reasons)) == 1 else "\n".join((*failures, *missing)))
    splits[0].problems.extend(failures)
    splits[0].warnings.extend(missing)
    return splits


def split_names(request: DataRequest, task: str) -> list[str | None]:
    """The split asked for, or those that the protocol, the folders or the table may have; [None]: there are none."""
    if request.split is not None or request.split_file is not None:
        return [request.split]
    folder = request.folder
    has_splits = any((folder / name).is_dir() for name in SPLITS) or (
        (folder / "dataset_dict.json").is_file() or any(folder.glob("data/*.parquet"))
    )
    if task != "classification":
        has_splits = has_splits or bool(find_protocol(request, task).num_pairs)
    return list(SPLITS) if has_splits else [None]


def find_protocol(request: DataRequest, task: str) -> Any:
    """The depth or segmentation protocol of a request, with its options."""
    if task == "depth":
        return adapt_protocol(request.folder, request.protocol, request.depth_scale)
    return find_segmentation_protocol(
        request.folder, request.protocol, request.num_classes, request.do_reduce_labels, can_count=True
    )


def list_labels(request: DataRequest, task: str, split: str | None) -> Split:
    """Images with depth or segmentation maps. Raises ValueError when nothing can be listed."""
    protocol = find_protocol(request, task)
    problems: list[str] = []
    warnings: list[str] = []
    if (table := find_table(request.folder, split)) is not None:
        label_column = request.label_column or LABEL_COLUMNS[task]
        samples = from_columns(
            table, {"image": request.image_column, "label": label_column}, folder_of(request.folder)
        )
    else:
        listing = list_split(request.folder, split, protocol, request.split_file, request.allow_outside)
        problems, warnings = listing.problems, listing.notes
        samples = from_pairs(listing.pairs, "label", request.folder)
        if request.split_file is None and (note := differs_from_published(len(samples), split, protocol)):
            warnings.append(note)
    if task == "depth":
        return Split(split or "all", samples, DepthSurvey(protocol), problems, warnings)
    if len(samples):
        try:
            protocol = settle_numbering(protocol, samples["label"])
        except ValueError as error:
            problems = [*problems, str(error)]
    return Split(split or "all", samples, MaskSurvey(protocol), problems, warnings)


def list_classes(request: DataRequest, split: str | None) -> Split:
    """Images with one class each. Raises ValueError when nothing can be listed."""
    if (table := find_table(request.folder, split)) is not None:
        label_column = request.label_column or LABEL_COLUMNS["classification"]
        samples, names = encode_labelled_table(
            table, request.image_column, label_column, folder=folder_of(request.folder)
        )
        return Split(split or "all", samples, ClassSurvey(names))
    names, listing = list_class_images(find_split_folder(request.folder, split))
    samples = encode_class_images(listing.pairs, names, request.folder)
    return Split(split or "all", samples, ClassSurvey(names), listing.problems, listing.notes)


def compare_classes(splits: list[Split]) -> list[str]:
    """Problems between splits: classes to test on that are not among those to train on."""
    names = {split.name: split.survey.class_names for split in splits if isinstance(split.survey, ClassSurvey)}
    if not {"train", "val"} <= names.keys():
        return []
    unknown = [name for name in names["val"] if name not in names["train"]]
    return [f"val has the classes {', '.join(unknown)}, which train has not."] if unknown else []
