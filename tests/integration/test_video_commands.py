# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Videos in and out of `depth`, `features` and `reconstruct`: values, one colour scale, and going on after a stop."""

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from pixio_hf import PixioForDepthEstimation, video_writing
from pixio_hf.videos import open_video, read_frames
from pixio_hf.visualization.color_maps import NO_VALUE, color_values
from pixio_hf.visualization.panels import DEPTH_COLORS, depth_limits
from pixio_hf.visualization.video_frames import BAR_WIDTH, GAP, DepthFrames, panel_size
from pixio_hf_cli import app
from pixio_hf_cli.depth import predict_depth
from pixio_hf_cli.loading import load_model
from tests.integration.stopped_process import stop_when
from tests.video_files import write_video

pytest.importorskip("av")


def run(*arguments, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(video_writing, "PART_FRAMES", 4)


def read_pictures(path: Path) -> list[np.ndarray]:
    return [np.moveaxis(frame.pixels(), 0, -1) for frame in read_frames(path)]


def test_a_depth_video_has_every_frame_its_time_and_one_scale(models, tmp_path):
    times = np.cumsum(np.tile([0.04, 0.1, 0.02], 4)).tolist()
    video, out = write_video(tmp_path / "walk.mp4", 12, times=times), tmp_path / "out"
    arguments = ("depth", video, "--model", models["depth"], "--out", out)
    output = run(*arguments, "--frames", "--npy", "--batch-size", 5)
    assert "1 of 1 video done" in output
    names = [f"{index:06d}_depth.{kind}" for index in range(12) for kind in ("npy", "png")]
    assert sorted(path.name for path in (out / "walk_frames").iterdir()) == names
    assert sorted(path.name for path in out.iterdir()) == ["walk_depth_color.mp4", "walk_frames"]
    loaded = load_model(PixioForDepthEstimation, models["depth"], "cpu", "float32", "depth head")
    frames = list(read_frames(video))
    depths = [predict_depth(loaded, frame.pixels()) for frame in frames]
    for index, depth in enumerate(depths):
        stored = np.load(out / "walk_frames" / f"{index:06d}_depth.npy")
        np.testing.assert_allclose(stored, depth, atol=1e-5)
        png = np.asarray(PIL.Image.open(out / "walk_frames" / f"{index:06d}_depth.png"))
        np.testing.assert_array_equal(png, np.rint(1000 * stored.astype(float)))
    low, high = (round(end, 2) for end in depth_limits(*depths))
    drawing = DepthFrames((low, high), frames[0].pixels())
    drawn = list(read_frames(out / "walk_depth_color.mp4"))
    np.testing.assert_allclose([f.seconds for f in drawn], np.array(times) - times[0], atol=2e-3)
    for frame, depth, made in zip(frames, depths, drawn, strict=True):
        expected = drawing.draw(frame.pixels(), depth)
        assert np.abs(np.moveaxis(made.pixels(), 0, -1).astype(int) - expected).mean() < 4
    # Fewer frames under the same name leave none of the old.
    write_video(video, 3)
    run(*arguments, "--frames", "--npy", "--overwrite")
    assert len(list((out / "walk_frames").iterdir())) == 6
    assert "0 of 1 video done, 1 skipped" in run(*arguments, "--skip-existing")
    assert "Results exist already" in run(*arguments, exit_code=2)


@pytest.mark.parametrize("command", ["depth", "features", "reconstruct"])
def test_what_was_stopped_goes_on(models, tmp_path, small_parts, monkeypatch, command):
    video = write_video(tmp_path / "walk.mp4", 18)
    photo = tmp_path / "a.png"
    PIL.Image.fromarray(next(read_frames(video)).pixels().transpose(1, 2, 0).copy()).save(photo)
    model = ("--model", models["depth"]) if command == "depth" else ("--model", models["pretraining"], "--size", 64)
    ending = {"depth": "_depth_color", "features": "_features", "reconstruct": "_reconstruction"}[command]
    arguments = (command, photo, video, *model, "--batch-size", 3, "--out")
    run(*arguments, tmp_path / "whole")
    out, written = tmp_path / "out", []
    really = video_writing._write_part

    def stop(path, *given):
        if len(written) == 2:
            raise KeyboardInterrupt
        really(path, *given)
        written.append(path)

    monkeypatch.setattr(video_writing, "_write_part", stop)
    output = run(*arguments, out, exit_code=130)
    assert "1 of 2 photos and videos done" in output
    assert "Stopped. The same command with --skip-existing goes on" in output
    assert not (out / f"walk{ending}.mp4").exists()
    monkeypatch.setattr(video_writing, "_write_part", really)
    output = run(*arguments, out, "--skip-existing")
    assert "8 of 18 frames were taken over from a run that was stopped" in output
    assert "1 of 2 photos and videos done, 1 skipped as the results exist" in output
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    for name in (f"walk{ending}.mp4", f"a{ending}.png"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_process_that_is_interrupted_or_ended_leaves_what_the_next_one_goes_on_with(models, tmp_path):
    video, out = write_video(tmp_path / "walk.mp4", 1000), tmp_path / "out"
    command = [sys.executable, "-m", "pixio_hf_cli", "depth", video, "--model", models["depth"], "--out", out]
    parts = out / ".walk_depth_color.mp4.parts"
    for number, (sign, code) in enumerate([(signal.SIGINT, 130), (signal.SIGTERM, 143)]):
        part = parts / f"{2 * number:06d}.mp4"
        found, errors = stop_when(part.exists, command, sign)
        assert found == code
        assert b"Traceback" not in errors
        assert [path.name for path in out.iterdir()] == [parts.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "of 1000 frames were taken over" in done.stderr
    assert [path.name for path in out.iterdir()] == ["walk_depth_color.mp4"]
    assert sum(1 for _ in read_frames(out / "walk_depth_color.mp4")) == 1000


def test_other_settings_do_not_go_on(models, tmp_path, small_parts, monkeypatch):
    video, out = write_video(tmp_path / "walk.mp4", 9), tmp_path / "out"
    arguments = ("depth", video, "--model", models["depth"], "--out", out)
    really = video_writing._join_parts

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(video_writing, "_join_parts", stop)
    run(*arguments, exit_code=130)
    monkeypatch.setattr(video_writing, "_join_parts", really)
    assert "taken over" not in run(*arguments, "--frames")
    assert len(list((out / "walk_frames").iterdir())) == 9


def test_a_video_that_cannot_be_read_stops_no_other(models, tmp_path):
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "b.mp4", 4)
    (tmp_path / "in" / "a.mp4").write_bytes(b"no video" * 100)
    for command in ("depth", "features", "reconstruct"):
        model = models["depth" if command == "depth" else "pretraining"]
        out = tmp_path / command
        output = run(command, tmp_path / "in", "--model", model, "--out", out, exit_code=1)
        assert "1 of 2 videos done, 1 failed, results in" in output
        assert output.count("cannot be read as a video") == 1
        assert len(list(out.iterdir())) == 1


def test_a_video_that_was_cut_off_is_done_with_a_note(models, tmp_path):
    video = write_video(tmp_path / "walk.mp4", 60)
    data = video.read_bytes()
    video.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    output = run("reconstruct", video, "--model", models["pretraining"], "--out", tmp_path)
    assert "1 of 1 video done" in output
    assert "of 2.4 seconds" in output
    assert "mean loss" in output


def test_numbers_of_videos_need_frames(models, tmp_path):
    video = write_video(tmp_path / "walk.mp4", 3)
    arguments = ("depth", video, "--model", models["depth"], "--out", tmp_path, "--glb")
    assert "--frames also writes the numbers" in run(*arguments)
    output = run(*arguments, "--frames", "--overwrite")
    assert "focal length 55 pixels, assumed" in output
    names = ["000000_depth.png", "000000_mesh.glb"]
    assert sorted(path.name for path in (tmp_path / "walk_frames").iterdir())[:2] == names


def test_windows_see_photos_and_frames_at_their_own_size(models, tmp_path):
    video = write_video(tmp_path / "walk.mp4", 3, (48, 80))
    PIL.Image.fromarray(read_pictures(video)[0].copy()).save(tmp_path / "walk.png")
    arguments = ("--model", models["depth"], "--window", 32, "--npy", "--frames", "--batch-size", 2)
    run("depth", video, tmp_path / "walk.png", "--out", tmp_path, *arguments)
    photo, frame = np.load(tmp_path / "walk_depth.npy"), np.load(tmp_path / "walk_frames" / "000000_depth.npy")
    assert photo.shape == (48, 80)
    np.testing.assert_allclose(photo, frame, atol=1e-5)


def test_without_pyav_videos_are_told_and_photos_done(models, tmp_path, monkeypatch):
    video = write_video(tmp_path / "walk.mp4", 3)
    PIL.Image.new("RGB", (64, 48), (90, 120, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr("pixio_hf_cli.early_checks.find_spec", lambda name: None if name == "av" else find_spec(name))
    monkeypatch.setitem(sys.modules, "av", None)
    arguments = ("--model", models["depth"], "--out", tmp_path / "out")
    assert "pip install 'pixio-hf[video]'" in run("depth", video, *arguments, exit_code=2)
    assert not (tmp_path / "out").exists()
    output = run("depth", video, tmp_path / "a.png", *arguments, exit_code=1)
    assert "1 of 2 photos and videos done, 1 failed" in output
    assert "Videos need PyAV: pip install 'pixio-hf[video]'." in output


def test_frames_are_drawn_side_by_side_or_one_below_the_other():
    depth = np.linspace(1, 3, 100 * 150).reshape(100, 150)
    depth[:10, :10] = np.nan
    photo = np.full((3, 100, 150), 77, np.uint8)
    picture = DepthFrames((1, 3), photo).draw(photo, depth)
    assert panel_size(photo, 2) == (240, 360)
    assert picture.shape == (240, 2 * 360 + GAP + BAR_WIDTH, 3)
    assert (picture[:, :360] == 77).all()
    assert (picture[2, 360 + GAP + 2] == NO_VALUE).all()
    colors = color_values(depth, (1, 3), DEPTH_COLORS)
    assert np.abs(picture[120, 360 + GAP + 180].astype(int) - colors[50, 75]).max() < 8
    assert panel_size(np.zeros((3, 2160, 3840), np.uint8), 2) == (538, 956)
    wide = np.zeros((3, 100, 300), np.uint8)
    height, width = panel_size(wide, 2)
    assert DepthFrames((1, 3), wide).draw(wide, np.ones((100, 300))).shape == (2 * height + GAP, width + BAR_WIDTH, 3)


def test_the_result_can_be_opened_again_and_has_the_rate(models, tmp_path):
    video = write_video(tmp_path / "walk.mp4", 10, rate=10)
    run("features", video, "--model", models["pretraining"], "--size", 64, "--out", tmp_path)
    with open_video(tmp_path / "walk_features.mp4") as made:
        assert made.announced_seconds == pytest.approx(1, abs=0.01)
    first, *_, last = read_pictures(tmp_path / "walk_features.mp4")
    assert first.shape == last.shape == (240, 2 * 320 + GAP, 3)
