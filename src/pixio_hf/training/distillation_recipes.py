# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes of distillation, the paper's by the sizes of teacher and student (docs/specification.md 4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class DistillationRecipe:
    """What differs between pairs of a teacher and a student; the rate is that of a total batch of 256 images."""

    mask_ratio: float
    mask_grid_size: int
    drop_path_rate: float
    num_steps: int
    warmup_steps: int
    batch_size: int  # images per process
    base_learning_rate: float


# docs/specification.md 4.3: 400 epochs of 1605 steps, 40 of them warm-up; 128 GPUs of 64 images, at which the rate becomes
# 1e-3.
LARGE_STUDENT = DistillationRecipe(
    mask_ratio=0.5,
    mask_grid_size=4,
    drop_path_rate=0.4,
    num_steps=400 * 1605,
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
    num_steps=600,
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
