# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the image processors make of a model's outputs: maps of the photos' sizes, scenes with the cameras of the photos."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.image_processing_base import BatchFeature

from .arrays import to_array
from .reconstruction_masks import keep_mask
from .view_fitting import ViewFit


class PixioPostProcessing:
    """The post-processing of both backends of the image processor."""

    def post_process_depth_estimation(
        self, outputs: Any, target_sizes: list[tuple[int, int]] | Tensor | None = None
    ) -> list[dict[str, Tensor]]:
        """`outputs.predicted_depth` (B, H, W) metres -> one {"predicted_depth": (height, width) float32} per photo.

        Resized bilinearly to target_sizes [(height, width), ...] where given: unlike bicubic it cannot leave the range
        of the prediction.

        Raises:
            ValueError: not as many target sizes as predictions.
        """
        # float32, because the pipeline converts it to NumPy, which has no bfloat16.
        depths = outputs.predicted_depth.float()
        resized = resize_to_targets(depths[:, None], target_sizes, "depth")
        return [{"predicted_depth": depth[0]} for depth in resized]

    def post_process_semantic_segmentation(
        self,
        outputs: Any,
        target_sizes: list[tuple[int, int]] | Tensor | None = None,
        return_segmentation_scores: bool = False,
    ) -> list[Any]:
        """`outputs.logits` (B, C, H, W) -> one int64 map of class numbers (height, width) per photo.

        Logits are resized bilinearly to target_sizes [(height, width), ...] where given. With
        return_segmentation_scores each item has fields `segmentation` and `segmentation_scores` (C, height, width).

        Raises:
            ValueError: not as many target sizes as predictions.
        """
        scores = resize_to_targets(outputs.logits.float(), target_sizes, "segmentation")
        if not return_segmentation_scores:
            return [score.argmax(dim=0) for score in scores]
        return [BatchFeature({"segmentation": score.argmax(dim=0), "segmentation_scores": score}) for score in scores]

    def post_process_reconstruction(
        self,
        outputs: Any,
        target_sizes: Any = None,
        confidence_percentile: float | None = None,
        mask_edges: bool = True,
        photo_to_view: Tensor | None = None,
    ) -> list[dict[str, Tensor]]:
        """Outputs of PixioForReconstruction -> one dictionary per scene, with the points that are worth keeping.

        Of V views: `pointmaps` (V, H, W, 3) and `predicted_depth` (V, H, W) in metres, 0 where `mask` is False; `mask`,
        `confidence` (V, H, W); `camera_to_world` (V, 4, 4); `intrinsics` (V, 3, 3) of the photos, `view_intrinsics` of the
        views; `metric_scale`. Maps keep the size of the views.

        Args:
            target_sizes: (height, width) of every photo, [[(h, w), ...], ...]: `original_sizes` of the call. Without it
                `intrinsics` are those of the views.
            confidence_percentile: leave out points whose confidence is not above this percentile of their view.
            mask_edges: leave out points that hang between a near and a far surface.
            photo_to_view: of the call; only needed if it was given intrinsics, or did not resize.

        Raises:
            ValueError: sizes that do not fit the outputs, or a percentile outside [0, 100).
        """
        return describe_scenes(outputs, target_sizes, confidence_percentile, mask_edges, photo_to_view)


def resize_to_targets(
    predictions: Tensor, target_sizes: list[tuple[int, int]] | Tensor | None, name: str
) -> list[Tensor]:
    """(B, C, H, W) -> list of (C, height, width), resized bilinearly to target_sizes where given."""
    if target_sizes is None:
        return list(predictions)
    if len(target_sizes) != len(predictions):
        raise ValueError(
            f"got {len(target_sizes)} target sizes for {len(predictions)} {name} predictions; pass one (height, width)"
            " per prediction."
        )
    sizes = to_array(target_sizes)
    if sizes.shape != (len(predictions), 2) or not (sizes == np.floor(sizes)).all() or not (sizes > 0).all():
        raise ValueError(f"target sizes must be pairs (height, width) of pixels, got {sizes.tolist()}.")
    return [
        F.interpolate(prediction[None], size=size, mode="bilinear", align_corners=False)[0]
        for prediction, size in zip(predictions, sizes.astype(np.int64).tolist(), strict=True)
    ]


@torch.no_grad()
def describe_scenes(
    outputs: Any,
    target_sizes: Sequence[Sequence[tuple[int, int]]] | Tensor | None = None,
    confidence_percentile: float | None = None,
    mask_edges: bool = True,
    photo_to_view: Tensor | None = None,
) -> list[dict[str, Tensor]]:
    """Outputs of PixioForReconstruction for B scenes -> B dictionaries (docs/specification_reconstruction.md 12).

    See PixioPostProcessing.post_process_reconstruction.
    """
    batch_size, num_views, *view_size = outputs.confidence.shape
    to_views = _read_mapping((batch_size, num_views), tuple(view_size), target_sizes, photo_to_view)
    scenes = []
    for scene, to_view in enumerate(to_views):
        points, depth = outputs.pointmaps[scene].float(), outputs.predicted_depth[scene].float()
        mask = keep_mask(
            points, depth, outputs.confidence[scene], outputs.mask_logits[scene], confidence_percentile, mask_edges
        )
        view_intrinsics = outputs.intrinsics[scene].float()
        # In float64: a photo's pixels are counted in thousands.
        intrinsics = torch.linalg.inv(to_view.to(view_intrinsics.device)) @ view_intrinsics.double()
        scenes.append(
            {
                "pointmaps": torch.where(mask[..., None], points, 0),
                "predicted_depth": torch.where(mask, depth, 0),
                "mask": mask,
                "confidence": outputs.confidence[scene].float(),
                "camera_to_world": outputs.camera_to_world[scene].float(),
                "intrinsics": intrinsics.float(),
                "view_intrinsics": view_intrinsics,
                "metric_scale": outputs.metric_scale[scene].float(),
            }
        )
    return scenes


def _read_mapping(
    counts: tuple[int, int], view_size: tuple[int, int], target_sizes: Any, photo_to_view: Any
) -> Tensor:
    """Matrices from photo pixels to view pixels: (B, V, 3, 3) float64; identities where nothing is known of the photos."""
    if photo_to_view is not None:
        mapping = torch.from_numpy(to_array(photo_to_view).astype(np.float64))
        if tuple(mapping.shape) != (*counts, 3, 3):
            raise ValueError(f"photo_to_view must have shape {(*counts, 3, 3)}, got {tuple(mapping.shape)}.")
        return mapping
    if target_sizes is None:
        return torch.eye(3, dtype=torch.float64).expand(*counts, 3, 3)
    try:
        sizes = to_array(target_sizes)
    except ValueError:  # lists of unequal lengths
        sizes = np.zeros(0)
    if sizes.shape != (*counts, 2) or not (sizes == np.floor(sizes)).all() or not (sizes > 0).all():
        raise ValueError(
            "target_sizes must hold one (height, width) in pixels for each view of each scene,"
            f" [[(h, w), ...], ...]: {counts[0]} scenes of {counts[1]} views; got {target_sizes!r:.200}."
        )
    fits = [ViewFit.plan((int(height), int(width)), view_size) for height, width in sizes.reshape(-1, 2)]
    return torch.from_numpy(np.stack([fit.to_view_pixels for fit in fits])).unflatten(0, counts)
