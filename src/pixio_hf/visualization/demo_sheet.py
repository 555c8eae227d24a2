# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pictures of the images that `pixio-hf demo` shows: each result by itself, all on a contact sheet, two in an overview."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image

from .color_maps import color_values
from .panels import DEPTH_COLORS, Panel, Row, depth_limits, draw_page
from .point_pictures import BACKGROUND
from .reconstruction import Reconstruction

SHEET_WIDTH, OVERVIEW_WIDTH = 14.0, 13.0  # inches
TRUTH_TITLE, POINTS_TITLE = "True depth", "Its points, from aside"


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
    points: np.ndarray  # (H, W, 3) uint8, the points of the predicted depth from aside
    metrics: dict[str, float]  # empty where there is no true depth

    @property
    def pixels(self) -> np.ndarray:
        """The image as (H, W, 3)."""
        return np.moveaxis(self.photo, 0, -1)

    @property
    def visible(self) -> np.ndarray:
        """What the model saw for the reconstruction, in the shape of the photo."""
        return self._in_shape_of_photo(self.reconstruction.masked)

    @property
    def reconstructed(self) -> np.ndarray:
        """The reconstruction, in the shape of the photo: the model works on squares."""
        return self._in_shape_of_photo(self.reconstruction.reconstructed)

    def _in_shape_of_photo(self, pixels: np.ndarray) -> np.ndarray:
        height, width = self.photo.shape[1:]
        return np.asarray(PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BICUBIC))

    def limits(self, max_depth: float) -> tuple[float, float]:
        """Metres at the ends of the depth colours, common to true and predicted depth."""
        known = [self.depth] if self.true_depth is None else [self.depth, self.true_depth]
        return depth_limits(*(np.where(depth <= max_depth, depth, 0) for depth in known))


def put_typical_first(samples: Sequence[DemoSample]) -> list[DemoSample]:
    """Rooms in the order of how near their abs_rel is to the median of all, then the photos as they come."""
    rooms = [sample for sample in samples if sample.metrics]
    if rooms:
        middle = float(np.median([room.metrics["abs_rel"] for room in rooms]))
        rooms.sort(key=lambda room: abs(room.metrics["abs_rel"] - middle))
    return [*rooms, *(sample for sample in samples if not sample.metrics)]


def picture_files(sample: DemoSample, max_depth: float) -> dict[str, bytes]:
    """Endings of the names of a sample's pictures and what the files hold; each shows one thing."""
    limits = sample.limits(max_depth)
    pictures = {
        "depth_color.png": color_depth(sample.depth, limits),
        "features.png": sample.features,
        "visible.png": sample.visible,
        "reconstruction.png": sample.reconstructed,
        "points.png": sample.points,
    }
    if sample.true_depth is not None:
        pictures["true_depth_color.png"] = color_depth(sample.true_depth, limits)
    return {
        "photo.jpg": encode_picture(sample.pixels, "JPEG"),
        **{ending: encode_picture(pixels, "PNG") for ending, pixels in pictures.items()},
    }


def color_depth(depth: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Depth (H, W) in metres -> (H, W, 3) uint8: near is red, far is blue, unknown is grey."""
    return color_values(np.where(depth > 0, depth, np.nan), limits, DEPTH_COLORS)


def encode_picture(pixels: np.ndarray, file_format: str) -> bytes:
    """Bytes of a JPEG or PNG of (H, W, 3) uint8."""
    buffer = io.BytesIO()
    options = {"quality": 90} if file_format == "JPEG" else {"optimize": True}
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format=file_format, **options)
    return buffer.getvalue()


def draw_sheet(samples: Sequence[DemoSample], max_depth: float) -> bytes:
    """PNG of all samples: a row each, rendered rooms first."""
    rows = []
    for rendered, headline in (
        (True, "Rendered rooms: synthetic, held out from training"),
        (False, "Photos: real"),
    ):
        group = [sample for sample in samples if (sample.true_depth is not None) == rendered]
        for index, sample in enumerate(group):
            panels = make_panels(sample, max_depth)
            if index:
                panels = [replace(panel, title="") for panel in panels]
            rows.append(Row(panels, "" if index else headline))
    return draw_page(
        rows,
        SHEET_WIDTH,
        "pixio-hf demo: depth, reconstruction and features from single images",
        "Depth is in metres; near is red, far is blue, grey is unknown; each row has its own scale. Hidden patches are"
        " reconstructed from the visible blocks; where the model was trained on normalised patches, mean and contrast"
        " of each come from the image. Equal feature colours mean similar features in all images.",
    )


def draw_overview(samples: Sequence[DemoSample], max_depth: float) -> bytes:
    """PNG of a few samples, a row each, as squares so that equal things stand one below the other."""
    rows = []
    for index, sample in enumerate(samples):
        panels = [
            replace(
                panel,
                # Points lie in the middle of white: cutting would take some of them away.
                pixels=(pad_square if panel.title == POINTS_TITLE else cut_square)(panel.pixels),
                title="" if index else panel.title,
            )
            for panel in make_panels(sample, max_depth)
            if panel.title != TRUTH_TITLE
        ]
        rows.append(Row(panels))
    return draw_page(rows, OVERVIEW_WIDTH)


def make_panels(sample: DemoSample, max_depth: float) -> list[Panel]:
    """Everything of one sample side by side; true depth only where it is known."""
    limits = sample.limits(max_depth)
    result = sample.reconstruction
    note = "true depth unknown"
    if sample.metrics:
        note = f"delta1 {sample.metrics['delta1']:.3f}, abs_rel {sample.metrics['abs_rel']:.3f}"
    truth = []
    if sample.true_depth is not None:
        truth = [Panel(sample.true_depth, TRUTH_TITLE, "exact, from the renderer", limits)]
    return [
        Panel(sample.pixels, "Image", sample.label),
        *truth,
        Panel(sample.depth, "Predicted depth", note, limits),
        Panel(sample.points, POINTS_TITLE, "each pixel at its depth"),
        Panel(sample.features, "Features", "like colours, like features"),
        Panel(sample.visible, f"Visible: {1 - result.hidden_share:.0%}", "hidden blocks are grey"),
        Panel(sample.reconstructed, "Reconstruction", f"loss {result.loss:.3f}"),
    ]


def cut_square(pixels: np.ndarray) -> np.ndarray:
    """The middle square of a picture (H, W, ...)."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def pad_square(pixels: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in the middle of a square in the colour behind points."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    margins = ((top, side - height - top), (left, side - width - left), (0, 0))
    return np.pad(pixels, margins, constant_values=BACKGROUND)
