# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with one class each, for k-NN and linear probes: a folder per class, or a table of `datasets`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Image, Value

from .columns import find_table, from_columns
from .file_pairs import IMAGE_ENDINGS, Listing, list_files, path_below
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
        raise ValueError(f"The folder {folder} is missing; it should hold one folder of images per class.")
    return folder


def list_class_images(folder: Path) -> tuple[list[str], Listing]:
    """Class names in alphabetical order, and pairs (image, class folder); images outside a class folder are problems."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    listing = Listing([])
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in IMAGE_ENDINGS and path.is_file():
            listing.problems.append(f"{path} lies in no class folder.")
    for name in classes:
        images = list_files(folder / name)
        if not images:
            listing.problems.append(f"The class folder {folder / name} holds no image.")
        listing.pairs.extend((image, folder / name) for image in images)
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
        dataset, found = encode_labelled_table(table, image_column, label_column)
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


def encode_labelled_table(table: Dataset, image_column: str, label_column: str) -> tuple[Dataset, list[str]]:
    """Columns image, label, name of a table, not decoded, and its class names. Raises ValueError without class names."""
    dataset = from_columns(table, {"image": image_column, "label": label_column})
    feature = dataset.features["label"]
    if not isinstance(feature, ClassLabel):
        raise ValueError(
            f"The column {label_column!r} is no ClassLabel and so has no class names; call"
            f" dataset.class_encode_column({label_column!r}) and save it again."
        )
    return dataset, feature.names
