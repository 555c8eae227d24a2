# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers as colours, pixel by pixel, for pictures without axes."""

import numpy as np

NO_VALUE = (213, 216, 220)


def color_values(values: np.ndarray, limits: tuple[float, float], colors: str) -> np.ndarray:
    """Values (H, W) -> (H, W, 3) uint8 in a colour map of matplotlib; what is not finite is grey.

    Args:
        limits: values at the two ends of the colours; what lies beyond has the colour of the end.

    Raises:
        ValueError: matplotlib is not installed.
    """
    table = color_table(colors)
    low, high = limits
    known = np.isfinite(values)
    shares = (np.where(known, values, low) - low) / max(high - low, 1e-12)
    picture = table[np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)]
    picture[~known] = NO_VALUE
    return picture


def color_table(colors: str) -> np.ndarray:
    """256 colours of a colour map of matplotlib from its low to its high end: (256, 3) uint8.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib import colormaps
    except ImportError as error:
        raise ValueError("Pictures need matplotlib: pip install 'pixio-hf[demo]'.") from error
    return np.rint(255 * colormaps[colors](np.arange(256))[:, :3]).astype(np.uint8)
