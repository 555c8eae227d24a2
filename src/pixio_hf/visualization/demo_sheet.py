# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures of the images that `pixio-hf demo` shows: the depth of one, and everything of all on a contact sheet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .panels import Panel, Row, depth_limits, draw_page
from .reconstruction import Reconstruction

SHEET_WIDTH = 14.0  # inches


@dataclass
class DemoSample:
    """One demo image with the models' results."""

    name: str
    label: str
    photo: np.ndarray  # (3, H, W) uint8
    true_depth: np.ndarray | None  # (H, W) metres where the image is rendered
    depth: np.ndarray  # (H, W) metres
    reconstruction: Reconstruction
    features: np.ndarray  # (H, W, 3) uint8
    metrics: dict[str, float]  # empty where there is no true depth

    @property
    def pixels(self) -> np.ndarray:
        """The image as (H, W, 3)."""
        return np.moveaxis(self.photo, 0, -1)


def depth_panels(sample: DemoSample, max_depth: float, titles: bool) -> list[Panel]:
    """Image, true depth where there is one, and prediction in the same colours."""
    known = [sample.depth] if sample.true_depth is None else [sample.depth, sample.true_depth]
    limits = depth_limits(*(np.where(depth <= max_depth, depth, 0) for depth in known))
    panels = [Panel(sample.pixels, "Image" if titles else "", sample.label)]
    if sample.true_depth is not None:
        panels.append(Panel(sample.true_depth, "True depth" if titles else "", "exact, from the renderer", limits))
    note = "true depth unknown"
    if sample.metrics:
        note = f"delta1 {sample.metrics['delta1']:.3f}, abs_rel {sample.metrics['abs_rel']:.3f}"
    return [*panels, Panel(sample.depth, "Predicted depth" if titles else "", note, limits)]


def draw_sheet(samples: Sequence[DemoSample], max_depth: float) -> bytes:
    """PNG of all samples: a row each, rendered rooms first."""
    rows = []
    for rendered, headline in (
        (True, "Rendered rooms: synthetic, held out from training"),
        (False, "Photos: real, unlike anything the bundled models were trained on (synthetic rooms only)"),
    ):
        group = [sample for sample in samples if (sample.true_depth is not None) == rendered]
        for index, sample in enumerate(group):
            result = sample.reconstruction
            titles = index == 0
            panels = [
                *depth_panels(sample, max_depth, titles),
                Panel(result.masked, f"Visible: {1 - result.hidden_share:.0%}" if titles else ""),
                Panel(result.reconstructed, "Reconstruction" if titles else "", f"loss {result.loss:.3f}"),
                Panel(sample.features, "Features" if titles else "", "main components of patch tokens"),
            ]
            rows.append(Row(panels, headline if titles else ""))
    return draw_page(
        rows,
        SHEET_WIDTH,
        "pixio-hf demo: depth, reconstruction and features from single images",
        "Depth is in metres; near is red, far is blue, grey is unknown; each row has its own scale. Hidden patches are"
        " reconstructed from the visible blocks; where the model was trained on normalised patches, mean and contrast"
        " of each come from the image. Equal feature colours mean similar features in all images.",
    )
