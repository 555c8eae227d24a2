# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Known rays, depth and poses as further inputs of a reconstruction model: encoded and added to the image features."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .geometry import normalize, relative_pose

INPUT_NAMES = ("ray_directions", "ray_depth", "camera_quaternions", "camera_translations")


class GeometricResidualUnit(nn.Module):
    """Two 3x3 convolutions added to a shortcut: (B, C_in, h, w) -> (B, C_out, h, w)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return F.gelu(self.shortcut(features) + self.conv2(F.gelu(self.conv1(features))))


class DenseGeometryEncoder(nn.Module):
    """Features of a map with one value per pixel: (B, C, H, W) -> (B, N, D)."""

    def __init__(
        self, num_channels: int, patch_size: int, widths: Sequence[int], hidden_size: int, eps: float
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.conv_in = nn.Conv2d(num_channels * patch_size**2, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(GeometricResidualUnit(*sizes) for sizes in pairwise(widths))
        self.projection = nn.Conv2d(widths[-1], hidden_size, 1)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, values: Tensor) -> Tensor:
        features = self.conv_in(F.pixel_unshuffle(values, self.patch_size))
        for block in self.blocks:
            features = block(features)
        return self.norm(self.projection(features).flatten(2).transpose(1, 2))


class GlobalGeometryEncoder(nn.Module):
    """Features of a vector per view: (B, C) -> (B, D)."""

    def __init__(self, num_values: int, widths: Sequence[int], hidden_size: int, eps: float) -> None:
        super().__init__()
        # Named linears, not layers: the loader would rename layers to encoder.layer.
        self.linears = nn.ModuleList(nn.Linear(*sizes) for sizes in pairwise((num_values, *widths)))
        self.projection = nn.Linear(widths[-1], hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=eps)

    def forward(self, values: Tensor) -> Tensor:
        for linear in self.linears:
            values = F.gelu(linear(values))
        return self.norm(self.projection(values))


class GeometricInputs(nn.Module):
    """Encoders of known rays, depth and poses; the sum of their outputs is added to the image features."""

    def __init__(
        self,
        patch_size: int,
        dense_widths: Sequence[int],
        global_widths: Sequence[int],
        hidden_size: int,
        eps: float,
    ) -> None:
        super().__init__()
        dense = (patch_size, dense_widths, hidden_size, eps)
        several = (global_widths, hidden_size, eps)
        self.rays = DenseGeometryEncoder(3, *dense)
        self.depth = DenseGeometryEncoder(1, *dense)
        self.depth_scale = GlobalGeometryEncoder(1, *several)
        self.rotation = GlobalGeometryEncoder(4, *several)
        self.translation = GlobalGeometryEncoder(3, *several)
        self.translation_scale = GlobalGeometryEncoder(1, *several)

    def forward(
        self, known: Mapping[str, Tensor], is_metric: Tensor, given: Mapping[str, Tensor], num_patches: int
    ) -> Tensor:
        """Sum of the features of what is known: (B, V, N, D).

        Args:
            known: any of `ray_directions` (B, V, H, W, 3), `ray_depth` (B, V, H, W), and the pose as
                `camera_quaternions` (B, V, 4) with `camera_translations` (B, V, 3) in any common world.
            is_metric: (B, V) bool, whether lengths are metres.
            given: for the same names, (B, V) bool, for which views it is known; absent means all.
        """
        size = is_metric.shape
        total = self.rays.norm.weight.new_zeros(*size, num_patches, self.rays.norm.weight.shape[0])

        def mask(name: str) -> Tensor:
            return given.get(name, torch.ones_like(is_metric)).to(total.dtype)

        if "ray_directions" in known:
            rays = known["ray_directions"].to(total.dtype).movedim(-1, 2).flatten(0, 1)
            total = total + self.rays(rays).unflatten(0, size) * mask("ray_directions")[..., None, None]
        if "ray_depth" in known:
            depth = known["ray_depth"].to(total.dtype)
            positive = depth > 0
            mean = (depth * positive).sum(dim=(2, 3)) / positive.sum(dim=(2, 3)).clamp(min=1)
            relative = torch.log1p(depth / mean.clamp(min=1e-8)[..., None, None])
            features = self.depth(relative.flatten(0, 1)[:, None]).unflatten(0, size)
            scale = self.depth_scale((mean + 1e-8).log()[..., None])[..., None, :]
            metric = (mask("ray_depth") * is_metric)[..., None, None]
            total = total + features * mask("ray_depth")[..., None, None] + scale * metric
        if "camera_quaternions" in known:
            total = total + self.encode_poses(known, is_metric, mask("camera_quaternions"), total.dtype)
        return total

    def encode_poses(self, known: Mapping[str, Tensor], is_metric: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Features of the poses seen from view 0: (B, V, 1, D)."""
        quaternions = normalize(known["camera_quaternions"].to(dtype))
        translations = known["camera_translations"].to(dtype)
        quaternions, translations = relative_pose(quaternions[:, :1], translations[:, :1], quaternions, translations)
        lengths = translations.norm(dim=-1)
        moved = lengths > 0
        mean = ((lengths * moved).sum(dim=1) / moved.sum(dim=1).clamp(min=1))[:, None].expand(lengths.shape)
        features = self.rotation(quaternions) + self.translation(translations / mean.clamp(min=1e-8)[..., None])
        scale = self.translation_scale((mean + 1e-8).log()[..., None])
        return (features * mask[..., None] + scale * (mask * is_metric)[..., None])[:, :, None]
