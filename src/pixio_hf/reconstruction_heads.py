# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Heads of feed-forward reconstruction: six channels per pixel, a camera pose per view, a scale per scene."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .heads import NUM_TAPS, ResidualUnit, make_lateral_convs, make_resamplers

NUM_DENSE_CHANNELS = 6  # ray 3, depth along it, confidence, mask


class ViewFusionBlock(nn.Module):
    """Add a level to the running path, refine and double its size: (B, F, h, w) -> (B, F, 2h, 2w).

    The deepest level has nothing below it and so no lateral unit.
    """

    def __init__(self, hidden_size: int, is_deepest: bool) -> None:
        super().__init__()
        self.residual_unit1 = None if is_deepest else ResidualUnit(hidden_size)
        self.residual_unit2 = ResidualUnit(hidden_size)
        self.out_conv = nn.Conv2d(hidden_size, hidden_size, 1)

    def forward(self, lateral: Tensor, path: Tensor | None) -> Tensor:
        if path is not None:
            assert self.residual_unit1 is not None
            lateral = path + self.residual_unit1(lateral)
        # The 1x1 convolution before the resize: the same result on a quarter of the pixels.
        features = self.out_conv(self.residual_unit2(lateral))
        return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)


class ViewDenseHead(nn.Module):
    """Six raw channels per pixel from four maps of a view: (B, C_k, h, w) each -> (B, 6, H, W).

    A dense prediction transformer (Ranftl et al., 2021). It differs from `heads.DPTHead` in that each level has its
    own input width, in its output convolutions, and on grids of odd size, where it crops instead of resizing.
    """

    def __init__(self, in_channels: Sequence[int], neck_hidden_sizes: Sequence[int], fusion_hidden_size: int) -> None:
        super().__init__()
        half = fusion_hidden_size // 2
        self.projections = nn.ModuleList(
            nn.Conv2d(channels, size, 1) for channels, size in zip(in_channels, neck_hidden_sizes, strict=True)
        )
        self.resamplers = make_resamplers(neck_hidden_sizes)
        self.lateral_convs = make_lateral_convs(neck_hidden_sizes, fusion_hidden_size)
        self.fusions = nn.ModuleList(
            ViewFusionBlock(fusion_hidden_size, is_deepest=level == NUM_TAPS - 1) for level in range(NUM_TAPS)
        )
        self.output_conv = nn.Conv2d(fusion_hidden_size, half, 3, padding=1)
        self.predict = nn.Sequential(
            nn.Conv2d(half, half, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(half, NUM_DENSE_CHANNELS, 1)
        )

    def forward(self, features: Sequence[Tensor], output_size: tuple[int, int]) -> Tensor:
        """Predict from four maps of one grid, in order from the encoder to the last block."""
        height, width = features[0].shape[-2:]
        path = None
        for level in reversed(range(NUM_TAPS)):
            lateral = self.lateral_convs[level](self.resamplers[level](self.projections[level](features[level])))
            path = self.fusions[level](lateral, path)
            if level == NUM_TAPS - 1:
                path = path[..., :height, :width]  # an odd grid was rounded up before it was doubled
        path = F.interpolate(self.output_conv(path), size=output_size, mode="bilinear", align_corners=True)
        return self.predict(path)


class PoseResidualUnit(nn.Module):
    """Three 1x1 convolutions, each before a relu, added to the input: (B, C, h, w) -> (B, C, h, w)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(hidden_size, hidden_size, 1)
        self.conv2 = nn.Conv2d(hidden_size, hidden_size, 1)
        self.conv3 = nn.Conv2d(hidden_size, hidden_size, 1)

    def forward(self, features: Tensor) -> Tensor:
        refined = features
        for conv in (self.conv1, self.conv2, self.conv3):
            refined = F.relu(conv(refined))
        return features + refined


class PoseHead(nn.Module):
    """Raw pose of a view from the last block's map: (B, C, h, w) -> (B, 7), translation 3 and quaternion 4."""

    def __init__(self, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(in_channels, hidden_size, 1)
        self.residual_units = nn.ModuleList(PoseResidualUnit(hidden_size) for _ in range(2))
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, hidden_size), nn.ReLU()
        )
        self.translation = nn.Linear(hidden_size, 3)
        self.rotation = nn.Linear(hidden_size, 4)

    def forward(self, features: Tensor) -> Tensor:
        features = self.projection(features)
        for unit in self.residual_units:
            features = unit(features)
        pooled = self.mlp(features.mean(dim=(2, 3)))
        return torch.cat((self.translation(pooled), self.rotation(pooled)), dim=-1)


class ScaleHead(nn.Module):
    """Logarithm of a scene's metric scale from its scale token: (B, C) -> (B)."""

    def __init__(self, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(in_channels, hidden_size)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, hidden_size), nn.ReLU()
        )
        self.predict = nn.Linear(hidden_size, 1)

    def forward(self, scale_token: Tensor) -> Tensor:
        return self.predict(self.mlp(self.projection(scale_token))).squeeze(-1)
