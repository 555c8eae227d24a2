# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A picture of some samples of a data set, each image beside its label in colours, for `check-data`."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import PIL.Image

from ..data.labelled.class_numbers import IGNORED, stored_classes
from ..data.labelled.depth_datasets import crop_pair
from ..data.labelled.depth_survey import DepthSurvey
from ..data.labelled.mask_survey import MaskSurvey
from ..data.labelled.pair_reading import read_depth_pair, read_image, read_stored_mask_pair
from ..data.labelled.surveyed_splits import ClassSurvey, Split
from ..label_maps import resize_nearest
from .cases import class_colors
from .panels import Panel, Row, draw_page

NUM_SAMPLES = 12
PAGE_WIDTH = 12.0  # inches
_MAX_SIDE = 480
_NO_CLASS, _NO_SUCH_CLASS = (213, 216, 220), (0, 0, 0)  # grey, black


def draw_contact_sheet(splits: Sequence[Split], readable: dict[str, list[int]], heading: str) -> bytes:
    """PNG of up to 12 samples, evenly spread over the readable ones of the splits; depth shares one scale of colours."""
    chosen = [(split, index) for split in splits for index in readable[split.name]]
    per_row = 6 if isinstance(splits[0].survey, ClassSurvey) else 2
    places = np.linspace(0, len(chosen) - 1, min(NUM_SAMPLES, len(chosen))).astype(int)
    limits = depth_range(splits)
    drawn = [draw_sample(split, index, limits) for split, index in (chosen[place] for place in places.tolist())]
    if any(panels[0].pixels.shape[1] > 2 * panels[0].pixels.shape[0] for panels in drawn):
        per_row = 1
    # A last row that is not full would be drawn larger than the others.
    count = len(drawn) - len(drawn) % per_row if len(drawn) > per_row else len(drawn)
    rows = [Row([panel for panels in drawn[i : i + per_row] for panel in panels]) for i in range(0, count, per_row)]
    small_print = "Grey: no label."
    if isinstance(splits[0].survey, MaskSurvey):
        rows.extend(legend_rows(splits))
        small_print += " Black: a number that is no class."
    elif isinstance(splits[0].survey, ClassSurvey):
        small_print = ""
    return draw_page(rows, PAGE_WIDTH, heading, small_print)


def depth_range(splits: Sequence[Split]) -> tuple[float, float]:
    """Ends of the colours in metres: the smallest 1st and the largest 99th percentile of the splits."""
    quantiles = [split.survey.quantiles() for split in splits if isinstance(split.survey, DepthSurvey)]
    lows, highs = ([found[name] for found in quantiles if found] for name in ("0.01", "0.99"))
    return (min(lows), max(max(highs), min(lows) * 1.05)) if lows else (0.0, 1.0)


def draw_sample(split: Split, index: int, limits: tuple[float, float]) -> list[Panel]:
    """The panels of one sample: image and label in colours, or the image under its class."""
    sample, survey = split.samples[index], split.survey
    if isinstance(survey, ClassSurvey):
        return [Panel(shrink(read_image(sample["image"])), f"{split.name}: {survey.class_names[sample['label']]}")]
    if isinstance(survey, DepthSurvey):
        image, metres = read_depth_pair(sample["image"], sample["label"], survey.protocol.depth_scale)
        image, metres = crop_pair(image, metres, survey.protocol)
        valid = metres[np.isfinite(metres) & (metres > 0)]
        note = f"{valid.min():.3g} to {valid.max():.3g} m, {valid.size / metres.size:.0%} valid" if valid.size else ""
        return [
            Panel(shrink(image), title_of(split, sample["name"], image)),
            Panel(shrink_depth(metres), note=note or "no depth", depth_range=limits),
        ]
    image, stored = read_stored_mask_pair(sample["image"], sample["label"])
    classes = stored_classes(survey.protocol.num_classes, survey.reduces)
    is_class = (stored >= classes[0]) & (stored <= classes[-1])
    is_none = np.isin(stored, list(survey.without_class()))
    places = np.where(is_class, stored - classes[0], np.where(is_none, IGNORED, 256))
    colors = class_palette(survey.protocol.num_classes)[places]
    numbers, counts = np.unique(stored, return_counts=True)
    order = np.argsort(-counts)[:4]
    note = ", ".join(f"{class_label(survey, int(numbers[i]))} {counts[i] / stored.size:.0%}" for i in order)
    return [Panel(shrink(image), title_of(split, sample["name"], image)), Panel(shrink_map(colors), note=note)]


def legend_rows(splits: Sequence[Split]) -> list[Row]:
    """The colours of the most frequent classes with their names, eight to a row, three rows at most."""
    surveys = [split.survey for split in splits if isinstance(split.survey, MaskSurvey)]
    total = sum((survey.pixels_of_classes() for survey in surveys), Counter())
    frequent = [number for number, _ in total.most_common(24)]
    palette = class_palette(surveys[0].protocol.num_classes)
    blank = np.full((1, 4, 3), 255, np.uint8)
    panels = [
        Panel(np.broadcast_to(palette[number], (1, 4, 3)), surveys[0].protocol.class_names[number])
        for number in frequent
    ]
    panels += [Panel(blank)] * (-len(panels) % 8)
    return [Row(panels[start : start + 8]) for start in range(0, len(panels), 8)]


def class_palette(num_classes: int) -> np.ndarray:
    """(257, 3) uint8: the colours that evaluation pictures give the classes; 255 grey, 256 black."""
    palette = np.zeros((257, 3), np.uint8)
    palette[:num_classes] = class_colors(num_classes)
    palette[IGNORED], palette[256] = _NO_CLASS, _NO_SUCH_CLASS
    return palette


def class_label(survey: MaskSurvey, number: int) -> str:
    """Name of the class that is stored as a number, also of numbers that are none."""
    classes = stored_classes(survey.protocol.num_classes, survey.reduces)
    if number in survey.without_class():
        return "none"
    return survey.protocol.class_names[number - classes[0]] if number in classes else f"number {number}"


def shrink(image: PIL.Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 with no side above 480."""
    small = image.copy()
    small.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return np.asarray(small)


def shrink_map(colors: np.ndarray) -> np.ndarray:
    """(H, W, 3) with no side above 480, colours not mixed."""
    factor = min(_MAX_SIDE / max(colors.shape[:2]), 1.0)
    height, width = (max(round(side * factor), 1) for side in colors.shape[:2])
    return np.dstack([resize_nearest(channel, (height, width)) for channel in np.moveaxis(colors, -1, 0)])


def shrink_depth(metres: np.ndarray) -> np.ndarray:
    """(H, W) with no side above 480: the nearest valid depth of each block, so that sparse points stay visible."""
    step = -(-max(metres.shape) // _MAX_SIDE)
    height, width = (-(-side // step) for side in metres.shape)
    padded = np.full((height * step, width * step), np.inf, np.float32)
    padded[: metres.shape[0], : metres.shape[1]] = np.where(metres > 0, metres, np.inf)
    return padded.reshape(height, step, width, step).min(axis=(1, 3))


def title_of(split: Split, name: str, image: PIL.Image.Image) -> str:
    """Split and the end of a name that fits above the picture."""
    room = 80 if image.width > 2 * image.height else 27
    return f"{split.name}: {name if len(name) <= room else f'...{name[3 - room :]}'}"
