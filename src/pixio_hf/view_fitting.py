# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photos of a scene brought to one size: which size, resize to cover and crop, and the way back to the original pixels.

Lengths are in pixels; the first pixel has its centre at (0, 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
import PIL.Image

from .image_sizes import nearest_multiple

# (width over height, rounded as in MapAnything) -> (height, width): multiples of 16 with a longer side of 512.
VIEW_SIZES = {
    0.5: (512, 256),
    0.562: (512, 288),
    0.656: (512, 336),
    0.75: (512, 384),
    1.0: (512, 512),
    1.333: (384, 512),
    1.524: (336, 512),
    1.778: (288, 512),
    2.0: (256, 512),
    3.2: (160, 512),
}


VIEW_SIDE = 512
"""Longer side of the sizes above."""


def choose_view_size(
    sizes: Sequence[tuple[int, int]], view_size: int = VIEW_SIDE, divisor: int = 16
) -> tuple[int, int]:
    """Size (height, width) of all views of a scene: the one closest to the mean aspect ratio of its photos.

    Args:
        view_size: longer side; for another than 512 the table is scaled.
        divisor: sides are multiples of it.

    Raises:
        ValueError: no photo, or a longer side below the divisor.
    """
    if not sizes:
        raise ValueError("A scene needs at least one photo.")
    ratio = sum(width / height for height, width in sizes) / len(sizes)
    height, width = VIEW_SIZES[min(VIEW_SIZES, key=lambda key: abs(key - ratio))]
    if view_size < divisor:
        raise ValueError(f"view_size must be at least a patch, {divisor} pixels, got {view_size}.")
    return tuple(nearest_multiple(side * view_size / VIEW_SIDE, divisor) for side in (height, width))  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class ViewFit:
    """How a photo of (height, width) becomes a view of (view_height, view_width): scaled to cover it, then cropped.

    Args:
        scale: view pixels per photo pixel.
        resized_height, resized_width: size before the crop.
        left, top: corner of the crop in the resized photo.
    """

    height: int
    width: int
    view_height: int
    view_width: int
    scale: float
    resized_height: int
    resized_width: int
    left: int
    top: int

    @classmethod
    def plan(
        cls, photo_size: tuple[int, int], view_size: tuple[int, int], *, has_intrinsics: bool = False
    ) -> "ViewFit":
        """Fit a photo (height, width) to a view (height, width).

        `has_intrinsics`: round the crop's corner half to even instead of down, as the original does where intrinsics are
        given; it may differ by a pixel.
        """
        (height, width), (view_height, view_width) = photo_size, view_size
        scale = max(view_width / width, view_height / height) + 1e-8
        resized_height, resized_width = floor(height * scale), floor(width * scale)
        spare_x, spare_y = resized_width - view_width, resized_height - view_height
        left, top = (round(spare_x / 2), round(spare_y / 2)) if has_intrinsics else (spare_x // 2, spare_y // 2)
        return cls(height, width, view_height, view_width, scale, resized_height, resized_width, left, top)

    def resize_photo(self, photo: PIL.Image.Image) -> PIL.Image.Image:
        """The photo as a view; Lanczos to make it smaller, bicubic to make it larger."""
        resample = PIL.Image.Resampling.LANCZOS if self.scale < 1 else PIL.Image.Resampling.BICUBIC
        resized = photo.resize((self.resized_width, self.resized_height), resample)
        return resized.crop((self.left, self.top, self.left + self.view_width, self.top + self.view_height))

    def resize_depth(self, depth: np.ndarray) -> np.ndarray:
        """Depth of the photo (height, width) -> of the view (view_height, view_width); nearest pixel, never a mean."""
        rows = np.arange(self.top, self.top + self.view_height) * self.height // self.resized_height
        columns = np.arange(self.left, self.left + self.view_width) * self.width // self.resized_width
        return depth[rows[:, None], columns]

    def intrinsics_of_view(self, intrinsics: np.ndarray) -> np.ndarray:
        """Intrinsics of the photo -> intrinsics of the view: (3, 3) -> (3, 3)."""
        return self.to_view_pixels @ intrinsics

    def intrinsics_of_photo(self, intrinsics: np.ndarray) -> np.ndarray:
        """Intrinsics of the view -> intrinsics of the whole photo: (3, 3) -> (3, 3)."""
        return np.linalg.inv(self.to_view_pixels) @ intrinsics

    @property
    def to_view_pixels(self) -> np.ndarray:
        """Matrix from photo pixels (column, row, 1) to view pixels: (3, 3)."""
        # Half a pixel because scaling acts on edges, not centres; then half of what floor cut from the size.
        offset_x = 0.5 * self.scale - (self.width * self.scale - self.resized_width) / 2 - 0.5 - self.left
        offset_y = 0.5 * self.scale - (self.height * self.scale - self.resized_height) / 2 - 0.5 - self.top
        return np.array([[self.scale, 0, offset_x], [0, self.scale, offset_y], [0, 0, 1]])
