# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Mask noise, throughput, trackers and the check of the number of processes."""

import itertools
import types

import pytest
import torch

from pixio_hf.data.streaming.mask_noise import draw_mask_noise
from pixio_hf.training import monitoring
from pixio_hf.training.distributed import check_num_processes
from pixio_hf.training.monitoring import ThroughputMeter, choose_tracker
from pixio_hf.training.pretraining_recipes import RECIPES, choose_recipe


def test_mask_noise_belongs_to_the_sample():
    seeds = list(range(100, 164))
    noise = draw_mask_noise(seeds, 16)
    assert noise.shape == (64, 16)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert torch.equal(draw_mask_noise(seeds[40:], 16), noise[40:])
    assert len({tuple(row) for row in noise.tolist()}) == 64
    assert noise.mean() == pytest.approx(0.5, abs=0.03)
    assert torch.corrcoef(noise.T).fill_diagonal_(0).abs().max() < 0.5
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    draw_mask_noise(seeds, 16)
    assert torch.equal(torch.rand(5), expected), "the global random state must not move"


def test_mask_noise_is_not_the_draw_of_the_crop():
    seed = 1234
    crop_draw = torch.rand(16, generator=torch.Generator().manual_seed(seed))
    assert not torch.isclose(draw_mask_noise([seed], 16)[0], crop_draw).any()


def test_throughput_counts_images_and_waiting(monkeypatch):
    """Batches that take 1 s to arrive and 3 s to train on, 8 images each."""
    times = iter([0, 0, 1, 4, 5, 8, 8, 10, 12, 14, 14])
    clock = types.SimpleNamespace(perf_counter=lambda: float(next(times)))
    monkeypatch.setattr(monitoring, "time", clock)
    meter, batches = ThroughputMeter(images_per_batch=8), itertools.count()
    assert [meter.next_batch(batches), meter.next_batch(batches)] == [0, 1]
    assert meter.read() == {"images_per_second": 2.0, "data_wait_share": 0.25}
    meter.next_batch(batches)
    assert meter.read() == {"images_per_second": pytest.approx(8 / 6), "data_wait_share": pytest.approx(2 / 6)}


def test_trackers():
    assert choose_tracker("none") is None
    assert choose_tracker("tensorboard") == "tensorboard"
    with pytest.raises(ValueError, match=r"'no-such-tracker'.*not installed.*tensorboard.*, none"):
        choose_tracker("no-such-tracker")
    with pytest.raises(ValueError, match=r"'dvclive': it is not installed \(pip install dvclive\)"):
        choose_tracker("dvclive")


def test_processes_that_accelerate_does_not_know_of(monkeypatch):
    alone = types.SimpleNamespace(num_processes=1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=r"2 processes were launched.*ACCELERATE_USE_CPU=true"):
        check_num_processes(alone)  # pyright: ignore[reportArgumentType]
    monkeypatch.delenv("WORLD_SIZE")
    check_num_processes(alone)  # pyright: ignore[reportArgumentType]


def test_given_values_replace_those_of_a_recipe():
    given = {"batch_size": 8, "num_workers": None, "drop_path_rate": 0.0, "output_dir": "elsewhere", "dataset": "here"}
    recipe = choose_recipe("5b16-web", given)
    assert (recipe.batch_size, recipe.num_workers, recipe.drop_path_rate, recipe.dataset) == (8, 6, 0.0, "here")
    assert recipe.base_learning_rate == RECIPES["5b16-web"].base_learning_rate


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("h15", {}, "Unknown recipe 'h15'; choose one of h16-imagenet"),
        ("mae", {}, "names no data set"),
        (
            "tiny",
            {"warmup_steps": -1},
            "warmup_steps must be a number of steps, or a share of the run below 1; got -1",
        ),
    ],
)
def test_bad_recipes(name, given, message):
    with pytest.raises(ValueError, match=message):
        choose_recipe(name, given)
