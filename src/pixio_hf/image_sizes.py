# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sides of a resized photo: check them, keep the aspect ratio, round to multiples. Pure functions of numbers."""


def nearest_multiple(side: float, divisor: int) -> int:
    """Multiple of divisor nearest to side, at least one divisor."""
    return max(divisor, round(side / divisor) * divisor)


def check_multiple(height: int, width: int, divisor: int, what: str) -> None:
    """Raise ValueError naming the nearest valid size unless both sides are multiples of divisor."""
    if height % divisor or width % divisor:
        raise ValueError(
            f"{what} {height} x {width} (height x width) must have sides that are multiples of {divisor}; the nearest"
            f" is {nearest_multiple(height, divisor)} x {nearest_multiple(width, divisor)}."
        )


def resized_size(
    photo_size: tuple[int, int], size: tuple[int, int], keep_aspect_ratio: bool, divisor: int
) -> tuple[int, int]:
    """Output (height, width) of a photo. Without keep_aspect_ratio it is `size`.

    With it, both sides are scaled by the same factor: of the two that make one side fit `size`, the one closer to 1
    (as DPT does). Then both are rounded to multiples of divisor.
    """
    if not keep_aspect_ratio:
        return size
    scale_height, scale_width = size[0] / photo_size[0], size[1] / photo_size[1]
    scale = scale_width if abs(1 - scale_width) < abs(1 - scale_height) else scale_height
    return nearest_multiple(photo_size[0] * scale, divisor), nearest_multiple(photo_size[1] * scale, divisor)
