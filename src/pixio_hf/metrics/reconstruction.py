# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The eight metrics of feed-forward reconstruction, per scene and averaged over scenes (MapAnything's protocol)."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import datasets
import evaluate
import numpy as np
import torch
from torch import Tensor

from ..geometry import align_rigidly, normalize, relative_pose
from ..view_geometry import ViewGeometry, ViewLabels

RECONSTRUCTION_METRIC_NAMES = (
    "scale_rel",
    "points_rel",
    "points_tau",
    "pose_auc_5",
    "depth_rel",
    "depth_tau",
    "pose_ate",
    "ray_error",
)
INLIER_RATIO = 1.03
AUC_DEGREES = 5

_DESCRIPTION = """\
Eight metrics of feed-forward reconstruction. Predictions and truth are put into their own view 0 and divided by their own
mean distance of the points; no rotation or translation is fitted but for pose_ate. scale_rel: relative error of the
metric scale. points_rel: mean relative distance of points. points_tau: percent of points whose distance from the origin is
within 3 %. depth_rel, depth_tau: the same of z depth. pose_auc_5: percent, area under the recall of pose errors up to 5
degrees. pose_ate: mean distance of camera centres after a rigid alignment. ray_error: degrees. Means over scenes.
"""
_INPUTS_DESCRIPTION = """
Args:
    predictions: outputs of PixioForReconstruction for a batch, or a dictionary with ray_directions, ray_depth,
        camera_quaternions, camera_translations and metric_scale.
    references: the labels that the model takes.
Returns:
    the eight metrics (NaN where no scene has them: scale_rel without metric scenes, poses with a single view);
    num_scenes, and num_skipped without any valid pixel.
"""


@torch.no_grad()
def reconstruction_metrics_per_scene(predictions: Mapping[str, Any], labels: ViewLabels) -> Tensor:
    """Compare predicted with true views: metrics (B, 8) float64, columns as in RECONSTRUCTION_METRIC_NAMES.

    Views without a valid pixel count for poses and rays, but not for points and depth. A metric that a scene lacks is
    NaN: all of them without valid pixels, scale_rel if it is not metric, poses if there is one view.
    """
    metric_scale = predictions["metric_scale"].double()
    geometry = ViewGeometry.assemble(
        predictions["ray_directions"].double(),
        predictions["ray_depth"].double(),
        predictions["camera_quaternions"].double(),
        predictions["camera_translations"].double(),
    )
    predicted = geometry.scaled(1 / metric_scale).in_first_view()
    true, valid = labels.geometry.double(), labels.valid
    predicted_scale, true_scale = predicted.scale(valid), true.scale(valid)
    predicted, true = predicted.scaled(1 / predicted_scale), true.scaled(1 / true_scale)

    scale_rel = (predicted_scale * metric_scale - true_scale).abs() / true_scale
    points_rel, points_tau = compare_lengths(predicted.world_points, true.world_points, valid)
    depth_rel, depth_tau = compare_lengths(predicted.z_depth[..., None], true.z_depth[..., None], valid)
    ray_error = (
        torch.rad2deg(2 * ((predicted.rays - true.rays).norm(dim=-1) / 2).clamp(max=1).asin()).flatten(1).mean(1)
    )
    columns = {
        "scale_rel": torch.where(labels.is_metric, scale_rel, math.nan),
        "points_rel": points_rel,
        "points_tau": 100 * points_tau,
        "pose_auc_5": 100 * recall_area(torch.maximum(*pose_errors(predicted, true)), AUC_DEGREES),
        "depth_rel": depth_rel,
        "depth_tau": 100 * depth_tau,
        "pose_ate": trajectory_error(predicted.translations, true.translations),
        "ray_error": ray_error,
    }
    metrics = torch.stack([columns[name] for name in RECONSTRUCTION_METRIC_NAMES], dim=-1).cpu()
    return torch.where(valid.flatten(1).any(dim=1).cpu()[:, None], metrics, math.nan)


def compare_lengths(predicted: Tensor, true: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Mean relative distance, and share of vectors whose lengths agree within 3 %: (B, V, H, W, C) twice -> (B), (B).

    Means over the valid pixels of a view, then over the views that have some. A predicted length of zero is an outlier.
    """
    true_length, length = true.norm(dim=-1), predicted.norm(dim=-1)
    counted = valid & (true_length > 0)
    relative = (predicted - true).norm(dim=-1) / true_length
    ratio = torch.maximum(length / true_length, true_length / length)
    return mean_of_views(relative, counted), mean_of_views((ratio < INLIER_RATIO).double(), valid)


def mean_of_views(values: Tensor, counted: Tensor) -> Tensor:
    """Mean over counted pixels, then over views that have any: (B, V, H, W), (B, V, H, W) -> (B); NaN without any."""
    num_pixels = counted.flatten(2).sum(dim=2)
    per_view = torch.where(counted, values, 0).flatten(2).sum(dim=2) / num_pixels.clamp(min=1)
    return per_view.sum(dim=1) / (num_pixels > 0).sum(dim=1)


def pose_errors(predicted: ViewGeometry, true: ViewGeometry) -> tuple[Tensor, Tensor]:
    """Errors in degrees of the relative poses of all pairs of views i < j: rotation (B, pairs), translation (B, pairs).

    Translations are compared as directions whose sign is ignored, so by 90 degrees at most; one of zero length has no
    direction and counts as far off.
    """
    pairs = list(combinations(range(true.translations.shape[1]), 2))
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    (rotation, translation), (true_rotation, true_translation) = (
        relative_pose(
            side.quaternions[:, first],
            side.translations[:, first],
            side.quaternions[:, second],
            side.translations[:, second],
        )
        for side in (predicted, true)
    )
    # Normalised again: float32 quaternions are off by 1e-7, which would look like a tenth of a degree.
    squared_sine = (1 - (normalize(rotation) * normalize(true_rotation)).sum(dim=-1).square()).clamp(1e-15, 1)
    rotation_error = torch.rad2deg((1 - 2 * squared_sine).acos())
    cosine = (translation * true_translation).sum(dim=-1).abs() / (
        translation.norm(dim=-1) * true_translation.norm(dim=-1)
    )
    translation_error = torch.rad2deg(cosine.clamp(max=1).acos())
    return rotation_error, torch.nan_to_num(translation_error, nan=1e6)


def recall_area(errors: Tensor, num_degrees: int) -> Tensor:
    """Mean over 1, 2, ... degrees of the share of errors below: (B, pairs) -> (B); NaN without pairs.

    The last step also takes errors equal to it, as the histogram of the original does.
    """
    thresholds = torch.arange(1, num_degrees + 1, device=errors.device, dtype=errors.dtype)
    below = errors[..., None] < thresholds
    below[..., -1] |= errors == num_degrees
    return below.double().mean(dim=1).mean(dim=1)


def trajectory_error(centres: Tensor, true_centres: Tensor) -> Tensor:
    """Mean distance of camera centres after the best rigid alignment, without scale: (B, V, 3) twice -> (B).

    Says nothing for two views, which can always be aligned except for their distance; NaN for one view.
    """
    if centres.shape[1] < 2:
        return centres.new_full(centres.shape[:1], math.nan)
    rotation, translation = align_rigidly(centres, true_centres)
    aligned = centres @ rotation.transpose(-1, -2) + translation[:, None]
    return (aligned - true_centres).norm(dim=-1).mean(dim=1)


class ReconstructionMetrics(evaluate.Metric):
    """The metrics as an `evaluate.Metric` that needs no Hub and stores eight numbers per scene, never a map."""

    def __init__(self, *, num_process: int = 1, keep_in_memory: bool | None = None, **kwargs: Any) -> None:
        keep_in_memory = num_process == 1 if keep_in_memory is None else keep_in_memory
        super().__init__(num_process=num_process, keep_in_memory=keep_in_memory, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        # What is stored, not what is passed: of a scene, eight numbers and whether it counts.
        features = datasets.Features(
            {"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("bool")}
        )
        return evaluate.MetricInfo(
            description=_DESCRIPTION, citation="", inputs_description=_INPUTS_DESCRIPTION, features=features
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Reduce a batch of scenes to eight numbers each and store those.

        Raises:
            ValueError: one side is missing, or labels that do not fit the predictions.
        """
        if kwargs or predictions is None or references is None:
            raise ValueError(f"add_batch takes predictions and references, both; got also {sorted(kwargs)}.")
        labels = ViewLabels.read(references, tuple(predictions["ray_depth"].shape))
        metrics = reconstruction_metrics_per_scene(predictions, labels)
        used = labels.valid.flatten(1).any(dim=1)
        super().add_batch(predictions=metrics.tolist(), references=used.tolist())

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Average what was added, and this batch if given, over scenes; None on all but the first process.

        Raises:
            ValueError: there is no scene at all.
        """
        if predictions is not None or references is not None:
            self.add_batch(predictions=predictions, references=references)
        if self.writer is None and self.num_process == 1:
            raise ValueError("No scene was added: call add_batch first, or pass predictions and references.")
        return super().compute(**kwargs)

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        used = np.asarray(references, dtype=bool)
        rows = np.asarray(predictions, dtype=np.float64).reshape(len(used), len(RECONSTRUCTION_METRIC_NAMES))
        averages = {}
        for name, column in zip(RECONSTRUCTION_METRIC_NAMES, rows.T, strict=True):
            known = column[np.isfinite(column)]
            averages[name] = float(known.mean()) if len(known) else math.nan
        return {**averages, "num_scenes": int(used.sum()), "num_skipped": int((~used).sum())}
