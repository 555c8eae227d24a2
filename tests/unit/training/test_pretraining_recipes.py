# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The pre-training recipes against the table of docs/specification.md 3.3."""

import pytest

from pixio_hf import PixioConfig
from pixio_hf.training.optimization import absolute_learning_rate
from pixio_hf.training.pretraining_recipes import RECIPES


def configuration(name: str) -> PixioConfig:
    recipe = RECIPES[name]
    names = ("n_cls_tokens", "mask_grid_size", "decoder_num_hidden_layers", "drop_path_rate")
    given = {field: value for field in names if (value := getattr(recipe, field)) is not None}
    return PixioConfig.preset(recipe.preset, **given)


@pytest.mark.parametrize(
    ("name", "preset", "total_batch_size", "max_steps", "warmup_steps"),
    [
        ("h16-imagenet", "pixio-h16", 8192, 642_000, 64_200),
        ("5b16-web", "pixio-5b16", 16_384, 1_284_000, 128_400),
    ],
)
def test_recipes_of_the_paper(name, preset, total_batch_size, max_steps, warmup_steps):
    recipe, config = RECIPES[name], configuration(name)
    assert (recipe.preset, recipe.batch_size, recipe.total_batch_size) == (preset, 64, total_batch_size)
    assert (recipe.max_steps, recipe.warmup_steps, recipe.save_steps) == (max_steps, warmup_steps, 32_100)
    assert absolute_learning_rate(recipe.base_learning_rate, total_batch_size) == pytest.approx(8e-4, rel=1e-12)
    assert (recipe.min_learning_rate, recipe.weight_decay, recipe.num_workers) == (0, 0.05, 6)
    assert (config.drop_path_rate, config.mask_ratio, config.mask_grid_size) == (0.4, 0.75, 4)
    assert (config.n_cls_tokens, config.norm_pix_loss, config.image_size) == (8, True, 256)
    assert recipe.crop_scale_min == 0.2
    decoder = config.decoder_hidden_size, config.decoder_num_hidden_layers, config.decoder_num_attention_heads
    assert decoder == (512, 32, 16)


def test_only_the_web_recipe_curates():
    recipe = RECIPES["5b16-web"]
    assert (recipe.min_histogram_score, recipe.min_resolution, recipe.soft_sampling) == (4.5, 320, True)
    for name in set(RECIPES) - {"5b16-web"}:
        recipe = RECIPES[name]
        assert (recipe.min_histogram_score, recipe.min_resolution, recipe.soft_sampling) == (None, None, False)


def test_ablation_and_baseline():
    ablation, mae = configuration("ablation"), configuration("mae")
    assert (ablation.n_cls_tokens, ablation.mask_grid_size, ablation.decoder_num_hidden_layers) == (4, 2, 32)
    assert (mae.n_cls_tokens, mae.mask_grid_size, mae.decoder_num_hidden_layers) == (1, 1, 8)
    for name in ("ablation", "mae"):
        recipe = RECIPES[name]
        assert (recipe.preset, recipe.max_steps, recipe.total_batch_size) == ("pixio-h16", 400 * 1605, 8192)


def test_tiny_recipe_is_the_preset():
    recipe = RECIPES["tiny"]
    assert configuration("tiny") == PixioConfig.preset("pixio-tiny")
    assert (recipe.max_steps, recipe.warmup_steps, recipe.save_steps) == (6000, 300, 500)
