# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Drawing of evaluated images, a row each: photo, prediction, truth, error, with scales and legends. PNG bytes out."""

import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..shown_text import plot_text
from .figures import make_figure

ROW_WIDTH = 14.0  # inches
ROW_TEXT = 0.6  # inches for the title above a row and the names below it
LEGEND_COLUMNS, LEGEND_LINE = 8, 0.19  # entries side by side, inches
WORST_SHOWN_ERROR = 0.5  # of the true depth: the error at which the colours end
NOT_COUNTED = "#d5d8dc"
WRONG, RIGHT = np.array([214, 40, 40], dtype=np.uint8), np.array([245, 245, 245], dtype=np.uint8)


@dataclass(frozen=True)
class Case:
    """One image: title, photo (H, W, 3), and maps (H, W) of depth in metres or of class numbers."""

    title: str
    photo: np.ndarray
    prediction: np.ndarray
    truth: np.ndarray


def draw_depth_cases(heading: str, cases: Sequence[Case], limits: tuple[float, float]) -> bytes:
    """PNG with a row per case: photo, prediction and truth on one scale in metres, relative error in percent.

    Pixels whose truth lies outside `limits` (metres) do not count and are grey.
    """
    figure, axes = _start_page(heading, cases, ("image", "prediction", "truth", "relative error"))
    for row, case in zip(axes, cases, strict=True):
        counted = (case.truth > 0) & (case.truth >= limits[0]) & (case.truth <= limits[1])
        shown = np.concatenate((case.prediction.ravel(), case.truth[counted]))
        scale = {"cmap": "Spectral", "vmin": shown.min(), "vmax": shown.max(), "interpolation": "nearest"}
        row[0].imshow(case.photo)
        row[1].imshow(case.prediction, **scale)
        depth = row[2].imshow(np.ma.masked_where(~counted, case.truth), **scale)
        true = np.where(counted, case.truth, 1.0)
        error = 100 * np.ma.masked_where(~counted, np.abs(case.prediction - true) / true)
        wrong = row[3].imshow(error, cmap="inferno", vmin=0, vmax=100 * WORST_SHOWN_ERROR, interpolation="nearest")
        figure.colorbar(depth, ax=row[2], format="%g m", fraction=0.05, pad=0.02)
        figure.colorbar(wrong, ax=row[3], format="%g %%", fraction=0.05, pad=0.02, extend="max")
    return _finish_page(figure)


def draw_class_cases(
    heading: str, cases: Sequence[Case], class_names: Sequence[str], ignore_index: int = 255
) -> bytes:
    """PNG with a row per case: photo, predicted and true classes in colours, wrong pixels; a legend of the classes."""
    from matplotlib.patches import Patch

    colors = class_colors(len(class_names))
    shown = np.unique(np.concatenate([numbers.ravel() for case in cases for numbers in (case.prediction, case.truth)]))
    legend = [
        Patch(color=tuple(colors[index] / 255), label=plot_text(class_names[index], 30))
        for index in shown[shown != ignore_index]
    ]
    if ignore_index in shown:
        legend.append(Patch(color=NOT_COUNTED, label="does not count"))
    legend_height = LEGEND_LINE * -(-len(legend) // LEGEND_COLUMNS)
    figure, axes = _start_page(heading, cases, ("image", "prediction", "truth", "wrong pixels (red)"), legend_height)
    for row, case in zip(axes, cases, strict=True):
        counted = case.truth != ignore_index
        true = np.where(counted, case.truth, 0)
        grey = np.array([213, 216, 220], dtype=np.uint8)
        wrong = np.where((case.prediction != case.truth)[..., None], WRONG, RIGHT)
        row[0].imshow(case.photo)
        row[1].imshow(colors[case.prediction], interpolation="nearest")
        row[2].imshow(np.where(counted[..., None], colors[true], grey), interpolation="nearest")
        row[3].imshow(np.where(counted[..., None], wrong, grey), interpolation="nearest")
    figure.legend(handles=legend, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False)
    return _finish_page(figure)


def class_colors(num_classes: int) -> np.ndarray:
    """Colours that tell neighbouring class numbers apart: (num_classes, 3) uint8, the same for every run."""
    # Steps of the golden ratio around the colour circle never come close to a recent hue.
    hues = (0.618034 * np.arange(num_classes) + 0.6) % 1
    levels = [(0.55, 0.9), (0.85, 0.65), (0.45, 0.65)]
    colors = [colorsys.hsv_to_rgb(hue, *levels[index % len(levels)]) for index, hue in enumerate(hues)]
    return np.rint(255 * np.array(colors)).astype(np.uint8)


def _start_page(
    heading: str, cases: Sequence[Case], columns: Sequence[str], legend_height: float = 0.0
) -> tuple[Any, Any]:
    panel = ROW_WIDTH / (len(columns) + 0.5)
    heights = [panel * min(case.photo.shape[0] / case.photo.shape[1], 2.0) + ROW_TEXT for case in cases]
    size = (ROW_WIDTH, sum(heights) + 1.0 + legend_height)
    figure = make_figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    figure.suptitle(plot_text(heading, 400), fontsize=13, fontweight="bold")
    axes = figure.subplots(len(cases), len(columns), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, case in zip(axes, cases, strict=True):
        for axis, column in zip(row, columns, strict=True):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_facecolor(NOT_COUNTED)
            axis.set_xlabel(column, fontsize=8)
        row[0].set_title(plot_text(case.title), fontsize=9, loc="left")
    return figure, axes


def _finish_page(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
