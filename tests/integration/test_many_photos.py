# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Folders of photos through `pixio-hf depth`: workers change no result, and a stop leaves whole files only."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from tests.integration.stopped_process import stop_when
from tests.integration.test_cli_commands import run


def test_workers_and_batches_change_no_file(models, photo, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for turn in range(7):
        # Two shapes, so that there are batches of several groups.
        PIL.Image.open(photo).rotate(10 * turn).crop((0, 0, 90, 60 - 20 * (turn // 5))).save(photos / f"{turn}.png")
    alone, together = tmp_path / "alone", tmp_path / "together"
    for out, options in ((alone, ("--num-workers", 0)), (together, ("--num-workers", 3, "--batch-size", 2))):
        assert "7 of 7 photos done" in run(
            "depth", photos, "--out", out, "--npy", "--model", models["depth"], *options
        )
    assert sorted(path.name for path in alone.iterdir()) == sorted(path.name for path in together.iterdir())
    for path in alone.glob("*.npy"):
        np.testing.assert_allclose(np.load(path), np.load(together / path.name), atol=1e-5)
    for path in alone.glob("*_color.png"):
        one, other = (np.asarray(PIL.Image.open(folder / path.name), np.int16) for folder in (alone, together))
        assert np.abs(one - other).mean() < 0.1, path.name


def test_a_folder_without_colour_pictures(models, photo, tmp_path):
    run("depth", photo, "--out", tmp_path / "out", "--model", models["depth"], "--no-color", "--npy")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["photo_depth.npy", "photo_depth.png"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_process_that_is_interrupted_or_ended_leaves_whole_files_and_the_next_one_does_the_rest(
    models, photo, tmp_path
):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for number in range(60):
        shutil.copy(photo, photos / f"{number:02}.png")
    command = [sys.executable, "-m", "pixio_hf_cli", "depth", photos, "--model", models["depth"], "--out", out]
    command += ["--num-workers", "2", "--batch-size", "2", "--skip-existing"]
    num_done = 0
    for sign, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        wanted = num_done + 5
        found, errors = stop_when(lambda wanted=wanted: len(list(out.glob("*_color.png"))) >= wanted, command, sign)
        assert found == code
        assert b"Traceback" not in errors
        assert not list(out.glob(".*"))
        pictures = list(out.glob("*.png"))
        for path in pictures:
            with PIL.Image.open(path) as image:
                image.load()
        num_done = len(list(out.glob("*_color.png")))
        assert len(pictures) == 2 * num_done < 120
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{num_done} skipped as the results exist" in done.stdout
    assert len(list(out.glob("*.png"))) == 120
