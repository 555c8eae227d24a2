# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes of fine-tuning: the paper's (docs/specification.md 5.5, 6.1), and ours for folders and tiny models.

The rate of step i is that of the schedule at i. The original computes it after the step, so that its step i runs with the
rate of i - 1 and its first step with the full one (docs/specification.md 5.5); that is not imitated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from ..training.optimization import DEPTH_HEAD_LEARNING_RATES, DEPTH_WARMUP_RATIO, HEAD_WEIGHT_DECAY, fit_warmup


@dataclass(frozen=True)
class FineTuningRecipe:
    """Settings of a run, unless arguments replace them; a step is an optimizer step over `total_batch_size` images."""

    head_type: str
    learning_rate: float
    total_batch_size: int = 32
    """0: chosen by the number of images (suit_set)."""
    protocol: str | None = None
    """Layout of the data set; None: recognised."""
    num_epochs: int | None = 60
    max_steps: int | None = None
    """Instead of num_epochs; one of the two is None."""
    min_steps: int = 0
    """A run of num_epochs has at least this many: small sets are seen more often."""
    eval_steps: int | None = None
    """None: once an epoch, but at least min(50, steps / 8) steps apart."""
    crop_size: int = 256
    """Pixels; 0: the checkpoint's own image size."""
    warmup_steps: float = 0.0
    """Below 1: a share of all steps."""
    weight_decay: float = HEAD_WEIGHT_DECAY
    max_grad_norm: float = 0.0
    """0: gradients are not clipped."""
    freeze_encoder: bool | None = True
    """None: freeze it if it has more than SMALL_ENCODER parameters."""
    encoder_learning_rate: float | None = None
    """None: the head's rate."""
    layer_decay: float = 1.0


@dataclass(frozen=True)
class DepthRecipe(FineTuningRecipe):
    """Recipe of depth, metric or relative."""

    warmup_steps: float = DEPTH_WARMUP_RATIO
    max_depth: float = 10.0
    """Metres."""
    whole_images: bool = False
    """Resize whole images to a square of crop_size, instead of cutting crops and evaluating in windows."""
    depth_estimation_type: str = "metric"
    depth_loss_trim: float = 0.0
    """Share of the worst pixels of an image that the loss of relative depth leaves out."""
    strong_perturbations: bool = False
    """Train on changed colours, blur and CutMix, as a student that is to learn more than its teacher knows."""


Recipe = TypeVar("Recipe", bound=FineTuningRecipe)

# Ours: small enough for a CPU.
TINY: dict[str, Any] = {
    "head_type": "dpt",
    "learning_rate": 1e-3,
    "encoder_learning_rate": 5e-4,
    "freeze_encoder": False,
    "crop_size": 128,
    "warmup_steps": 0.1,
    "max_grad_norm": 1.0,
    "num_epochs": None,
    "max_steps": 2200,
    "eval_steps": 550,
}
# Ours: what measured best on three sets of 33 to 48 images with pixio-tiny (docs/small_folders.md).
SMALL_ENCODER = 30_000_000
NEW_HEAD_STEPS = 100
FOLDER: dict[str, Any] = {
    "encoder_learning_rate": 5e-4,
    "freeze_encoder": None,
    "total_batch_size": 0,
    "crop_size": 0,
    "warmup_steps": 0.1,
    "max_grad_norm": 1.0,
    "num_epochs": 20,
    "min_steps": 200,
}
# As published for Depth Anything V2 (Yang et al., 2024), but crops of 512 for its 518, a multiple of our patch size; and
# gradients are clipped: where a prediction is nearly constant, they are as large as it is flat.
RELATIVE: dict[str, Any] = {
    "head_type": "dpt",
    "learning_rate": 5e-5,
    "encoder_learning_rate": 5e-6,
    "freeze_encoder": False,
    "crop_size": 512,
    "max_grad_norm": 1.0,
    "num_epochs": None,
    "depth_estimation_type": "relative",
}
DEPTH_RECIPES: Mapping[str, DepthRecipe] = {
    "nyuv2-dpt": DepthRecipe("dpt", DEPTH_HEAD_LEARNING_RATES["dpt"], protocol="nyuv2"),
    "nyuv2-linear": DepthRecipe("linear", DEPTH_HEAD_LEARNING_RATES["linear"], protocol="nyuv2"),
    "kitti-dpt": DepthRecipe("dpt", DEPTH_HEAD_LEARNING_RATES["dpt"], protocol="kitti", max_depth=80.0),
    "kitti-linear": DepthRecipe("linear", DEPTH_HEAD_LEARNING_RATES["linear"], protocol="kitti", max_depth=80.0),
    # Ours: photos of a folder may be far larger than a crop, which then shows too little of them.
    "folder-dpt": DepthRecipe("dpt", 1e-3, **FOLDER, whole_images=True),
    "folder-linear": DepthRecipe("linear", 2e-3, **FOLDER, whole_images=True),
    "tiny-synthetic": DepthRecipe(**TINY, whole_images=True),
    "relative-teacher": DepthRecipe(**RELATIVE, max_steps=160_000, eval_steps=10_000, total_batch_size=64),
    "relative-student": DepthRecipe(
        **RELATIVE,
        max_steps=480_000,
        eval_steps=10_000,
        total_batch_size=192,
        depth_loss_trim=0.1,
        strong_perturbations=True,
    ),
}
SEGMENTATION_RECIPES: Mapping[str, FineTuningRecipe] = {
    "ade20k-dpt": FineTuningRecipe("dpt", 1e-4, 16, "ade20k"),
    "ade20k-linear": FineTuningRecipe("linear", 2e-4, 16, "ade20k"),
    "voc-dpt": FineTuningRecipe("dpt", 1e-4, 32, "voc"),
    "voc-linear": FineTuningRecipe("linear", 2e-4, 32, "voc"),
    "loveda-dpt": FineTuningRecipe("dpt", 2e-4, 8, "loveda"),
    "loveda-linear": FineTuningRecipe("linear", 4e-4, 8, "loveda"),
    "folder-dpt": FineTuningRecipe("dpt", 1e-3, **FOLDER),
    "folder-linear": FineTuningRecipe("linear", 2e-3, **FOLDER),
    "tiny-synthetic": FineTuningRecipe(**TINY),
}


def choose_recipe(recipes: Mapping[str, Recipe], name: str, arguments: Any) -> Recipe:
    """The named recipe; attributes of `arguments` that are not None replace its own.

    Raises:
        ValueError: unknown name, or values that make no sense.
    """
    if name not in recipes:
        raise ValueError(f"Unknown recipe {name!r}; choose one of {', '.join(recipes)}.")
    names = [item.name for item in fields(recipes[name])]
    given = {name: value for name in names if (value := getattr(arguments, name, None)) is not None}
    if "num_epochs" in given and "max_steps" in given:
        raise ValueError("Give num_epochs or max_steps, not both.")
    if "num_epochs" in given or "max_steps" in given:
        given = {"num_epochs": None, "max_steps": None, **given}
    recipe = replace(recipes[name], **given)
    for name in ("learning_rate", "total_batch_size", "num_epochs", "max_steps", "eval_steps", "crop_size"):
        if (value := given.get(name)) is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive, got {value}.")
    if not 0 < recipe.layer_decay <= 1:
        raise ValueError(f"layer_decay must lie in (0, 1], got {recipe.layer_decay}.")
    fit_warmup(recipe.warmup_steps, 1)
    return recipe


def share_batch(
    total_batch_size: int, num_processes: int, batch_size: int | None = None, accumulation_steps: int | None = None
) -> tuple[int, int]:
    """Images per process and forward pass, and forward passes per step, that make up the total batch.

    By default a step is one pass. From `batch_size` or `accumulation_steps` the other follows; both replace the total.

    Raises:
        ValueError: the total cannot be shared like that.
    """
    if batch_size is None and accumulation_steps is None:
        accumulation_steps = 1
    known = num_processes * (batch_size or 1) * (accumulation_steps or 1)
    if batch_size is not None and accumulation_steps is not None:
        return batch_size, accumulation_steps
    if known < 1 or total_batch_size % known:
        raise ValueError(
            f"A total batch of {total_batch_size} images cannot be shared by {num_processes} processes with"
            f" batch_size={batch_size}, gradient_accumulation_steps={accumulation_steps}; change total_batch_size."
        )
    rest = total_batch_size // known
    return batch_size or rest, accumulation_steps or rest


def suit_checkpoint(recipe: Recipe, image_size: int, num_parameters: int) -> Recipe:
    """The recipe with its open settings chosen for a checkpoint: crop size, and whether to freeze the encoder.

    Args:
        num_parameters: of the encoder.
    """
    freeze = num_parameters > SMALL_ENCODER if recipe.freeze_encoder is None else recipe.freeze_encoder
    return replace(recipe, crop_size=recipe.crop_size or image_size, freeze_encoder=freeze)


def suit_set(recipe: Recipe, num_images: int, unit: int = 1) -> Recipe:
    """The recipe; if it names no total batch, with one of at most 32 images and at most a sixth of the set.

    Args:
        unit: the batch is a multiple of this: processes times the batch size and passes that were given.
    """
    if recipe.total_batch_size:
        return recipe
    batch = 1
    while batch < 32 and 12 * batch <= num_images:
        batch *= 2
    return replace(recipe, total_batch_size=max(batch // unit, 1) * unit)


def warn_of_few_steps(num_steps: int, recipe: FineTuningRecipe, num_images: int) -> str:
    """A sentence if a run is too short to learn anything, else nothing."""
    advice = "give more --max_steps or --num_epochs."
    if num_steps < NEW_HEAD_STEPS:
        return f"{num_steps} steps are few: to learn takes {NEW_HEAD_STEPS} or more; {advice}"
    if num_steps * recipe.total_batch_size < num_images:
        return f"{num_steps} steps are few: they do not see each of {num_images} images once; {advice}"
    return ""


def count_steps(recipe: FineTuningRecipe, num_images: int, total_batch_size: int) -> tuple[int, int]:
    """Optimizer steps of a run, and between its evaluations; incomplete batches are dropped.

    Raises:
        ValueError: fewer images than one batch.
    """
    per_epoch = num_images // total_batch_size
    if per_epoch == 0:
        raise ValueError(
            f"{num_images} training images are fewer than the batch of {total_batch_size}: give a smaller"
            " --total_batch_size."
        )
    total = recipe.max_steps or max((recipe.num_epochs or 1) * per_epoch, recipe.min_steps)
    interval = max(per_epoch, min(50, -(-total // 8)))
    return total, min(recipe.eval_steps or interval, total)
