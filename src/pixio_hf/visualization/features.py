# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Features as colours: the three main directions of the patch tokens of all photos as red, green and blue."""

from collections.abc import Sequence

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from .panels import Panel, draw_row, shrink_photo


def color_features(features: Sequence[Tensor]) -> list[np.ndarray]:
    """Principal components of all tokens together as colours: (h, w, D) each -> (h, w, 3) uint8 each.

    Components are scaled to the range of all but the outermost 1 % of values on either side. Signs are fixed (the
    largest weight of a component is positive), so that equal input gives equal colours.
    """
    tokens = torch.cat([feature.flatten(0, 1) for feature in features]).double()
    centered = tokens - tokens.mean(dim=0)
    # A D x D matrix, however many tokens there are.
    _, directions = torch.linalg.eigh(centered.T @ centered)
    directions = directions[:, -3:].flip(1)
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    components = (centered @ (directions * largest.sign())).numpy()
    low, high = np.percentile(components, [1, 99], axis=0)
    shades = np.clip((components - low) / np.maximum(high - low, 1e-9), 0, 1)
    colors = np.rint(255 * shades).astype(np.uint8)
    ends = np.cumsum([feature.shape[0] * feature.shape[1] for feature in features])[:-1]
    parts = np.split(colors, ends)
    return [part.reshape(*feature.shape[:2], 3) for part, feature in zip(parts, features, strict=True)]


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
