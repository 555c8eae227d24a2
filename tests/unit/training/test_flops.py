# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The formula of a pre-training step's operations against torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from pixio_hf import PixioForPreTraining
from pixio_hf.training.monitoring import pretraining_flops
from tests.tiny_models import random_images, tiny_config


def count_step(config, batch_size: int) -> int:
    torch.manual_seed(0)
    model = PixioForPreTraining(config).train()
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        model(random_images(batch_size)).loss.backward()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mask_ratio": 0.5, "mask_grid_size": 1, "n_cls_tokens": 1},
        {"hidden_size": 48, "num_hidden_layers": 2, "decoder_hidden_size": 32, "decoder_num_hidden_layers": 3},
        {"image_size": 64, "patch_size": 8, "mlp_ratio": 3, "mask_grid_size": 4},
    ],
)
def test_formula_equals_the_counter(changes):
    config = tiny_config(**changes)
    assert count_step(config, 2) == 2 * pretraining_flops(config)


def test_stochastic_depth_saves_what_the_formula_says():
    config = tiny_config(drop_path_rate=0.6, num_hidden_layers=8)
    whole = pretraining_flops(tiny_config(num_hidden_layers=8))
    assert pretraining_flops(config) < 0.85 * whole
    assert count_step(config, 256) == pytest.approx(256 * pretraining_flops(config), rel=0.02)
