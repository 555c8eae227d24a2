# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Where a package of an extra is not installed, one sentence says which extra brings it, and nothing is written."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import LoggerType
from torch import nn
from typer.testing import CliRunner

from pixio_hf.bundled import ASSETS
from pixio_hf.data.streaming import decoding
from pixio_hf.data.streaming.stream import PretrainingStream, ReaderPlace, StreamOptions
from pixio_hf.finetuning.adapters import add_lora
from pixio_hf.training.monitoring import choose_tracker
from pixio_hf.visualization.curves import RunRecord
from pixio_hf_cli import app

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PHOTOS = [str(ASSETS / "photos" / name) for name in ("coffee.jpg", "cat.jpg")]


@pytest.fixture
def without(monkeypatch):
    """Makes packages look as if they were not installed."""

    def block(*packages: str) -> None:
        loaded = [name for name in sys.modules if name.partition(".")[0] in packages]
        for name in (*packages, *loaded):
            monkeypatch.setitem(sys.modules, name, None)

    return block


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("gradio", "app", ["app", "--port", "0"]),
        ("trimesh", "app", ["app", "--port", "0"]),
        ("trimesh", "3d", ["depth", PHOTOS[0], "--glb", "--out", "OUT"]),
        ("trimesh", "3d", ["scene", *PHOTOS, "--out", "OUT"]),
        ("matplotlib", "demo", ["features", PHOTOS[0], "--out", "OUT"]),
        ("av", "video", ["scene", "VIDEO", "--out", "OUT"]),
        ("onnxruntime", "export", ["export", "pixio-tiny-depth", "OUT", "--format", "onnx"]),
        ("nncf", "export", ["export", "pixio-tiny-depth", "OUT", "--format", "openvino", "--dtype", "int8"]),
    ],
)
def test_commands_name_the_extra(without, tmp_path, package, extra, arguments):
    without(package)
    video, out = tmp_path / "walk.mp4", tmp_path / "out"
    video.write_bytes(b"no need to be a video")
    places = {"VIDEO": str(video), "OUT": str(out)}
    result = CliRunner().invoke(app, [places.get(word, word) for word in arguments])
    assert result.exit_code == 2, result.output
    (line,) = result.output.strip().splitlines()
    assert line.startswith("Error: ")
    assert f"pip install 'pixio-hf[{extra}]'" in line
    assert not out.exists()


def test_the_space_names_the_extra(without):
    without("gradio")
    with pytest.raises(SystemExit, match=r"pip install 'pixio-hf\[app\]'"):
        runpy.run_path(str(EXAMPLES / "space" / "app.py"), run_name="__main__")


def test_photos_for_training_need_simplejpeg(without):
    without("simplejpeg")
    decoding.load_simplejpeg.cache_clear()
    with pytest.raises(ValueError, match=r"pip install 'pixio-hf\[train\]'"):
        PretrainingStream(None, StreamOptions(image_size=32), ReaderPlace())  # pyright: ignore[reportArgumentType]
    decoding.load_simplejpeg.cache_clear()


def test_adapters_need_peft(without):
    without("peft")
    with pytest.raises(ValueError, match=r"pip install 'pixio-hf\[train\]'"):
        add_lora(nn.Linear(1, 1), rank=1)


def test_a_tracker_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("pixio_hf.training.monitoring.get_available_trackers", list)
    for name in ("wandb", "trackio", "tensorboard"):
        with pytest.raises(ValueError, match=f"'{name}': it is not installed \\(pip install {name}\\)"):
            choose_tracker(name)


def test_a_trackio_that_is_too_old_is_told_before_the_run(monkeypatch):
    first = SimpleNamespace(init=lambda project, name=None, config=None: None, __version__="0.0.6")
    monkeypatch.setattr("pixio_hf.training.monitoring.get_available_trackers", lambda: [LoggerType.TRACKIO])
    monkeypatch.setitem(sys.modules, "trackio", first)
    with pytest.raises(ValueError, match=r"version 0\.0\.6 is too old"):
        choose_tracker("trackio")
    newer = SimpleNamespace(init=lambda project, name=None, space_id=None: None, __version__="0.43.0")
    monkeypatch.setitem(sys.modules, "trackio", newer)
    assert choose_tracker("trackio") == "trackio"


def test_a_run_without_matplotlib_has_no_curves_and_goes_on(without, tmp_path, capsys):
    without("matplotlib")
    record = RunRecord(tmp_path, is_writer=True)
    record.train(1, {"loss": 1.0})
    record.draw()
    assert "No curves: Pictures need matplotlib: pip install 'pixio-hf[demo]'." in capsys.readouterr().out
    assert (tmp_path / "train.csv").is_file()
    assert not (tmp_path / "curves.png").exists()


def test_a_teacher_in_onnx_needs_onnxruntime(without, tmp_path):
    without("onnxruntime")
    script = runpy.run_path(str(EXAMPLES / "pseudo_label.py"))
    (tmp_path / "teacher.onnx").write_bytes(b"")
    with pytest.raises(ImportError, match=r"pip install 'pixio-hf\[export\]'"):
        script["open_onnx"](str(tmp_path / "teacher.onnx"))


def test_a_teacher_of_another_size_needs_torchvision(without):
    script = runpy.run_path(str(EXAMPLES / "distill.py"))
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    without("torchvision")
    assert script["view_of_students"](images, 32).shape == (1, 3, 32, 32)
    with pytest.raises(ImportError, match=r"pip install 'pixio-hf\[train\]'"):
        script["view_of_students"](images, 16)
