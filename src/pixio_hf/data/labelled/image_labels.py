# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with one class each, for k-NN and linear probes: a folder per class, or a table of `datasets`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Image, Value

from ...listings import describe_odd_file, ending_of, find_files, is_utf8, photo_endings, printable
from .columns import find_table, folder_of, from_columns
from .file_listing import Listing, MissingSplit, note_unread, path_below
from .pair_reading import read_image


def read_labelled_images(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Decode a batch of columns image, label, name: the images become upright RGB. ValueError names the item."""
    images = []
    for source, name in zip(batch["image"], batch["name"], strict=True):
        try:
            images.append(read_image(source))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return {"image": images, "label": batch["label"], "name": batch["name"]}


def find_split_folder(root: Path, split: str | None) -> Path:
    """root/<split>, or root itself without a split. ValueError when the folder is missing."""
    folder = root / split if split else root
    if not folder.is_dir():
        raise MissingSplit(
            f"The folder {printable(folder)} is missing; it should hold one folder of images per class."
        )
    return folder


def list_class_images(folder: Path) -> tuple[list[str], Listing]:
    """Class names in alphabetical order, and pairs (image, class folder); images outside a class folder are problems."""
    listing, endings, classes, beside = Listing([]), photo_endings(), [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not is_utf8(path.name):
            listing.problems.append(f"{printable(path)} has a name that is not UTF-8; rename it.")
        elif path.is_dir():
            classes.append(path.name)
        elif ending_of(path.name) in endings:
            odd = describe_odd_file(path)
            listing.problems.append(f"{printable(path)} {odd or 'lies in no class folder'}.")
        else:
            beside.append(path.name)
    listing.notes.extend(note_unread(folder, beside, endings))
    for name in classes:
        found = find_files(folder / name, endings)
        unread = note_unread(folder / name, found.others, endings)
        listing.problems.extend(found.problems)
        listing.notes.extend(unread)
        if not found.files:
            listing.problems.append(f"The class folder {folder / name} holds no image. {' '.join(unread)}".rstrip())
        listing.pairs.extend((folder / name / image, folder / name) for image in found.files)
    return classes, listing


def open_image_labels(
    name_or_path: str | Path,
    split: str | None = "train",
    *,
    class_names: Sequence[str] | None = None,
    image_column: str = "image",
    label_column: str = "label",
) -> tuple[Any, list[str]]:
    """Open images with one class each: items {"image": RGB PIL image, "label": int, "name": str}, and the class names.

    Args:
        name_or_path: a folder with <split>/<class>/*.jpg (or <class>/*.jpg with split None), a save_to_disk folder,
            Parquet files or a Hub id.
        class_names: order of the classes; pass the training split's, so that both splits number them alike. None: in
            alphabetical order.

    Raises:
        ValueError: no image, images outside the class folders, empty class folders, classes not in class_names, or a
            label column without class names.
    """
    if (table := find_table(name_or_path, split)) is not None:
        dataset, found = encode_labelled_table(table, image_column, label_column, class_names, folder_of(name_or_path))
        if class_names is not None and list(class_names) != found:
            raise ValueError(f"{name_or_path} {split} numbers its classes {found}, not {list(class_names)}.")
        return dataset.with_transform(read_labelled_images), found
    root = Path(name_or_path)
    folder = find_split_folder(root, split)
    found, listing = list_class_images(folder)
    pairs = listing.checked(folder)
    names = list(class_names) if class_names is not None else found
    if unknown := sorted(set(found) - set(names)):
        raise ValueError(f"{folder} has the classes {', '.join(unknown)}, which are not among those to train on.")
    return encode_class_images(pairs, names, root).with_transform(read_labelled_images), names


def encode_class_images(pairs: Sequence[tuple[Path, Path]], names: list[str], root: Path) -> Dataset:
    """Pairs (image, class folder) as a Dataset, not decoded: columns image, label, name."""
    table = {
        "image": [str(path) for path, _ in pairs],
        "label": [names.index(class_folder.name) for _, class_folder in pairs],
        "name": [path_below(path, root) for path, _ in pairs],
    }
    features = Features({"image": Image(decode=False), "label": ClassLabel(names=names), "name": Value("string")})
    return Dataset.from_dict(table, features=features)


def encode_labelled_table(
    table: Dataset,
    image_column: str,
    label_column: str,
    class_names: Sequence[str] | None = None,
    folder: Path | None = None,
) -> tuple[Dataset, list[str]]:
    """Columns image, label, name of a table, not decoded, and its class names.

    A ClassLabel names its classes itself; texts are names, in alphabetical order; whole numbers are named by their
    digits, in their order. The latter two follow the order of class_names if given.

    Raises:
        ValueError: a column is missing, the labels are neither, or a class is not in class_names.
    """
    dataset = from_columns(table, {"image": image_column, "label": label_column}, folder, ("image",))
    feature = dataset.features["label"]
    if isinstance(feature, ClassLabel):
        return dataset, feature.names
    found = dataset.unique("label")
    if not found or not all(isinstance(label, str | int) and not isinstance(label, bool) for label in found):
        raise ValueError(
            f"The column {label_column!r} must hold a ClassLabel, texts or whole numbers, got {feature} with"
            f" {found[:3]}."
        )
    names = list(class_names) if class_names is not None else [str(label) for label in sorted(found)]
    if unknown := sorted({str(label) for label in found} - set(names)):
        raise ValueError(f"The table has the classes {', '.join(unknown)}, which are not among {', '.join(names)}.")
    numbers = {name: index for index, name in enumerate(names)}
    labels: Any = [numbers[str(label)] for label in dataset["label"]]
    return dataset.remove_columns("label").add_column("label", labels).cast_column(
        "label", ClassLabel(names=names)
    ), names
