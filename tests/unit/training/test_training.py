# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Schedules and parameter groups against golden vectors; data order and pictures of a run."""

import io
from collections import Counter
from itertools import chain

import PIL.Image
import pytest
import torch
from torch import nn
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from pixio_hf import PixioForDepthEstimation, PixioForPreTraining, PixioModel
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state
from pixio_hf.finetuning.samplers import shuffled_batches
from pixio_hf.training.optimization import (
    absolute_learning_rate,
    encoder_and_head_groups,
    fit_warmup,
    warmup_cosine,
    warmup_polynomial,
    weight_decay_groups,
)
from pixio_hf.visualization.reconstruction import draw_training_images, mask_image, picture_reconstruction
from tests.golden import load_case
from tests.tiny_models import block_noise, randomize_weights, tiny_config

# Schedules


@pytest.mark.parity
@pytest.mark.parametrize("name", ["pretrain", "pretrain_alt"])
def test_pretraining_schedule(name):
    case = load_case("lr_schedules")
    recipe = case.config[name]
    rates = [
        warmup_cosine(epoch, recipe["lr"], recipe["min_lr"], recipe["warmup_epochs"], recipe["epochs"])
        for epoch in case.tensors[f"{name}.epoch"].tolist()
    ]
    case.assert_close(f"{name}.lr", torch.tensor(rates, dtype=torch.float64))


@pytest.mark.parity
@pytest.mark.parametrize("name", ["depth", "depth_alt", "seg"])
def test_dense_schedules(name):
    """The rate that the original computes; that its step i runs with the rate of step i - 1 is not imitated."""
    case = load_case("lr_schedules")
    recipe = case.config[name]
    total_steps = recipe["epochs"] * recipe["iters_per_epoch"]
    rates = [
        warmup_polynomial(step, recipe["lr"], recipe.get("warmup_iters", 0), total_steps)
        for step in range(total_steps)
    ]
    case.assert_close(f"{name}.lr_computed", torch.tensor(rates, dtype=torch.float64))


def test_schedules_at_their_corners():
    assert warmup_cosine(0, 1e-3, 1e-5, 5, 50) == 0
    assert warmup_cosine(5, 1e-3, 1e-5, 5, 50) == pytest.approx(1e-3, rel=1e-12)
    assert warmup_cosine(50, 1e-3, 1e-5, 5, 50) == pytest.approx(1e-5, rel=1e-12)
    assert warmup_polynomial(0, 1e-3, 10, 100) == 0
    assert warmup_polynomial(10, 1e-3, 10, 100) == 1e-3
    assert warmup_polynomial(100, 1e-3, 10, 100) == 0


def test_absolute_rate_of_the_papers_recipes():
    assert absolute_learning_rate(2.5e-5, 8192) == pytest.approx(8e-4)
    assert absolute_learning_rate(1.25e-5, 16384) == pytest.approx(8e-4)


# Parameter groups


class Distilled(nn.Module):
    """Encoder and projection of the distilled student, under the original's name for the projection."""

    def __init__(self):
        super().__init__()
        self.pixio = PixioModel(tiny_config(num_hidden_layers=2))
        self.last_proj = nn.Sequential(nn.Linear(32, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 8))


def reference_names(model: nn.Module, parameters: list[nn.Parameter]) -> list[str]:
    """Original names of some parameters, sorted; a fused query, key and value counts once."""
    chosen = {id(parameter) for parameter in parameters}
    named = {name: tensor for name, tensor in model.named_parameters() if id(tensor) in chosen}
    assert len(named) == len(parameters)
    own = [name for name in named if name.startswith("last_proj.")]
    mapped = {memory_to_hub_name(name): tensor for name, tensor in named.items() if name not in own}
    return sorted([*hub_to_reference_state(mapped), *own])


@pytest.mark.parity
@pytest.mark.parametrize("name", ["pretrain", "distill_student"])
def test_weight_decay_groups(name):
    expected = load_case("param_groups").values[name]
    model = PixioForPreTraining(tiny_config(decoder_num_hidden_layers=3)) if name == "pretrain" else Distilled()
    without_decay, with_decay = weight_decay_groups(model.named_parameters(), 0.05)
    assert [without_decay["weight_decay"], with_decay["weight_decay"]] == [0.0, 0.05]
    assert reference_names(model, without_decay["params"]) == sorted(expected["no_decay"])
    assert reference_names(model, with_decay["params"]) == sorted(expected["decay"])


def test_frozen_parameters_are_in_no_group():
    model = PixioForDepthEstimation(tiny_config())
    everything = sum(1 for _ in model.parameters())
    assert sum(len(group["params"]) for group in weight_decay_groups(model.named_parameters(), 0.1)) == everything
    model.freeze_encoder()
    head = {id(parameter) for parameter in model.head.parameters()}
    for groups in (weight_decay_groups(model.named_parameters(), 0.1), encoder_and_head_groups(model, 1e-4, 1e-3)):
        assert {id(parameter) for group in groups for parameter in group["params"]} == head


def test_rates_of_encoder_and_head():
    model = PixioForDepthEstimation(tiny_config())
    head, encoder = encoder_and_head_groups(model, encoder_learning_rate=1e-4, head_learning_rate=1e-3)
    assert (head["lr"], encoder["lr"]) == (1e-3, 1e-4)
    assert {id(parameter) for parameter in head["params"]} == {id(parameter) for parameter in model.head.parameters()}
    assert {id(parameter) for parameter in encoder["params"]} == {
        id(parameter) for parameter in model.pixio.parameters()
    }


# Order of the data


def test_epochs_are_permutations_that_differ():
    batches = list(shuffled_batches(num_samples=12, batch_size=4, num_steps=6, seed=3))
    epochs = [list(chain(*batches[:3])), list(chain(*batches[3:]))]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]
    assert epochs[0] != list(range(12))


@pytest.mark.parametrize(("num_samples", "batch_size"), [(10, 4), (3, 8), (7, 7), (1, 2)])
def test_batches_span_epochs_and_leave_nothing_out(num_samples, batch_size):
    batches = list(shuffled_batches(num_samples, batch_size, num_steps=10, seed=1))
    assert len(batches) == 10
    assert {len(batch) for batch in batches} == {batch_size}
    seen = list(chain(*batches))
    for start in range(0, len(seen) - num_samples + 1, num_samples):
        assert sorted(seen[start : start + num_samples]) == list(range(num_samples))
    counts = Counter(seen)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_length_of_a_run_and_global_random_numbers_do_not_change_the_order():
    short = list(shuffled_batches(10, 4, 5, seed=7))
    torch.manual_seed(123)
    assert list(shuffled_batches(10, 4, 50, seed=7))[:5] == short
    assert list(shuffled_batches(10, 4, 5, seed=8)) != short


@pytest.mark.parametrize(("num_samples", "batch_size"), [(0, 4), (4, 0), (4, -1)])
def test_nothing_to_sample(num_samples, batch_size):
    with pytest.raises(ValueError, match="at least one sample and a positive batch size"):
        list(shuffled_batches(num_samples, batch_size, 10))


@pytest.mark.parametrize(
    ("asked", "num_steps", "steps", "is_told"),
    [
        (300, 6000, 300, False),
        (300, 600, 300, False),
        (300, 599, 59, True),
        (300, 2, 0, True),
        (0, 2, 0, False),
        (1, 2, 1, False),
        (0.1, 2, 0, False),
        (0.1, 500, 50, False),
    ],
)
def test_warmup_fits_into_short_runs(asked, num_steps, steps, is_told):
    told = []
    assert fit_warmup(asked, num_steps, told.append) == steps
    assert bool(told) == is_told
    rates = [warmup_cosine(step, 1.0, 0.0, steps, num_steps) for step in range(num_steps)]
    assert max(rates) > 0


def test_warmup_of_nonsense_is_refused():
    for asked in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="warmup_steps must be a number of steps, or a share"):
            fit_warmup(asked, 100)


# Pictures


@torch.no_grad()
def test_reconstruction_panel():
    model = randomize_weights(PixioForPreTraining(tiny_config()))
    images = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    pixel_values = (images / 255 - mean) / std
    outputs = model(pixel_values, noise=block_noise(3))
    pictures = [torch.from_numpy(part) for part in picture_reconstruction(model, pixel_values, outputs)]
    for row in range(3):
        original, seen, rebuilt = (part[row].permute(2, 0, 1) for part in pictures)
        assert torch.equal(original.long(), images[row])
        hidden = outputs.mask[row].reshape(4, 4).repeat_interleave(16, 0).repeat_interleave(16, 1).bool()
        assert 0 < hidden.float().mean() < 1
        assert (seen[:, hidden] == 128).all()
        assert torch.equal(seen[:, ~hidden], original[:, ~hidden])
        assert torch.equal(rebuilt[:, ~hidden], original[:, ~hidden])
        expected = model.reconstruct(outputs, pixel_values)[row].mul(255).round()
        assert torch.equal(rebuilt.float(), expected)
        assert not torch.equal(rebuilt[:, hidden], original[:, hidden])
    drawn = draw_training_images(model, pixel_values, outputs, step=7, num_images=2)
    assert drawn == draw_training_images(model, pixel_values, outputs, step=7, num_images=2)
    with PIL.Image.open(io.BytesIO(drawn)) as picture:
        assert picture.format == "PNG"
        assert picture.width > 3 * 64


def test_masked_patches_are_grey():
    images = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[0, 1, 0, 0, 0, 1]])
    shown = mask_image(images, mask, 16, fill=0.25)
    assert (shown[:, :, :16, 16:32] == 0.25).all()
    assert (shown[:, :, 16:, 32:] == 0.25).all()
    kept = torch.ones(32, 48, dtype=torch.bool)
    kept[:16, 16:32] = kept[16:, 32:] = False
    assert torch.equal(shown[..., kept], images[..., kept])
