# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Batches of images with metric depth or class numbers, and the mean depth of a data set."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset


class DepthCollator:
    """Turn items into a model's batch with an image processor: pixel_values (B, 3, H, W), labels (B, H, W) metres.

    With `flip_probability`, image and depth of an item are mirrored together at random (docs/specification.md 5.5), by
    Python's random state. If a resumed run must see the same images, mirror in an AugmentedDataset instead. Views of CutMix
    also give label_regions (B, H, W).
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
        batch = {"pixel_values": pixel_values, "labels": labels}
        if "regions" in items[0]:
            batch["label_regions"] = torch.from_numpy(np.stack([item["regions"] for item in items]))
        return batch


class SegmentationCollator:
    """Turn items into a model's batch with an image processor: pixel_values (B, 3, H, W), labels (B, H, W) classes."""

    def __init__(self, processor: Any):
        self.processor = processor

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        images, maps = ([item[name] for item in items] for name in ("image", "segmentation_map"))
        batch = self.processor(images=images, segmentation_maps=maps, return_tensors="pt")
        return {"pixel_values": batch["pixel_values"], "labels": batch["labels"]}


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
