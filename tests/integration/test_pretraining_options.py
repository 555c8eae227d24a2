# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Warm start, curation and trackers of the pre-training script."""

import PIL.Image
import pytest
import torch

from pixio_hf import PixioForPreTraining, PixioModel, bundled_checkpoint
from pixio_hf.training.pretraining_recipes import choose_recipe
from tests.integration.test_examples import PRETRAIN, load_script, reset_accelerate
from tests.tiny_models import randomize_weights, tiny_config


@pytest.fixture
def pretrain(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    reset_accelerate()
    yield load_script(PRETRAIN)
    reset_accelerate()


@pytest.mark.parametrize("kind", [PixioModel, PixioForPreTraining])
def test_warm_start_tells_which_weights_are_new(pretrain, tmp_path, kind):
    start = randomize_weights(kind(tiny_config(n_cls_tokens=3)))
    start.save_pretrained(tmp_path)
    arguments = pretrain.PretrainingArguments(output_dir="unused", model=str(tmp_path), mask_ratio=0.5)
    model, told = pretrain.build_model(arguments, choose_recipe("tiny", {"mask_ratio": 0.5, "drop_path_rate": 0.2}))
    encoder = start.state_dict() if kind is PixioModel else start.pixio.state_dict()
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in model.pixio.state_dict().items())
    assert (model.config.n_cls_tokens, model.config.mask_ratio, model.config.drop_path_rate) == (3, 0.5, 0.2)
    new = sorted(f"decoder.{name}" for name in model.decoder.state_dict()) if kind is PixioModel else ["none"]
    assert told == f"Weights from {tmp_path}; new ones: {', '.join(new)}; not used: none."


def test_warm_start_from_a_bundled_model(pretrain):
    arguments = pretrain.PretrainingArguments(output_dir="unused", model="pixio-tiny")
    model, told = pretrain.build_model(arguments, choose_recipe("tiny", {}))
    start = PixioForPreTraining.from_pretrained(bundled_checkpoint("pixio-tiny"), dtype=torch.float32).state_dict()
    assert all(torch.equal(tensor, start[name]) for name, tensor in model.state_dict().items())
    assert told == "Weights from pixio-tiny; new ones: none; not used: none."
    arguments = pretrain.PretrainingArguments(output_dir="unused", model="pixio-huge")
    with pytest.raises(ValueError, match=r"No folder, Hub id .* or bundled checkpoint 'pixio-huge'"):
        pretrain.build_model(arguments, choose_recipe("tiny", {}))


def test_a_recipe_that_curates_asks_for_statistics_before_it_builds_a_model(pretrain, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "build_model", None)
    arguments = {"output_dir": str(tmp_path / "run"), "recipe": "5b16-web", "dataset": str(tmp_path)}
    with pytest.raises(ValueError, match=r"need statistics: name the folder that curate.py wrote"):
        pretrain.main(pretrain.PretrainingArguments(**arguments))
    with pytest.raises(ValueError, match=r"'wandb-of-old'.*not installed"):
        pretrain.main(pretrain.PretrainingArguments(str(tmp_path / "run"), report_to="wandb-of-old"))


@pytest.mark.slow
def test_run_without_a_tracker_prints_its_settings_and_draws_panels(pretrain, tmp_path, capsys):
    arguments = {"report_to": "none", "panel_steps": 1, "logging_steps": 1, "smoke": True, "recipe": "mae"}
    pretrain.main(pretrain.PretrainingArguments(str(tmp_path / "run"), **arguments))
    printed = capsys.readouterr().out
    for setting in ("recipe mae", "mask_grid_size 1", "n_cls_tokens 1", "total_batch_size 4", "learning_rate 3.9"):
        assert setting in printed
    assert not (tmp_path / "run" / "pretraining").exists()
    with PIL.Image.open(tmp_path / "run" / "panels" / "step-0000002.png") as panel:
        assert panel.format == "PNG"
        assert panel.width < panel.height, "four rows of three pictures"
