# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The bundled model of reconstruction, once it is there, and its card, which is rendered from numbers."""

import pytest
import torch
from typer.testing import CliRunner

from pixio_hf import PixioForReconstruction, PixioImageProcessor, bundled_checkpoint
from pixio_hf.bundled import ASSETS, list_bundled
from pixio_hf.data.labelled.scene_sets import open_scene_sets
from pixio_hf.evaluation.reconstruction import evaluate_reconstruction, model_predictor
from pixio_hf.model_cards import model_card, results
from pixio_hf_cli import app
from tests.scene_files import render_photos, save_stand_in

NAME = "pixio-tiny-3d"
MAX_BYTES = 12_000_000
needs_bundled = pytest.mark.skipif(NAME not in list_bundled(), reason=f"{NAME} is not bundled yet: it is in training")


@needs_bundled
def test_it_is_small_and_says_at_which_size_it_sees():
    assert sum(file.stat().st_size for file in (ASSETS / NAME).iterdir()) <= MAX_BYTES
    config = PixioForReconstruction.config_class.from_pretrained(bundled_checkpoint(NAME))
    assert PixioImageProcessor.from_pretrained(NAME).view_size == config.image_size


@needs_bundled
@pytest.mark.slow
def test_it_is_better_than_the_mean_of_rooms():
    model = PixioForReconstruction.from_pretrained(NAME, dtype=torch.float32).eval()
    sets = open_scene_sets("synthetic-rooms", 2, image_size=model.config.image_size, num_scenes=16)
    metrics = evaluate_reconstruction(model_predictor(model), sets, progress=False).metrics
    assert metrics["points_rel"] < 0.3


@needs_bundled
@pytest.mark.slow
def test_the_command_takes_it_by_default(tmp_path):
    photos = render_photos(tmp_path, 2, 128)
    result = CliRunner().invoke(app, ["scene", *map(str, photos), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "scene.glb").is_file()


def test_its_card_needs_numbers_only(tmp_path, monkeypatch):
    row = {
        "scale_rel": "0.060",
        "points_rel": "0.120",
        "points_tau": "31.0",
        "pose_auc_5": "5.0",
        "depth_rel": "0.080",
        "depth_tau": "30.0",
        "ray_error": "1.00",
    }
    table = [{"name": "**this checkpoint**", **row}, {"name": "mean depth, one place", **row}]
    numbers = {**results.RESULTS[NAME], "table": table}
    save_stand_in(tmp_path)
    monkeypatch.setitem(results.RESULTS, NAME, numbers)
    monkeypatch.setattr(model_card, "bundled_checkpoint", lambda name: str(tmp_path))
    card = model_card._render_bundled_card(NAME)
    assert "pipeline_tag: image-to-3d" in card
    assert "| **this checkpoint** | 0.060 | 0.120 |" in card
    assert "relative error of points" in card
