# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Recipes of reconstruction, their optimizer groups, and the numbers that a run writes down."""

import pytest
import torch

from pixio_hf import PixioConfig, PixioForReconstruction
from pixio_hf.training.reconstruction_recipes import RECIPES, choose_recipe, reconstruction_groups
from pixio_hf.training.run_log import RunLog
from pixio_hf.visualization.curves import RunRecord, save_curves
from tests.tiny_models import tiny_view_config


def test_the_tiny_recipe_fits_into_twelve_megabytes():
    recipe = RECIPES["tiny-synthetic"]
    with torch.device("meta"):
        model = PixioForReconstruction(PixioConfig.preset("pixio-tiny", **recipe.model_fields))
    assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 11.95e6


def test_given_values_take_the_place_of_the_recipes():
    recipe = choose_recipe(
        "mapanything", {"max_steps": 7, "max_views": None, "learning_rate": 3e-5, "output_dir": "x"}
    )
    assert (recipe.max_steps, recipe.max_views, recipe.learning_rate) == (7, 4, 3e-5)
    with pytest.raises(ValueError, match="give max_steps"):
        choose_recipe("mapanything", {})
    with pytest.raises(ValueError, match="encoder_factor must not be negative"):
        choose_recipe("tiny-synthetic", {"encoder_factor": -1.0})


def test_groups_hold_every_trainable_parameter_once():
    model = PixioForReconstruction(tiny_view_config())
    recipe = choose_recipe("mapanything", {"max_steps": 1})
    groups = reconstruction_groups(model, recipe)
    assert [(group["rate_factor"], group["weight_decay"]) for group in groups] == [
        (1.0, 0.0),
        (1.0, 0.05),
        (0.05, 0.0),
        (0.05, 0.05),
    ]
    counted = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(counted) == sorted(id(parameter) for parameter in model.parameters())
    encoder = {id(parameter) for parameter in model.pixio.parameters()}
    assert {id(p) for group in groups if group["rate_factor"] < 1 for p in group["params"]} == encoder
    assert all(parameter.ndim > 1 for group in groups if group["weight_decay"] for parameter in group["params"])
    model.freeze_encoder()
    assert {group["rate_factor"] for group in reconstruction_groups(model, recipe)} == {1.0}


def test_a_log_goes_on_from_the_step_that_is_resumed(tmp_path):
    log = RunLog(tmp_path / "run" / "train.csv")
    for step in (2, 4, 6):
        log.add(step, {"loss": step / 2, "rate": 1e-3})
    with (tmp_path / "run" / "train.csv").open("a") as opened:
        opened.write("8,3")  # a killed process
    resumed = RunLog(tmp_path / "run" / "train.csv", first_step=4)
    resumed.add(6, {"loss": 9.0, "rate": 1e-3})
    assert [(row["step"], row["loss"]) for row in resumed.read()] == [("2", "1"), ("4", "2"), ("6", "9")]
    assert RunLog(tmp_path / "run" / "train.csv", first_step=0).read() == []


def test_rows_of_a_step_come_once_and_columns_may_be_added(tmp_path):
    log = RunLog(tmp_path / "evaluation.csv")
    log.add(0, {"delta1": 0.5})
    log.add(0, {"delta1": 0.75})
    log.add(3, {"delta1": 0.875, "rmse": 1.0})
    assert log.read() == [{"step": "0", "delta1": "0.75", "rmse": ""}, {"step": "3", "delta1": "0.875", "rmse": "1"}]
    assert RunLog(tmp_path / "evaluation.csv", first_step=0).read() == [], "a run that begins anew"


def test_a_record_goes_on_after_a_resume(tmp_path):
    record = RunRecord(tmp_path, lines={"delta1": 0.4})
    for step in (2, 4):
        record.train(step, {"loss": 1 / step})
        record.evaluate(step, {"delta1": step / 10, "loss": 2.0, "num_images": 8, "name": "kitchen"})
    resumed = RunRecord(tmp_path, first_step=2)
    resumed.train(4, {"loss": 0.5})
    resumed.finish()
    assert [row["step"] for row in resumed.train_log.read()] == ["2", "4"]
    assert [row["step"] for row in resumed.eval_log.read()] == ["2"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    RunRecord(tmp_path / "other", is_writer=False).train(1, {"loss": 1.0})
    assert not (tmp_path / "other").exists()


def test_curves_become_a_picture(tmp_path):
    curves = {"loss": [(1, 2.0), (2, 1.0)], "points_rel": [(2, float("nan"))], "auc": []}
    save_curves(curves, tmp_path / "curves.png", lines={"loss": 1.5})
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
