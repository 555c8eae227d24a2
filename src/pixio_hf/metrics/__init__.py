# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Metrics as `evaluate.Metric` classes, usable without the Hub."""

from pixio_hf.metrics.depth import (
    DEPTH_METRIC_NAMES,
    DepthMetrics,
    depth_metrics_per_image,
)
from pixio_hf.metrics.knn import KNNMetrics
from pixio_hf.metrics.segmentation import SegmentationMetrics, segmentation_counts

__all__ = [
    "DEPTH_METRIC_NAMES",
    "DepthMetrics",
    "KNNMetrics",
    "SegmentationMetrics",
    "depth_metrics_per_image",
    "segmentation_counts",
]
