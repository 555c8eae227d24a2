# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What a model in training predicts, as pictures with captions: OUTPUT_DIR/panels/step-N.png."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..evaluation.depth import predict_depth_items, read_true_depth
from ..evaluation.prediction import PredictionOptions
from ..evaluation.segmentation import predict_class_items, read_true_classes
from ..files import write_bytes
from .cases import draw_class_cases, draw_depth_cases
from .panels import Panel, Row, depth_limits, draw_page
from .worst_cases import pair_with_truth

NUM_CASES = 4
PAGE_WIDTH = 9.0  # inches


def panel_path(output_dir: str | Path, step: int) -> Path:
    """Where the picture of a step lies."""
    return Path(output_dir, "panels", f"step-{step:07d}.png")


def save_panel(output_dir: str | Path, step: int, draw: Callable[[], bytes]) -> None:
    """Write the picture of a step; one that cannot be drawn is left out with a sentence, for the run is worth more."""
    try:
        write_bytes(panel_path(output_dir, step), draw())
    except Exception as error:  # fonts, backends, full disks: each has errors of its own
        print(f"No picture of step {step}: {error}")


def draw_validation(
    kind: str,
    model: Any,
    processor: Any,
    items: Any,
    options: PredictionOptions,
    step: int,
    limits: tuple[float, float] | None = None,
) -> bytes:
    """PNG with the first validation items, a row each: image, prediction, truth, error.

    Args:
        kind: "depth" or "segmentation".
        limits: metres between which true depths count; for depth.
    """
    chosen = [(index, items[index]) for index in range(min(NUM_CASES, len(items)))]
    titles = [f"validation image {index}" for index, _ in chosen]
    heading = f"Step {step}: the first {len(chosen)} validation images"
    if kind == "depth":
        cases = pair_with_truth(titles, predict_depth_items(model, processor, chosen, options), read_true_depth)
        return draw_depth_cases(heading, cases, limits or (model.config.min_depth, model.config.max_depth))
    cases = pair_with_truth(titles, predict_class_items(model, processor, chosen, options), read_true_classes)
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    return draw_class_cases(heading, cases, names, model.config.semantic_loss_ignore_index)


def draw_classified(images: Sequence[np.ndarray], truth: Sequence[str], logits: Tensor, names: Sequence[str]) -> bytes:
    """PNG with images (H, W, 3), four a row, the class that the model gives each, its share, and the true one.

    Args:
        logits: (images, classes) of the model.
    """
    shares, numbers = logits.softmax(dim=-1).max(dim=-1)
    panels = []
    for image, true, share, number in zip(images, truth, shares.tolist(), numbers.tolist(), strict=True):
        said = names[number]
        panels.append(Panel(image, f"{said} ({share:.0%})", "right" if said == true else f"in truth {true}"))
    rows = [Row(panels[start : start + 4]) for start in range(0, len(panels), 4)]
    return draw_page(rows, PAGE_WIDTH, "Held-out images, with the class that the model sees")


def draw_views(samples: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Tensor]], step: int) -> bytes:
    """PNG with a row per set of views: the photos, and the distance to the camera that the model predicts for each.

    Args:
        samples: with pixel_values (V, 3, H, W), normalised as by the image processor.
        outputs: with ray_depth (1, V, H, W) in metres.
    """
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    rows = []
    for index, (sample, output) in enumerate(zip(samples, outputs, strict=True)):
        photos = (sample["pixel_values"].float() * std + mean).clamp(0, 1).mul(255).byte().permute(0, 2, 3, 1).numpy()
        distances = list(output["ray_depth"][0].float().numpy())
        limits = depth_limits(*distances)
        panels = [Panel(photo, f"View {view}") for view, photo in enumerate(photos)]
        panels += [
            Panel(values, f"Distance, view {view}", depth_range=limits) for view, values in enumerate(distances)
        ]
        rows.append(Row(panels, f"Validation scene {index}"))
    return draw_page(rows, PAGE_WIDTH, f"Step {step}: distance from the camera, as predicted")
