# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Semantic segmentation without a download: synthetic scenes whose classes are bands of distance."""

from typing import Any

import numpy as np
from torch.utils.data import Dataset

from .class_numbers import IGNORED

DISTANCE_CLASSES = ("below 2 m", "2 m to 3 m", "3 m to 4 m", "4 m and beyond")
_EDGES = (2.0, 3.0, 4.0)


class DistanceClasses(Dataset):
    """Depth items as segmentation items: "image", "segmentation_map" (H, W) int64, 255 = no depth, and "name"."""

    def __init__(self, depth_items: Any):
        self.depth_items = depth_items

    def __len__(self) -> int:
        return len(self.depth_items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.depth_items[index]
        classes = np.where(item["depth"] > 0, np.digitize(item["depth"], _EDGES), IGNORED)
        return {"image": item["image"], "segmentation_map": classes, "name": item["name"]}
