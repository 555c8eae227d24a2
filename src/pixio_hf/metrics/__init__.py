# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Metrics as `evaluate.Metric` classes, usable without the Hub."""

from .depth import (
    DEPTH_METRIC_NAMES,
    DepthMetrics,
    depth_metrics_per_image,
)
from .knn import KNNMetrics
from .segmentation import SegmentationMetrics, segmentation_counts

__all__ = [
    "DEPTH_METRIC_NAMES",
    "DepthMetrics",
    "KNNMetrics",
    "SegmentationMetrics",
    "depth_metrics_per_image",
    "segmentation_counts",
]
