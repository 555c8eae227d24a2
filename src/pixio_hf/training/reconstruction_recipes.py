# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes of feed-forward 3D reconstruction: MapAnything's public ablation, and ours for pixio-tiny-3d."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import nn

from .optimization import fit_warmup, weight_decay_groups


@dataclass(frozen=True)
class ReconstructionRecipe:
    """What differs between runs. Rates are absolute; batches count pictures, since the number of views varies."""

    encoder: str | None  # None: has to be given, or a whole model
    model_fields: Mapping[str, Any]  # of PixioConfig, for a new model
    image_size: int | None  # of synthetic scenes; folders have sizes of their own
    num_processes: int  # that the recipe was made for
    images_per_batch: int  # per process
    min_views: int
    max_views: int
    max_steps: int | None  # None: has to be given
    warmup_steps: float  # below 1: a share of the run
    learning_rate: float
    encoder_factor: float  # of the learning rate
    final_factor: float  # of the learning rate, at the last step
    weight_decay: float
    loss_preset: str = "overall"
    max_grad_norm: float = 1.0
    max_loss: float = 1000.0  # a run stops above it
    dense_divisor: int = 1  # the dense head predicts at the picture's size over this
    mirror: bool = False


# docs/specification_reconstruction.md 9: 5 of 50 epochs of warm-up over 13 data sets; how many steps that is, is unknown.
MAPANYTHING = ReconstructionRecipe(
    encoder=None,
    model_fields={},
    image_size=None,
    num_processes=16,
    images_per_batch=24,
    min_views=2,
    max_views=4,
    max_steps=None,
    warmup_steps=0.1,
    learning_rate=1e-4,
    encoder_factor=0.05,
    final_factor=0.01,
    weight_decay=0.05,
)
# Ours, for a CPU: with the encoder, less than 12 MB in bfloat16.
TINY_FIELDS: Mapping[str, Any] = {
    "view_hidden_size": 96,
    "view_num_hidden_layers": 6,
    "view_num_attention_heads": 4,
    "view_taps": (1, 3),
    "reconstruction_neck_hidden_sizes": (16, 24, 32, 48),
    "reconstruction_fusion_hidden_size": 24,
    "pose_hidden_size": 96,
    "scale_hidden_size": 32,
}
TINY = ReconstructionRecipe(
    encoder="pixio-tiny-depth",
    model_fields=TINY_FIELDS,
    image_size=128,
    num_processes=1,
    images_per_batch=32,
    min_views=2,
    max_views=2,
    max_steps=20_000,
    warmup_steps=0.025,
    learning_rate=1e-3,
    encoder_factor=0.3,
    final_factor=0.01,
    weight_decay=0.05,
    dense_divisor=2,
    mirror=True,
)
RECIPES: Mapping[str, ReconstructionRecipe] = {"mapanything": MAPANYTHING, "tiny-synthetic": TINY}


def choose_recipe(name: str, given: Mapping[str, Any]) -> ReconstructionRecipe:
    """The named recipe, with given values in place of its own; None and unknown names are ignored.

    Raises:
        ValueError: unknown recipe, no number of steps, or values out of range.
    """
    if name not in RECIPES:
        raise ValueError(f"Unknown recipe {name!r}; choose one of {', '.join(RECIPES)}.")
    names = {item.name for item in fields(ReconstructionRecipe)}
    recipe = replace(
        RECIPES[name], **{key: value for key, value in given.items() if key in names and value is not None}
    )
    if recipe.max_steps is None:
        raise ValueError(
            f"The recipe {name!r} counts 50 epochs of its own 13 data sets: give max_steps, the optimizer steps."
        )
    fit_warmup(recipe.warmup_steps, recipe.max_steps)
    for part in ("learning_rate", "max_grad_norm", "max_loss"):
        if not getattr(recipe, part) > 0:
            raise ValueError(f"{part} must be above 0, got {getattr(recipe, part)}.")
    for part in ("encoder_factor", "final_factor", "weight_decay"):
        if not getattr(recipe, part) >= 0:
            raise ValueError(f"{part} must not be negative, got {getattr(recipe, part)}.")
    return recipe


def reconstruction_groups(model: nn.Module, recipe: ReconstructionRecipe) -> list[dict[str, Any]]:
    """Optimizer groups of the trainable parameters: encoder and rest, each without and with weight decay.

    `rate_factor` of a group times the schedule's rate is its learning rate.
    """
    groups = []
    for is_encoder, factor in ((False, 1.0), (True, recipe.encoder_factor)):
        chosen = [item for item in model.named_parameters() if item[0].startswith("pixio.") == is_encoder]
        for group in weight_decay_groups(chosen, recipe.weight_decay):
            if group["params"]:
                groups.append({**group, "lr": 0.0, "rate_factor": factor})
    return groups
