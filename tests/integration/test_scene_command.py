# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf scene` end to end on a stand-in with random weights."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from pixio_hf_cli import app
from pixio_hf_cli.scene import SCENE_FILES, spread
from tests.scene_files import render_photos, save_stand_in
from tests.video_files import write_video

pytest.importorskip("trimesh")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_stand_in(tmp_path_factory.mktemp("scene_model"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    return render_photos(tmp_path_factory.mktemp("photos"), 3)


def run(*arguments, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["scene", *map(str, arguments)])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def test_two_photos(model, photos, tmp_path):
    out = tmp_path / "out"
    output = run(*photos[:2], "--model", model, "--out", out)
    assert sorted(os.listdir(out)) == sorted(SCENE_FILES)
    assert "confirmed by others" in output
    about = json.loads((out / "scene.json").read_text())
    assert [view["name"] for view in about["views"]] == ["room_0.jpg", "room_1.jpg"]
    assert np.load(out / "scene.npz")["pointmaps"].shape == (2, 64, 64, 3)
    assert sorted(os.listdir(out / "images")) == ["room_0.jpg", "room_1.jpg"]
    assert sorted(os.listdir(out / "sparse" / "0")) == ["cameras.txt", "images.txt", "points3D.txt"]
    assert "Results exist already" in run(*photos[:2], "--model", model, "--out", out, exit_code=2)
    (out / "mine.txt").touch()
    refusal = run(*photos[:2], "--model", model, "--out", out, "--overwrite", exit_code=2)
    assert "mine.txt" in refusal
    (out / "mine.txt").unlink()
    run(photos[0].parent, "--max-views", 2, "--max-points", 500, "--model", model, "--out", out, "--overwrite")
    assert [view["name"] for view in json.loads((out / "scene.json").read_text())["views"]] == [
        "room_0.jpg",
        "room_2.jpg",
    ]
    assert len((out / "sparse" / "0" / "points3D.txt").read_text().splitlines()) < 600


def test_frames_of_a_video(model, tmp_path):
    pytest.importorskip("av")
    video = write_video(tmp_path / "walk.mp4", num_frames=12)
    run(video, "--max-views", 3, "--view-size", 32, "--model", model, "--out", tmp_path / "out")
    names = sorted(os.listdir(tmp_path / "out" / "images"))
    assert len(names) == 3
    assert names[0] == "walk_000000.jpg"


def test_the_same_photo_twice_and_photos_of_other_shapes(model, photos, tmp_path):
    wide = tmp_path / "wide.png"
    PIL.Image.open(photos[1]).resize((200, 60)).save(wide)
    output = run(photos[0], photos[0], wide, "--model", model, "--out", tmp_path / "out")
    assert "same picture" in output
    assert "is cut off" in output


def test_too_many_views_for_the_memory(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("pixio_hf.view_memory.free_memory", lambda device: 10**6)
    message = run(*photos, "--model", model, "--out", tmp_path / "out", exit_code=2)
    assert "GB are free" in message
    assert "--max-views" in message
    assert not (tmp_path / "out").exists()


def test_bad_input_leaves_nothing(model, photos, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photos[0].read_bytes()[:200])
    for inputs in ([tmp_path / "missing.jpg"], [photos[0], broken]):
        run(*inputs, "--model", model, "--out", tmp_path / "out", exit_code=2)
        assert not (tmp_path / "out").exists()
    assert "has no reconstruction heads" in run(
        *photos, "--model", "pixio-tiny-depth", "--out", tmp_path / "out", exit_code=2
    )


def test_evenly_spread():
    assert spread(3, 5) == [0, 1, 2]
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(5, 1) == [0]
