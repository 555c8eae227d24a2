# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What reconstruction has to beat: predictions that know nothing of a scene, or nothing of how its views lie together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..geometry import rays_of_intrinsics
from .reconstruction import Predict


@dataclass(frozen=True)
class MeanScene:
    """Means over a training set, for pictures of one size.

    Args:
        depth: (H, W) mean z depth of each pixel, in metres.
        intrinsics: (3, 3) mean pinhole camera.
    """

    depth: Tensor
    intrinsics: Tensor

    @classmethod
    def measure(cls, samples: Iterable[Mapping[str, Any]]) -> "MeanScene":
        """Means over all views of samples as ViewDataset yields them.

        Raises:
            ValueError: no sample, or pictures of different sizes.
        """
        total = count = cameras = None
        num_views = 0
        for sample in samples:
            depth, intrinsics = sample["labels"]["depth"].double(), sample["labels"]["intrinsics"].double()
            if total is None or count is None or cameras is None:
                total, count = torch.zeros_like(depth[0]), torch.zeros_like(depth[0])
                cameras = torch.zeros_like(intrinsics[0])
            if depth.shape[-2:] != total.shape:
                raise ValueError(f"Views must have one size, got {tuple(depth.shape[-2:])} and {tuple(total.shape)}.")
            total += depth.clamp(min=0).sum(dim=0)
            count += (depth > 0).sum(dim=0)
            cameras += intrinsics.sum(dim=0)
            num_views += len(depth)
        if total is None or count is None or cameras is None:
            raise ValueError("There is no scene to take means of.")
        everywhere = total.sum() / count.sum().clamp(min=1)
        depth = torch.where(count > 0, total / count.clamp(min=1), everywhere)
        return cls(depth.float(), (cameras / num_views).float())

    def predict(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """The mean depth in every view, all cameras in one place."""
        size = batch["pixel_values"].shape[:2]
        return place_together(self.depth.expand(*size, *self.depth.shape), self.intrinsics)


def depth_model_predictor(model: Any, intrinsics: Tensor) -> Predict:
    """Every view on its own by a PixioForDepthEstimation, with one camera (3, 3) for all, all in one place."""

    def predict(batch: Mapping[str, Any]) -> Mapping[str, Any]:
        pixel_values = batch["pixel_values"].to(model.device)
        depth = model.eval()(pixel_values=pixel_values.flatten(0, 1)).predicted_depth
        return place_together(depth.cpu().float().unflatten(0, pixel_values.shape[:2]), intrinsics)

    return predict


def place_together(depth: Tensor, intrinsics: Tensor) -> dict[str, Tensor]:
    """Views with z depth (B, V, H, W) from one camera (3, 3) in one place, as a prediction in metres."""
    batch_size, num_views, height, width = depth.shape
    rays = rays_of_intrinsics(intrinsics, height, width)
    return {
        "ray_directions": rays.expand(batch_size, num_views, height, width, 3),
        "ray_depth": depth / rays[..., 2],
        "camera_quaternions": torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(batch_size, num_views, 4),
        "camera_translations": torch.zeros(batch_size, num_views, 3),
        "metric_scale": torch.ones(batch_size),
    }
