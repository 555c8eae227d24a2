# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Images with depth, classes or masks, and scenes with cameras, for fine-tuning and evaluation."""

from .batches import DepthCollator, SegmentationCollator
from .depth_datasets import open_depth_dataset
from .image_labels import open_image_labels
from .scene_folders import SceneFolders
from .segmentation_datasets import open_segmentation_dataset
from .view_dataset import ViewDataset

__all__ = [
    "DepthCollator",
    "SceneFolders",
    "SegmentationCollator",
    "ViewDataset",
    "open_depth_dataset",
    "open_image_labels",
    "open_segmentation_dataset",
]
