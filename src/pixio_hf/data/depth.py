# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with metric depth: synthetic scenes or a folder, and batches of them."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from .images import SYNTHETIC_DATASETS, load_image_folder
from .synthetic_scenes import HELD_OUT_SEEDS, TRAIN_SEEDS, SyntheticSceneDataset


class FolderDepth(Dataset):
    """Images and depth maps of a folder with a metadata.jsonl: item -> dict(image=PIL image, depth=PIL image).

    Each line names one pair: {"file_name": "a.jpg", "depth_file_name": "a.png"}.
    """

    def __init__(self, folder: str | Path):
        self.pairs = load_image_folder(folder)
        if {"image", "depth"} - set(self.pairs.column_names):
            raise ValueError(
                f"{folder} must hold images and a metadata.jsonl with one {{'file_name': ..., 'depth_file_name': ...}} a"
                f" line; found the columns {self.pairs.column_names}."
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pair = self.pairs[index]
        return {"image": pair["image"].convert("RGB"), "depth": pair["depth"]}


def open_depth_datasets(
    dataset: str,
    image_size: int,
    num_scenes: int,
    num_eval_scenes: int,
    cache_dir: str | None = None,
    num_render_workers: int = 0,
) -> tuple[Dataset, Dataset]:
    """Open a training and an evaluation set; items hold "image" and "depth" (metres for synthetic scenes, 0 = none).

    Synthetic scenes are evaluated on held-out seeds. A folder has subfolders train and val, each with a metadata.jsonl.

    Raises:
        ValueError: neither a known name nor such a folder.
    """
    if dataset in SYNTHETIC_DATASETS:
        train, held_out = (
            SyntheticSceneDataset(
                count,
                first_seed=seeds.start,
                image_size=image_size,
                kind=SYNTHETIC_DATASETS[dataset],  # pyright: ignore[reportArgumentType]
                cache_dir=cache_dir,
                num_workers=num_render_workers,
            )
            for count, seeds in ((num_scenes, TRAIN_SEEDS), (num_eval_scenes, HELD_OUT_SEEDS))
        )
        return train, held_out
    folders = [Path(dataset) / split for split in ("train", "val")]
    for folder in folders:
        if not (folder / "metadata.jsonl").is_file():
            raise ValueError(
                f"{dataset!r} is neither one of {', '.join(SYNTHETIC_DATASETS)} nor a folder with train/metadata.jsonl and"
                f" val/metadata.jsonl: {folder / 'metadata.jsonl'} is missing."
            )
    return FolderDepth(folders[0]), FolderDepth(folders[1])


class DepthCollator:
    """Turn items into a model's batch with an image processor: pixel_values (B, 3, H, W), labels (B, H, W) metres.

    With `flip_probability`, image and depth of an item are mirrored together at random (SPEC 5.5).
    """

    def __init__(self, processor: Any, flip_probability: float = 0.0):
        self.processor = processor
        self.flip_probability = flip_probability

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        batch = self.processor(
            images=[item["image"] for item in items], depth_maps=[item["depth"] for item in items], return_tensors="pt"
        )
        pixel_values, labels = batch["pixel_values"], batch["labels"]
        if self.flip_probability:
            flipped = torch.tensor([random.random() < self.flip_probability for _ in items])
            pixel_values = torch.where(flipped[:, None, None, None], pixel_values.flip(-1), pixel_values)
            labels = torch.where(flipped[:, None, None], labels.flip(-1), labels)
        return {"pixel_values": pixel_values, "labels": labels}


def mean_depth(dataset: Dataset, processor: Any, num_items: int = 1024, batch_size: int = 32) -> float:
    """Mean of the valid depths of up to `num_items` items, in metres: the baseline that looks at no image."""
    collate = DepthCollator(processor)
    total, count = 0.0, 0
    num_items = min(num_items, len(dataset))  # pyright: ignore[reportArgumentType]
    for start in range(0, num_items, batch_size):
        labels = collate([dataset[index] for index in range(start, min(start + batch_size, num_items))])["labels"]
        valid = torch.isfinite(labels) & (labels > 0)
        total, count = total + labels[valid].double().sum().item(), count + int(valid.sum())
    if count == 0:
        raise ValueError("The data set has no valid depth: every pixel is 0 or not finite.")
    return total / count
