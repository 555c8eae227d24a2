# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depths of a data set, counted: one small measurement per image, summed up, so that memory does not grow with the data."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...shown_text import list_names
from .depth_datasets import crop_pair, read_stored_pair
from .depth_protocols import DepthProtocol

# Depths are counted in bins of equal ratio, 0.7 % wide.
DEPTH_EDGES = np.geomspace(1e-6, 1e7, 4097)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
PLAUSIBLE_MEDIAN = (0.1, 150.0)
# Units that depth is usually stored in, the most frequent first, in metres.
USUAL_UNITS = {"metres": 1.0, "millimetres": 0.001, "1/256 metre, as in KITTI": 1 / 256, "centimetres": 0.01}
MIN_VALID_PIXELS = 10


@dataclass
class DepthSurvey:
    """Sizes and depths of the images of a split."""

    protocol: DepthProtocol
    sizes: Counter = field(default_factory=Counter)
    bins: np.ndarray = field(default_factory=lambda: np.zeros(len(DEPTH_EDGES) - 1, np.int64))
    pixels: Counter = field(default_factory=Counter)
    smallest: float = float("inf")
    largest: float = 0.0
    nearly_empty: list[str] = field(default_factory=list)

    def measure(self, image: Any, depth: Any, name: str) -> dict[str, Any]:
        """Read one pair and count its pixels. Raises ValueError when it cannot be used."""
        photo, metres = read_stored_pair(image, depth, self.protocol)
        stored_size = metres.shape
        _, metres = crop_pair(photo, metres, self.protocol)
        finite = np.isfinite(metres)
        valid = metres[finite & (metres > 0)]
        counts = {
            "all": metres.size,
            "valid": valid.size,
            "not_finite": int((~finite).sum()),
            "negative": int((metres < 0).sum()),
            "beyond_max_depth": int((valid > self.protocol.max_depth).sum()),
            "largest_16_bit": int((metres == np.float32(65535 * self.protocol.depth_scale)).sum()),
        }
        ends = (float(valid.min()), float(valid.max())) if valid.size else (float("inf"), 0.0)
        return {
            "name": name,
            "size": stored_size,
            "counts": counts,
            "ends": ends,
            "bins": np.histogram(valid, DEPTH_EDGES)[0],
        }

    def add(self, measured: dict[str, Any]) -> None:
        """Sum up one measurement."""
        self.sizes[measured["size"]] += 1
        self.pixels.update(measured["counts"])
        self.bins += measured["bins"]
        self.smallest, self.largest = (
            min(self.smallest, measured["ends"][0]),
            max(self.largest, measured["ends"][1]),
        )
        if measured["counts"]["valid"] < MIN_VALID_PIXELS:
            self.nearly_empty.append(measured["name"])

    def quantiles(self) -> dict[str, float]:
        """Depths in metres, exact to half a bin."""
        if not self.bins.sum():
            return {}
        shares = np.cumsum(self.bins) / self.bins.sum()
        places = np.minimum(np.searchsorted(shares, QUANTILES), len(self.bins) - 1)
        middles = np.sqrt(DEPTH_EDGES[places] * DEPTH_EDGES[places + 1])
        middles = np.clip(middles, self.smallest, self.largest)
        return {f"{quantile:g}": float(f"{value:.4g}") for quantile, value in zip(QUANTILES, middles, strict=True)}

    def summary(self) -> dict[str, Any]:
        """Numbers for report.json."""
        valid = self.pixels["valid"]
        return {
            "depth_scale": self.protocol.depth_scale,
            "max_depth": self.protocol.max_depth,
            "valid_share": valid / max(self.pixels["all"], 1),
            "depth_quantiles_metres": self.quantiles(),
            "smallest_depth": self.smallest if valid else None,
            "largest_depth": self.largest if valid else None,
            "pixels": dict(self.pixels),
        }

    def lines(self) -> list[str]:
        """The same for people."""
        quantiles = self.quantiles()
        if not quantiles:
            return ["no valid depth"]
        shown = ", ".join(f"{float(name):.0%}: {value:g}" for name, value in quantiles.items())
        return [
            f"valid depth: {self.pixels['valid'] / self.pixels['all']:.1%} of the pixels",
            f"metres (scale {self.protocol.depth_scale:g}): {self.smallest:g} to {self.largest:g}; quantiles {shown}",
        ]

    def problems(self) -> list[str]:
        """What makes training on it pointless."""
        if not self.pixels["all"]:
            return []
        if not self.pixels["valid"]:
            return ["No pixel of any image has a valid depth (finite and above 0)."]
        unit = judge_unit(self.quantiles()["0.5"], self.protocol.depth_scale)
        return [unit] if unit else []

    def warnings(self) -> list[str]:
        """What may be intended."""
        found, valid = [], max(self.pixels["valid"], 1)
        if self.nearly_empty:
            found.append(f"{list_names(self.nearly_empty)}: fewer than {MIN_VALID_PIXELS} valid pixels.")
        if self.pixels["negative"]:
            found.append(f"{self.pixels['negative']} pixels are negative; they count as invalid.")
        if self.pixels["largest_16_bit"]:
            found.append(
                f"{self.pixels['largest_16_bit']} pixels hold 65535, the largest 16-bit number. If that marks missing"
                " depth, store 0 instead."
            )
        if (share := self.pixels["beyond_max_depth"] / valid) > 0.05:
            found.append(f"{share:.0%} of the valid pixels lie beyond max_depth = {self.protocol.max_depth:g} m.")
        return found


def judge_unit(median: float, depth_scale: float) -> str:
    """A sentence when a median depth (metres) cannot be right, with the --depth-scale that would explain it."""
    low, high = PLAUSIBLE_MEDIAN
    if low <= median <= high:
        return ""
    stored = median / depth_scale
    matching = [(unit, scale) for unit, scale in USUAL_UNITS.items() if 0.3 <= stored * scale <= 60]
    if not matching:
        return f"The median depth is {median:g} m, which no usual unit explains. Is this metric depth?"
    advice = ", or ".join(
        f"like {unit} (--depth-scale {scale:.8g}, median {stored * scale:.3g} m)" for unit, scale in matching[:2]
    )
    return f"The median depth is {median:g} m, so the unit looks wrong. The numbers look {advice}."
