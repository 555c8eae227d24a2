# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes, rates by depth, averages, best weights, adapters and cards of fine-tuning."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn
from torch.utils.data import DataLoader

from pixio_hf import PixioForDepthEstimation
from pixio_hf.bundled import bundled_checkpoint
from pixio_hf.finetuning.adapters import add_lora
from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.best_checkpoint import BestWeights, save_final_model, trained_state
from pixio_hf.finetuning.recipes import (
    DEPTH_RECIPES,
    SEGMENTATION_RECIPES,
    choose_recipe,
    count_steps,
    share_batch,
)
from pixio_hf.model_cards.finetuned_card import FineTuning, render_finetuned_card
from pixio_hf.model_cards.licences import META_LICENCE, check_licence, inherited_licence
from pixio_hf.training.checkpointing import check_same_run
from pixio_hf.training.distributed import synchronize_batch_norm
from pixio_hf.training.ema import WeightAverage
from pixio_hf.training.optimization import encoder_and_head_groups
from tests.tiny_models import assert_same_state, random_images, randomize_weights, read_weights, tiny_config

RUN = FineTuning(
    kind="depth",
    base_model=None,
    dataset="nyuv2",
    metrics={"delta1": 0.9137219, "rmse": 0.40012, "num_images": 654},
    settings={"head_type": "dpt"},
    protocol="native size",
)


# Recipes


@pytest.mark.parametrize(
    ("name", "rate", "batch"),
    [
        ("ade20k-dpt", 1e-4, 16),
        ("ade20k-linear", 2e-4, 16),
        ("voc-dpt", 1e-4, 32),
        ("voc-linear", 2e-4, 32),
        ("loveda-dpt", 2e-4, 8),
        ("loveda-linear", 4e-4, 8),
    ],
)
def test_segmentation_recipes_of_the_paper(name, rate, batch):
    recipe = SEGMENTATION_RECIPES[name]
    assert (recipe.learning_rate, recipe.total_batch_size, recipe.warmup_steps) == (rate, batch, 0.0)
    assert (recipe.num_epochs, recipe.crop_size, recipe.weight_decay, recipe.freeze_encoder) == (60, 256, 0.01, True)
    assert name == f"{recipe.protocol}-{recipe.head_type}"


@pytest.mark.parametrize(("data", "max_depth"), [("nyuv2", 10), ("kitti", 80)])
@pytest.mark.parametrize(("head", "rate"), [("dpt", 1e-4), ("linear", 2e-4)])
def test_depth_recipes_of_the_paper(data, max_depth, head, rate):
    recipe = DEPTH_RECIPES[f"{data}-{head}"]
    assert (recipe.head_type, recipe.learning_rate, recipe.max_depth, recipe.protocol) == (head, rate, max_depth, data)
    assert (recipe.total_batch_size, recipe.warmup_steps, recipe.whole_images) == (32, 0.1, False)
    assert recipe.freeze_encoder
    assert recipe.max_grad_norm == 0


def test_given_arguments_win():
    args = SimpleNamespace(learning_rate=3e-4, freeze_encoder=False, head_type=None, max_steps=7)
    recipe = choose_recipe(DEPTH_RECIPES, "kitti-dpt", args)
    expected = {"learning_rate": 3e-4, "freeze_encoder": False, "max_steps": 7, "num_epochs": None}
    assert recipe == replace(DEPTH_RECIPES["kitti-dpt"], **expected)
    assert choose_recipe(DEPTH_RECIPES, "tiny-synthetic", SimpleNamespace(num_epochs=3)).max_steps is None


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("nyu", {}, "Unknown recipe 'nyu'; choose one of nyuv2-dpt"),
        ("nyuv2-dpt", {"layer_decay": 1.5}, "layer_decay must lie in"),
        ("nyuv2-dpt", {"learning_rate": 0.0}, "learning_rate must be positive"),
        ("nyuv2-dpt", {"num_epochs": 2, "max_steps": 5}, "not both"),
    ],
)
def test_recipes_that_make_no_sense(name, given, message):
    with pytest.raises(ValueError, match=message):
        choose_recipe(DEPTH_RECIPES, name, SimpleNamespace(**given))


def test_arguments_that_contradict_each_other():
    with pytest.raises(ValueError, match="encoder's own weights stay frozen"):
        FineTuningArguments("depth", "runs", lora_rank=4, freeze_encoder=False)
    with pytest.raises(ValueError, match="ema_decay"):
        FineTuningArguments("depth", "runs", ema_decay=1.0)


def test_the_total_batch_is_shared():
    assert share_batch(32, 8) == (4, 1)  # the paper's 8 GPUs
    assert share_batch(32, 1) == (32, 1)
    assert share_batch(32, 2, batch_size=4) == (4, 4)
    assert share_batch(32, 1, accumulation_steps=8) == (4, 8)
    assert share_batch(32, 2, 3, 5) == (3, 5)
    for options in ({"num_processes": 3}, {"num_processes": 1, "batch_size": 5}):
        with pytest.raises(ValueError, match="cannot be shared"):
            share_batch(32, **options)


def test_number_of_steps():
    recipe = DEPTH_RECIPES["nyuv2-dpt"]
    assert count_steps(recipe, 24_231, 32) == (60 * 757, 757)
    assert count_steps(replace(recipe, max_steps=100), 24_231, 32) == (100, 100)
    with pytest.raises(ValueError, match="5 training images are fewer"):
        count_steps(recipe, 5, 32)


# Rates by depth


@pytest.mark.parametrize("with_adapters", [False, True])
def test_rates_fall_with_depth(with_adapters):
    if with_adapters:
        pytest.importorskip("peft")
    model = PixioForDepthEstimation(tiny_config())
    trained = add_lora(model, 2) if with_adapters else model
    groups = encoder_and_head_groups(trained, 1e-3, 1e-2, layer_decay=0.5)
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    expected = {"head.": 1e-2, "layers.0.": 1e-3 / 16, "layers.1.": 1e-3 / 8, "layers.3.": 1e-3 / 2}
    expected |= {} if with_adapters else {"embeddings.": 1e-3 / 32, "pixio.layernorm.": 1e-3}
    for part, rate in expected.items():
        found = {
            rates[id(parameter)]
            for name, parameter in trained.named_parameters()
            if part in name and parameter.requires_grad
        }
        assert found == {rate}, part
    assert len(rates) == sum(parameter.requires_grad for parameter in trained.parameters())


# Averages and best weights


def test_average_follows_its_formula_and_leaves_the_weights_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1).requires_grad_(False))
    average = WeightAverage(model, 0.9)
    history = []
    for _ in range(4):
        with torch.no_grad():
            model[0].weight.add_(torch.randn(2, 3))
        average.update()
        history.append(model[0].weight.detach().clone())
    expected = history[0]
    for weight in history[1:]:
        expected = 0.9 * expected + 0.1 * weight
    with average.applied():
        torch.testing.assert_close(model[0].weight.detach(), expected)
    assert torch.equal(model[0].weight, history[-1])
    assert len(list(average.average.parameters())) == 2  # nothing frozen is copied
    other = WeightAverage(model, 0.9)
    other.load_state_dict(average.state_dict())
    with other.applied():
        torch.testing.assert_close(model[0].weight.detach(), expected)
    assert int(other.average.n_averaged) == 4


def test_best_weights(tmp_path):
    model = randomize_weights(PixioForDepthEstimation(tiny_config(head_type="linear")))
    model.freeze_encoder()
    best = BestWeights(tmp_path / "best", "rmse", greater_is_better=False)
    assert best.read() is None
    assert not best.offer(1, {"rmse": float("nan")}, model)
    assert best.offer(2, {"rmse": 1.0}, model)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    names = read_weights(tmp_path / "best").keys()
    assert names == trained_state(model).keys()
    assert all(name.startswith("head.") for name in names)
    assert "head.batch_norm.running_mean" in names
    randomize_weights(model.head, seed=5)
    assert not best.offer(3, {"rmse": 1.0}, model)
    assert not best.offer(4, {"rmse": 1.5}, model)
    assert BestWeights(tmp_path / "best", "rmse").read() == {"step": 2, "metrics": {"rmse": 1.0}}
    best.load_into(model)
    assert_same_state(model.state_dict(), kept)
    with pytest.raises(ValueError, match="another run"):
        best.load_into(PixioForDepthEstimation(tiny_config(head_type="linear")))
    with pytest.raises(ValueError, match="no metric 'rmse', only delta1"):
        best.offer(5, {"delta1": 1.0}, model)


# Adapters


def test_adapters_are_merged_and_kept(tmp_path):
    peft = pytest.importorskip("peft")
    base = randomize_weights(PixioForDepthEstimation(tiny_config(head_type="linear")))
    base.save_pretrained(tmp_path / "base")
    trained = add_lora(base, rank=4, targets=["q_proj", "fc1"])
    trainable = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or "head" in name for name in trainable)
    assert any("fc1.lora_A" in x for x in trainable)
    randomize_weights(trained.base_model.model.head.modules_to_save, seed=3)
    with torch.no_grad():
        for name, parameter in trained.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    images = random_images()
    with torch.no_grad():
        expected = trained(images).predicted_depth
        assert not torch.allclose(expected, PixioForDepthEstimation.from_pretrained(tmp_path / "base")(images)[0])
    best = BestWeights(tmp_path / "best", "delta1")
    best.offer(1, {"delta1": 0.5}, trained)
    save_final_model(trained, best, tmp_path, SimpleNamespace(save_pretrained=lambda folder: None), torch.float32)
    merged, info = PixioForDepthEstimation.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    adapted = peft.PeftModel.from_pretrained(
        PixioForDepthEstimation.from_pretrained(tmp_path / "base"), tmp_path / "adapter"
    )
    with torch.no_grad():
        torch.testing.assert_close(merged.eval()(images).predicted_depth, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(adapted.eval()(images).predicted_depth, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="No linear of the encoder is called query"):
        add_lora(PixioForDepthEstimation(tiny_config()), 2, targets=["query"])


# Distributed BatchNorm, order of batches, folders


def test_batch_norm_is_synchronised_on_gpus_only(monkeypatch):
    model = PixioForDepthEstimation(tiny_config(head_type="linear"))
    names = list(model.state_dict())
    messages = []
    monkeypatch.setattr(
        logging.getLogger("pixio_hf.training.distributed"), "warning", lambda text, *args: messages.append(text)
    )
    synchronize_batch_norm(model, "cpu", 1)
    synchronize_batch_norm(model, "cpu", 2)
    assert type(model.head.batch_norm) is nn.BatchNorm2d
    assert "not synchronised on cpu" in messages[0]
    synchronize_batch_norm(model, "cuda", 2)
    assert type(model.head.batch_norm) is nn.SyncBatchNorm
    assert list(model.state_dict()) == names


def test_batches_go_on_where_they_stopped(monkeypatch):
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

    from pixio_hf.finetuning.samplers import endless_batches
    from tests.integration.test_examples import reset_accelerate

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    reset_accelerate()
    accelerator = Accelerator(dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=3))

    def take(first: int, count: int) -> list[list[int]]:
        dataset = list(range(7))
        loader = accelerator.prepare(DataLoader(dataset, 2, shuffle=True, drop_last=True))
        batches = endless_batches(loader, dataset, first)
        return [next(batches).tolist() for _ in range(count)]

    whole = take(0, 9)
    assert whole[:3] != whole[3:6] != whole[6:]
    for first in (1, 3, 5, 6):
        assert take(first, 9 - first) == whole[first:]
    reset_accelerate()


def test_another_run_is_not_continued(tmp_path):
    check_same_run(tmp_path / "run", {"learning_rate": 1e-4, "targets": ("q", "v")})
    check_same_run(tmp_path / "run", {"learning_rate": 1e-4, "targets": ("q", "v")})
    with pytest.raises(ValueError, match=r"another run \(learning_rate: 0.0001 -> 0.001\)"):
        check_same_run(tmp_path / "run", {"learning_rate": 1e-3, "targets": ("q", "v")})


# Cards


def test_licences_are_inherited(tmp_path):
    assert inherited_licence(None).identifier == "apache-2.0"
    assert inherited_licence(bundled_checkpoint("pixio-tiny")).identifier == "apache-2.0"
    assert inherited_licence("facebook/pixio-vith16").name == META_LICENCE
    assert inherited_licence(str(tmp_path)).name == META_LICENCE  # nobody has said otherwise
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n\n# Mine\n")
    assert inherited_licence(str(tmp_path)).identifier == "cc-by-4.0"


@pytest.mark.parametrize("base", [None, "facebook/pixio-vitb16"])
def test_card_of_a_finetuned_model(base, tmp_path):
    text = render_finetuned_card(tiny_config(), replace(RUN, base_model=base, num_training_images=48), "owner/depth")
    data = ModelCard(text).data
    assert [(result.metric_type, result.metric_value) for result in data.eval_results or []] == [
        ("delta1", 0.914),
        ("rmse", 0.4),
    ]
    assert data.base_model == base
    assert data.license == ("other" if base else "apache-2.0")
    assert "| head_type | `dpt` |" in text
    assert "| RMSE (m) | 0.4 |" in text
    assert "None" not in text
    assert "It saw 48 training images." in text
    assert "0.91372" not in text
    (tmp_path / "README.md").write_text(text)
    check_licence(tmp_path / "README.md", is_converted=False)


def test_card_names_no_folder_of_this_machine():
    text = render_finetuned_card(tiny_config(), replace(RUN, base_model=bundled_checkpoint("pixio-tiny")), "depth")
    assert "Training began with pixio-tiny." in text
    assert "assets" not in text
