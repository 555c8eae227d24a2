# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What examples/ablation/ablation.py trains and measures on: rendered scenes, photographs, and photographs with classes."""

import csv
import hashlib
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset
from tqdm.auto import tqdm

from pixio_hf.evaluation.knn import center_crop
from pixio_hf.files import file_in_progress
from pixio_hf.listings import open_image
from pixio_hf.synthetic import HELD_OUT_SEEDS, TRAIN_SEEDS, SceneSet, SyntheticSceneDataset

_HOLD_OUT_EVERY = 5
"""Of photographs without a split of their publisher, every fifth of the list is a test image."""


class Scenes(NamedTuple):
    """Scenes to train on, of which the first have depth, and held-out ones."""

    images: Tensor  # (N, 3, H, W) uint8
    depth: Tensor  # (n, H, W) metres, of the first n
    held_out_images: Tensor
    held_out_depth: Tensor


class ClassSplit(NamedTuple):
    """Photographs of known classes, as places in an array of photographs."""

    train: list[int]
    train_labels: list[int]
    test: list[int]
    test_labels: list[int]


def open_scenes(
    scene_set: SceneSet,
    num_scenes: int,
    num_eval_scenes: int,
    image_size: int,
    cache_dir: str | None,
    num_workers: int = 0,
    photographs: str | None = None,
) -> tuple[SyntheticSceneDataset, SyntheticSceneDataset]:
    """Scenes to train on and held-out ones; those of version 1 anti-aliased, those of version 2 show photographs."""

    def open_part(count: int, first_seed: int) -> SyntheticSceneDataset:
        return SyntheticSceneDataset(
            count,
            first_seed,
            image_size,
            scene_set.kind,
            cache_dir,
            num_workers,
            supersample=scene_set.version == 1,
            version=scene_set.version,
            photographs=None if photographs is None else f"{photographs}/train",
        )

    return open_part(num_scenes, TRAIN_SEEDS.start), open_part(num_eval_scenes, HELD_OUT_SEEDS.start)


def load_scenes(train: SyntheticSceneDataset, held_out: SyntheticSceneDataset, num_labelled: int) -> Scenes:
    """All scenes in memory."""
    items = train.__getitems__(list(range(len(train))))
    held_out_items = held_out.__getitems__(list(range(len(held_out))))
    return Scenes(
        torch.stack([item["image"] for item in items]),
        torch.stack([item["depth"] for item in items[:num_labelled]]),
        torch.stack([item["image"] for item in held_out_items]),
        torch.stack([item["depth"] for item in held_out_items]),
    )


def join_images(*parts: np.ndarray) -> "ConcatDataset[np.ndarray]":
    """Arrays of images behind each other, (N, 3, H, W) uint8 each."""
    return ConcatDataset(cast(Any, parts))  # an array is a data set, though not by its type


def take_images(images: "ConcatDataset[np.ndarray]", indices: list[int]) -> Tensor:
    """Images of these numbers, (B, 3, H, W) uint8."""
    return torch.from_numpy(np.stack([images[index] for index in indices]))


def list_photographs(folder: str, count: int = 0) -> list[dict[str, str]]:
    """Rows of the photographs.csv that examples/gather_photographs.py writes: those to train on, or `count` of them.

    Raises:
        ValueError: the file is missing, or names none.
    """
    table = Path(folder) / "photographs.csv"
    if not table.is_file():
        raise ValueError(f"{table} is missing: make the folder with examples/gather_photographs.py.")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "train"]
    if not rows:
        raise ValueError(f"{table} names no photograph to train on.")
    if count > len(rows):
        raise ValueError(f"num_photographs is {count}, but {table} names {len(rows)} to train on.")
    return rows[:: len(rows) // count][:count] if count else rows


def load_photographs(folder: str, rows: list[dict[str, str]], image_size: int, cache_dir: str) -> np.ndarray:
    """The middle squares of these photographs, (N, 3, H, W) uint8 mapped from a file that is made once."""
    # Named after the photographs: those of another folder must not be taken for these.
    names = "\n".join(f"{row['repository']} {row['path']}" for row in rows)
    digest = hashlib.sha256(names.encode()).hexdigest()[:8]
    path = Path(cache_dir) / f"ablation-photographs-{image_size}px-{len(rows)}-{digest}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_in_progress(path) as partial:
            shape = (len(rows), 3, image_size, image_size)
            pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
            for index, row in enumerate(tqdm(rows, desc="photographs", mininterval=5)):
                with open_image(Path(folder) / "train" / row["source"] / row["file"]) as photo:
                    pixels[index] = np.moveaxis(np.asarray(center_crop(photo.convert("RGB"), image_size)), -1, 0)
            pixels.flush()
    return np.load(path, mmap_mode="r")


def split_classes(rows: list[dict[str, str]]) -> dict[str, ClassSplit]:
    """Two sets with classes among the photographs: "groceries", 81 kinds in their publisher's split, and "flowers", 5.

    A photograph's class is the folder that its publisher put it into.
    """
    found: dict[str, list[tuple[bool, str, int]]] = {"groceries": [], "flowers": []}
    for index, row in enumerate(rows):
        parts = row["path"].split("/")
        if row["source"] == "shelves":
            found["groceries"].append((parts[1] == "test", parts[-2], index))
        elif row["source"] == "flowers":
            found["flowers"].append((index % _HOLD_OUT_EVERY == 0, parts[-2], index))
    return {name: make_split(photographs) for name, photographs in found.items() if photographs}


def make_split(photographs: list[tuple[bool, str, int]]) -> ClassSplit:
    """From (is it a test image, class, place in the array)."""
    classes = {name: number for number, name in enumerate(sorted({name for _, name, _ in photographs}))}
    train, test = ([photo for photo in photographs if photo[0] == is_test] for is_test in (False, True))
    return ClassSplit(
        train=[index for _, _, index in train],
        train_labels=[classes[name] for _, name, _ in train],
        test=[index for _, _, index in test],
        test_labels=[classes[name] for _, name, _ in test],
    )
