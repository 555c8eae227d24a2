# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Features as colours: the three main directions of the patch tokens of all photos as red, green and blue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from .panels import Panel, draw_row, shrink_photo


@dataclass(frozen=True, eq=False)
class FeatureColors:
    """Three directions in the space of features, and where their shades begin and end.

    Args:
        mean: (D,) of the tokens they were found in.
        directions: (D, 3), for red, green and blue.
        low, high: (3,) values that are drawn as 0 and 255.
    """

    mean: Tensor
    directions: Tensor
    low: np.ndarray
    high: np.ndarray

    def paint(self, feature: Tensor) -> np.ndarray:
        """Tokens (h, w, D) -> colours (h, w, 3) uint8."""
        components = ((feature.double() - self.mean) @ self.directions).numpy()
        shades = np.clip((components - self.low) / np.maximum(self.high - self.low, 1e-9), 0, 1)
        return np.rint(255 * shades).astype(np.uint8)


def find_colors(features: Sequence[Tensor]) -> FeatureColors:
    """The main directions of all tokens together, (h, w, D) each.

    Components are scaled to the range of all but the outermost 1 % of values on either side. Signs are fixed (the
    largest weight of a component is positive), so that equal input gives equal colours.
    """
    tokens = torch.cat([feature.flatten(0, 1) for feature in features]).double()
    mean = tokens.mean(dim=0)
    centered = tokens - mean
    # A D x D matrix, however many tokens there are.
    _, directions = torch.linalg.eigh(centered.T @ centered)
    directions = directions[:, -3:].flip(1)
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    directions = directions * largest.sign()
    low, high = np.percentile((centered @ directions).numpy(), [1, 99], axis=0)
    return FeatureColors(mean, directions, low, high)


def color_features(features: Sequence[Tensor]) -> list[np.ndarray]:
    """Principal components of all tokens together as colours (`find_colors`): (h, w, D) each -> (h, w, 3) uint8 each."""
    colors = find_colors(features)
    return [colors.paint(feature) for feature in features]


def upscale_colors(colors: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, 3) uint8 -> (height, width, 3) uint8, smooth between patches."""
    return np.asarray(PIL.Image.fromarray(colors).resize((width, height), PIL.Image.Resampling.BICUBIC))


def draw_features(photo: np.ndarray, colors: np.ndarray) -> bytes:
    """PNG with a photo (3, H, W) beside the colours (h, w, 3) of its patches; a large one is scaled down."""
    photo = shrink_photo(photo)
    height, width = photo.shape[-2:]
    return draw_row(
        [
            Panel(np.moveaxis(photo, 0, -1), "Photo"),
            Panel(upscale_colors(colors, height, width), f"Features of {colors.shape[0]} x {colors.shape[1]} patches"),
        ]
    )
