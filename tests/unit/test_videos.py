# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Videos in and out: times, turns, damage, and going on after a stop."""

import os
import subprocess
import sys
import wave
from fractions import Fraction

import numpy as np
import pytest

from pixio_hf import video_writing
from pixio_hf.video_writing import draw_video
from pixio_hf.videos import open_video, read_frames, sample_frames
from tests.video_files import COLORS, frame_pixels, write_video

av = pytest.importorskip("av")


def quarters(picture: np.ndarray) -> np.ndarray:
    """Colours in the middle of the quarters: (3, H, W) -> (4, 3)."""
    height, width = picture.shape[1:]
    places = [(row, column) for row in (height // 4, 3 * height // 4) for column in (width // 4, 3 * width // 4)]
    return np.array([picture[:, row, column] for row, column in places], int)


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv", ".mov"])
def test_frames_have_their_pixels_and_times(tmp_path, ending):
    path = write_video(tmp_path / f"a{ending}")
    frames = list(read_frames(path))
    assert [frame.index for frame in frames] == list(range(30))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(30) / 25, atol=2e-3)
    for frame in (frames[0], frames[29]):
        assert frame.pixels().shape == (3, 48, 64)
        assert np.abs(quarters(frame.pixels()) - np.array(COLORS) - frame.index).max() < 12
    with open_video(path) as video:
        assert sum(1 for _ in video.frames()) == video.num_read == 30
        assert video.rate == 25
        assert video.describe_damage() == ""


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_frames_are_upright(tmp_path, rotation, turns):
    frame = next(read_frames(write_video(tmp_path / "a.mp4", 3, rotation=rotation)))
    assert frame.pixels().shape == ((3, 64, 48) if turns % 2 else (3, 48, 64))
    expected = np.rot90(np.arange(4).reshape(2, 2), turns).ravel()
    assert np.abs(quarters(frame.pixels()) - np.array(COLORS)[expected]).max() < 12


def test_pixels_that_are_not_square_are_stretched(tmp_path):
    frame = next(read_frames(write_video(tmp_path / "a.mp4", 3, aspect=Fraction(3, 2))))
    assert frame.pixels().shape == (3, 48, 96)


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    times = np.cumsum(np.tile([0.04, 0.1, 0.02, 0.5], 5))
    path = write_video(tmp_path / "a.mp4", 20, times=times.tolist())
    np.testing.assert_allclose([frame.seconds for frame in read_frames(path)], times - times[0], atol=2e-3)
    draw_video(path, tmp_path / "b.mp4", lambda frames: [frame_pixels(frame.index) for frame in frames], {})
    np.testing.assert_allclose(
        [frame.seconds for frame in read_frames(tmp_path / "b.mp4")], times - times[0], atol=2e-3
    )


def test_damage_inside_is_left_out_and_counted(tmp_path):
    path = write_video(tmp_path / "a.mp4", 60)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 200
    for place in np.random.default_rng(0).integers(start, len(data), 80):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with open_video(path) as video:
        frames = list(video.frames())
        assert 0 < len(frames) <= 60
        assert video.num_damaged
        assert "damaged part" in video.describe_damage()
    assert np.diff([frame.seconds for frame in frames]).min() > 0


def test_a_video_that_was_cut_off_ends_with_a_note(tmp_path):
    path = write_video(tmp_path / "a.mp4", 100)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    with open_video(path) as video:
        num_frames = sum(1 for _ in video.frames())
        assert 20 < num_frames < 80
        assert f"it ends after {num_frames / 25:.1f} of 4.0 seconds" in video.describe_damage()


@pytest.mark.parametrize("content", [b"", b"no video" * 50, b"\0\0\0\x18ftypmp42" + bytes(100)])
def test_what_is_no_video(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mp4 cannot be read as a video"):
        next(read_frames(path))
    with pytest.raises(ValueError, match=r"a\.mp4 cannot be read as a video"):
        draw_video(path, tmp_path / "b.mp4", lambda frames: [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_video_without_a_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", 5)
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    path.write_bytes(data[:start] + bytes(len(data) - start))
    with pytest.raises(ValueError, match="holds no frame that can be read"):
        list(read_frames(path))
    with pytest.raises(ValueError, match="holds no frame that can be read"):
        draw_video(path, tmp_path / "b.mp4", lambda frames: [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_sound_alone_is_no_video(tmp_path):
    with wave.open(str(tmp_path / "a.mp4"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(ValueError, match="holds no pictures"):
        next(read_frames(tmp_path / "a.mp4"))


def test_folders_and_fifos_are_not_opened(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        next(read_frames(tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "a.mp4")
        with pytest.raises(ValueError, match="is a FIFO"):
            next(read_frames(tmp_path / "a.mp4"))


def test_samples_are_spread_over_the_video(tmp_path):
    path = write_video(tmp_path / "a.mp4", 30)
    assert [frame.index for frame in sample_frames(path, 5)] == [0, 6, 12, 18, 24]
    assert [frame.index for frame in sample_frames(path, 100)] == list(range(30))


def test_a_video_without_a_length_is_sampled_ever_more_thinly(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", 30)
    monkeypatch.setattr("pixio_hf.videos.Video.announced_frames", 0)
    assert [frame.index for frame in sample_frames(path, 4)] == [0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24]


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
def test_pictures_come_back_in_their_colours(tmp_path, monkeypatch, encoder, size):
    if encoder not in av.codecs_available:
        pytest.skip(f"this PyAV has no {encoder}")
    monkeypatch.setattr(video_writing, "_ENCODERS", (encoder,))
    monkeypatch.setattr(video_writing, "PART_FRAMES", 8)
    source = write_video(tmp_path / "a.mp4", 30)
    batches, told = [], []

    def draw(frames):
        batches.append(len(frames))
        return [frame_pixels(frame.index, *size) for frame in frames]

    result = draw_video(source, tmp_path / "b.mp4", draw, {}, batch_size=3, when_done=lambda *done: told.append(done))
    assert (result.num_frames, result.num_resumed, result.damage) == (30, 0, "")
    assert batches == [3, 3, 2] * 3 + [3, 3]
    assert told == [(done, 30) for done in range(1, 31)]
    frames = list(read_frames(tmp_path / "b.mp4"))
    assert len(frames) == 30
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(30) / 25, atol=1e-3)
    for index in (0, 7, 8, 29):
        assert frames[index].pixels().shape == (3, 48, 64)
        assert np.abs(quarters(frames[index].pixels()) - np.array(COLORS) - index).max() < 12
    with av.open(str(tmp_path / "b.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(1.2, abs=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_what_was_stopped_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(video_writing, "PART_FRAMES", 8)
    source, target = write_video(tmp_path / "a.mp4", 30), tmp_path / "b.mp4"
    drawn: list[int] = []

    def draw(frames):
        if drawn and drawn[-1] == 19 and len(drawn) == 20:
            raise KeyboardInterrupt
        drawn.extend(frame.index for frame in frames)
        return [frame_pixels(frame.index) for frame in frames]

    with pytest.raises(KeyboardInterrupt):
        draw_video(source, target, draw, {"size": 1})
    assert not target.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.mp4.parts", "a.mp4"]
    drawn[:] = []
    result = draw_video(source, target, draw, {"size": 1})
    assert (result.num_frames, result.num_resumed) == (30, 16)
    assert drawn == list(range(16, 30))
    whole = draw_video(source, tmp_path / "c.mp4", lambda frames: [frame_pixels(frame.index) for frame in frames], {})
    assert whole.num_resumed == 0
    for resumed, straight in zip(read_frames(target), read_frames(tmp_path / "c.mp4"), strict=True):
        np.testing.assert_array_equal(resumed.pixels(), straight.pixels())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "c.mp4"]


def stop_late(frames):
    if frames[0].index == 10:
        raise ValueError("stopped")
    return [frame_pixels(frame.index) for frame in frames]


@pytest.mark.parametrize("change", ["settings", "video"])
def test_parts_of_something_else_are_not_taken_over(tmp_path, monkeypatch, change):
    monkeypatch.setattr(video_writing, "PART_FRAMES", 8)
    source, target = write_video(tmp_path / "a.mp4", 20), tmp_path / "b.mp4"

    with pytest.raises(ValueError, match="stopped"):
        draw_video(source, target, stop_late, {"size": 1})
    if change == "video":
        write_video(source, 21)
    result = draw_video(
        source,
        target,
        lambda frames: [frame_pixels(frame.index) for frame in frames],
        {"size": 2 if change == "settings" else 1},
    )
    assert result.num_resumed == 0


def test_an_error_at_once_leaves_nothing(tmp_path):
    source = write_video(tmp_path / "a.mp4", 5)

    def fail(frames):
        raise ValueError("no model")

    with pytest.raises(ValueError, match="no model"):
        draw_video(source, tmp_path / "b.mp4", fail, {})
    with pytest.raises(ValueError, match="one size"):
        draw_video(source, tmp_path / "b.mp4", lambda frames: [frame_pixels(0, 48 + 2 * frames[0].index)], {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_parts_that_do_not_fit_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(video_writing, "PART_FRAMES", 8)
    source, target = write_video(tmp_path / "a.mp4", 20), tmp_path / "b.mp4"

    with pytest.raises(ValueError, match="stopped"):
        draw_video(source, target, stop_late, {})
    write_video(tmp_path / ".b.mp4.parts" / "000000.mp4", 5)
    with pytest.raises(ValueError, match=r"\.b\.mp4\.parts do not belong to one video"):
        draw_video(source, target, lambda frames: [frame_pixels(frame.index) for frame in frames], {})
    assert not target.exists()


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", 3)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ValueError, match=r"pip install 'pixio-hf\[video\]'"):
        next(read_frames(path))


@pytest.mark.slow
def test_a_killed_process_leaves_parts_to_go_on_with(tmp_path):
    source = write_video(tmp_path / "a.mp4", 30)
    program = (
        "import sys, os; from pixio_hf import video_writing; from tests.video_files import frame_pixels\n"
        "video_writing.PART_FRAMES = 8\n"
        "def draw(frames):\n"
        "    if frames[0].index == 20 and sys.argv[3] == 'kill': os.kill(os.getpid(), 9)\n"
        "    return [frame_pixels(frame.index) for frame in frames]\n"
        "print(video_writing.draw_video(sys.argv[1], sys.argv[2], draw, {}).num_resumed)\n"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "b.mp4")]
    assert subprocess.run([*command, "kill"]).returncode == -9
    assert not (tmp_path / "b.mp4").exists()
    resumed = subprocess.run([*command, "go on"], capture_output=True, text=True, check=True)
    assert resumed.stdout == "16\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
