# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the tab "Features" answers: features as colours, and what resembles a point."""

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..visualization.color_maps import color_values
from ..visualization.features import color_features, upscale_colors
from ..visualization.panels import shrink_photo
from .photo_uploads import read_upload
from .scale_bars import render_scale_bar
from .shelf import ModelShelf

SIMILARITY_COLORS = "magma"
PHOTO_SHARE = 0.35
"""How much of the photo shows through the map of similarity."""
DETAILS = {"coarse": 224, "medium": 448, "fine": 672}
"""Short side in pixels that the model sees."""


@dataclass(frozen=True, eq=False)
class FeatureAnswer:
    """A photo (3, H, W) uint8 as it is drawn, and its patch tokens (h, w, D) float32."""

    photo: np.ndarray
    tokens: Tensor

    def patch_at(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the patch at a point of the photo, in pixels."""
        height, width = self.photo.shape[-2:]
        rows, columns = self.tokens.shape[:2]
        row, column = int(y * rows / height), int(x * columns / width)
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)


def encode(shelf: ModelShelf, path: str, model_name: str | None, detail: str) -> FeatureAnswer:
    """Patch tokens of an uploaded photo, seen with its short side at DETAILS[detail] pixels or a little less.

    Raises:
        ValueError: a photo or a model that cannot be read.
    """
    upload = read_upload(path)
    loaded = shelf.get("features", model_name)
    patch_size = loaded.model.config.patch_size
    size = max(DETAILS[detail] // patch_size, 1) * patch_size
    tokens = shelf.predictors.encode_photo(loaded, upload.pixels, size)
    return FeatureAnswer(shrink_photo(upload.pixels), tokens)


def draw_colors(answer: FeatureAnswer) -> np.ndarray:
    """The three main directions of the features as red, green and blue, at the size of the photo: (H, W, 3) uint8."""
    (colors,) = color_features([answer.tokens])
    return upscale_colors(colors, *answer.photo.shape[-2:])


def similarity_map(tokens: Tensor, row: int, column: int) -> Tensor:
    """Cosine similarity of every patch to one of them: (h, w, D) -> (h, w) in [-1, 1]."""
    directions = F.normalize(tokens.float(), dim=-1)
    return (directions @ directions[row, column]).clamp(-1, 1)


def draw_similarity(answer: FeatureAnswer, x: float, y: float) -> tuple[np.ndarray, str, str]:
    """What resembles the point (x, y) in pixels of the photo.

    Returns:
        The photo under the colours of similarity with a mark at the point (H, W, 3) uint8, the scale as HTML, and a
        sentence.
    """
    row, column = answer.patch_at(x, y)
    similarity = similarity_map(answer.tokens, row, column)
    height, width = answer.photo.shape[-2:]
    limits = (float(similarity.min()), 1.0)
    smooth = F.interpolate(similarity[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0]
    colors = color_values(smooth.numpy(), limits, SIMILARITY_COLORS)
    grey = answer.photo.astype(np.float32).mean(axis=0)[:, :, None]
    picture = np.rint((1 - PHOTO_SHARE) * colors + PHOTO_SHARE * grey).astype(np.uint8)
    _mark(picture, min(max(x, 0), width - 1), min(max(y, 0), height - 1))
    close = float((similarity > 0.5 * (limits[0] + limits[1])).float().mean())
    sentence = (
        f"Bright: like the marked point. The nearer half of the scale covers **{close:.0%}** of the photo."
        f" Patch {row + 1} of {answer.tokens.shape[0]} down, {column + 1} of {answer.tokens.shape[1]} across."
    )
    return picture, render_scale_bar(limits, SIMILARITY_COLORS, "", "different", "alike"), sentence


def _mark(picture: np.ndarray, x: float, y: float) -> None:
    """Draw a white ring with a dark rim around a point, in place."""
    height, width = picture.shape[:2]
    radius = max(min(height, width) / 40, 4.0)
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - y, columns - x) / radius
    picture[(distance > 0.55) & (distance < 1.25)] = (20, 20, 24)
    picture[(distance > 0.7) & (distance < 1.1)] = 255


def middle_of(answer: FeatureAnswer) -> tuple[float, float]:
    """The point in the middle of the photo, where the first map is shown."""
    height, width = answer.photo.shape[-2:]
    return width / 2, height / 2
