# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes of pre-training: the paper's two (docs/specification.md 3.3), its ablations', MAE, ours for pixio-tiny."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .optimization import fit_warmup


@dataclass(frozen=True)
class PretrainingRecipe:
    """What differs between pre-trainings; the rate is that of a total batch of 256 images.

    What the paper's recipes have in common is in the presets: mask ratio 0.75, a decoder of 32 blocks of 512.
    """

    preset: str
    dataset: str | None  # None: has to be given
    num_processes: int  # for which the recipe was made; the learning rate follows from the batch in use
    batch_size: int  # images per process and forward pass
    num_workers: int  # per process
    max_steps: int
    warmup_steps: float  # below 1: a share of the run
    save_steps: int
    base_learning_rate: float
    drop_path_rate: float
    shuffle_buffer: int
    crop_scale_min: float = 0.2
    min_learning_rate: float = 0.0
    weight_decay: float = 0.05
    # None: the preset's.
    n_cls_tokens: int | None = None
    mask_ratio: float | None = None
    mask_grid_size: int | None = None
    decoder_hidden_size: int | None = None
    decoder_num_hidden_layers: int | None = None
    decoder_num_attention_heads: int | None = None
    # What data.curation.CurationTests keep (docs/specification.md 3.5).
    min_histogram_score: float | None = None
    min_resolution: int | None = None
    soft_sampling: bool = False

    @property
    def total_batch_size(self) -> int:
        return self.batch_size * self.num_processes


# docs/specification.md 3.3, first column: epochs of 1605 steps; shuffle buffer: docs/specification.md 3.4.
H16_IMAGENET = PretrainingRecipe(
    preset="pixio-h16",
    dataset="timm/imagenet-1k-wds",
    num_processes=128,
    batch_size=64,
    num_workers=6,
    max_steps=400 * 1605,
    warmup_steps=40 * 1605,
    save_steps=20 * 1605,
    base_learning_rate=2.5e-5,
    drop_path_rate=0.4,
    shuffle_buffer=10_000,
)
# docs/specification.md 3.3, second column, with the thresholds of docs/specification.md 3.5.
WEB_5B16 = replace(
    H16_IMAGENET,
    preset="pixio-5b16",
    dataset=None,
    num_processes=256,
    max_steps=800 * 1605,
    warmup_steps=80 * 1605,
    base_learning_rate=1.25e-5,
    min_histogram_score=4.5,
    min_resolution=320,
    soft_sampling=True,
)
# The paper's ablations use smaller mask blocks and fewer class tokens than its final recipe.
ABLATION = replace(H16_IMAGENET, dataset=None, n_cls_tokens=4, mask_grid_size=2)
# MAE, where the paper starts from: single masked patches, one class token, a decoder of 8 blocks.
MAE = replace(ABLATION, n_cls_tokens=1, mask_grid_size=1, decoder_num_hidden_layers=8)
# Ours, for a CPU.
TINY = PretrainingRecipe(
    preset="pixio-tiny",
    dataset="synthetic-rooms",
    num_processes=1,
    batch_size=64,
    num_workers=0,
    max_steps=6000,
    warmup_steps=300,
    save_steps=500,
    base_learning_rate=2.4e-3,
    drop_path_rate=0.0,
    shuffle_buffer=1024,
)
RECIPES: Mapping[str, PretrainingRecipe] = {
    "h16-imagenet": H16_IMAGENET,
    "5b16-web": WEB_5B16,
    "ablation": ABLATION,
    "mae": MAE,
    "tiny": TINY,
}


def choose_recipe(name: str, given: Mapping[str, Any]) -> PretrainingRecipe:
    """The named recipe, with given values in place of its own; None and unknown names are ignored.

    Raises:
        ValueError: unknown recipe, no data set, or a negative warm-up.
    """
    if name not in RECIPES:
        raise ValueError(f"Unknown recipe {name!r}; choose one of {', '.join(RECIPES)}.")
    names = {field.name for field in fields(PretrainingRecipe)}
    changes = {key: value for key, value in given.items() if key in names and value is not None}
    recipe = replace(RECIPES[name], **changes)
    if recipe.dataset is None:
        raise ValueError(f"The recipe {name!r} names no data set; pass one.")
    fit_warmup(recipe.warmup_steps, recipe.max_steps)
    return recipe
