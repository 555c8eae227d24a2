# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes of distillation, the paper's by the sizes of teacher and student (docs/specification.md 4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .optimization import fit_warmup


@dataclass(frozen=True)
class DistillationRecipe:
    """What differs between pairs of a teacher and a student; the rate is that of a total batch of 256 images."""

    mask_ratio: float
    mask_grid_size: int
    drop_path_rate: float
    max_steps: int
    warmup_steps: float  # below 1: a share of the run
    batch_size: int  # images per process
    base_learning_rate: float


# docs/specification.md 4.3: 400 epochs of 1605 steps, 40 of them warm-up; 128 GPUs of 64 images, at which the rate becomes
# 1e-3.
LARGE_STUDENT = DistillationRecipe(
    mask_ratio=0.5,
    mask_grid_size=4,
    drop_path_rate=0.4,
    max_steps=400 * 1605,
    warmup_steps=40 * 1605,
    batch_size=64,
    base_learning_rate=1e-3 * 256 / 8192,
)
SMALL_STUDENT = replace(LARGE_STUDENT, mask_ratio=0.0, drop_path_rate=0.1)
# Ours: a minute or two on a CPU, for 8 x 8 patches.
TINY_STUDENT = DistillationRecipe(
    mask_ratio=0.0,
    mask_grid_size=2,
    drop_path_rate=0.0,
    max_steps=600,
    warmup_steps=50,
    batch_size=16,
    base_learning_rate=1.6e-2,
)
RECIPES: Mapping[str, DistillationRecipe] = {
    "5b-to-1b": LARGE_STUDENT,
    "5b-to-h": LARGE_STUDENT,
    "5b-to-l": SMALL_STUDENT,
    "5b-to-b": SMALL_STUDENT,
    "tiny": TINY_STUDENT,
}


def choose_recipe(name: str, given: Mapping[str, Any]) -> DistillationRecipe:
    """The named recipe, with given values in place of its own; None and unknown names are ignored.

    Raises:
        ValueError: unknown recipe, or a negative warm-up.
    """
    if name not in RECIPES:
        raise ValueError(f"Unknown recipe {name!r}; choose one of {', '.join(RECIPES)}.")
    names = {item.name for item in fields(DistillationRecipe)}
    changes = {key: value for key, value in given.items() if key in names and value is not None}
    recipe = replace(RECIPES[name], **changes)
    fit_warmup(recipe.warmup_steps, recipe.max_steps)
    return recipe
