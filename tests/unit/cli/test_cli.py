# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The command line's declarations, file plans and drawing arithmetic, without any model."""

import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

from pixio_hf import PixioForDepthEstimation
from pixio_hf.bundled import find_checkpoint, list_short_names
from pixio_hf.configuration_pixio import PixioConfig
from pixio_hf.depth_files import describe_unknown, to_millimetres, write_npy
from pixio_hf.files import write_bytes
from pixio_hf.photo_sources import find_sources
from pixio_hf.visualization.features import color_features, upscale_colors
from pixio_hf.visualization.panels import (
    DPI,
    DRAWN_SIDE,
    Panel,
    _Page,
    depth_limits,
    draw_row,
    shrink_map,
    shrink_photo,
)
from pixio_hf_cli import app
from pixio_hf_cli.depth_task import write_all
from pixio_hf_cli.early_checks import check_inputs
from pixio_hf_cli.info import describe_choices, name_part
from pixio_hf_cli.loading import choose_device
from pixio_hf_cli.photo_fitting import load_photo, scaled_size
from pixio_hf_cli.result_plan import plan_results

COMMANDS = ("depth", "reconstruct", "features", "info", "demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_a_model(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"pixio-hf {command}" in result.output.split("Example:")[1]
    options = ("--model",) if command == "info" else ("--model", "--device", "--dtype", "--out", "--overwrite")
    for option in options:
        assert option in result.output


def test_help_loads_neither_torch_nor_transformers():
    code = (
        "import sys; sys.argv = ['pixio-hf', '--help']\n"
        "from pixio_hf_cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'numpy', 'matplotlib', 'rich', 'pixio_hf'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "reconstruct" in output
    assert output.splitlines()[-1] == "LOADED []"


def make_files(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return paths


def test_outputs_are_named_after_photos(tmp_path):
    photos = make_files(tmp_path, "a.jpg", "b.v2.png")
    plan = plan_results(find_sources(photos), tmp_path / "out", ["_depth.png", "_depth.npy"])
    assert [target.name for target in plan.jobs[1].targets.values()] == ["b.v2_depth.png", "b.v2_depth.npy"]
    assert not (tmp_path / "out").exists()


def test_photos_that_would_write_the_same_file_are_refused(tmp_path):
    photos = make_files(tmp_path, "one/a.jpg", "two/a.png")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png would both write"):
        plan_results(find_sources(photos), tmp_path / "out", ["_depth.png"], overwrite=True)


def test_existing_results_need_overwrite(tmp_path):
    photos = make_files(tmp_path, "a.jpg")
    make_files(tmp_path / "out", "a_depth.png")
    with pytest.raises(ValueError, match=r"Results exist already: .*--overwrite"):
        plan_results(find_sources(photos), tmp_path / "out", ["_depth.png"])
    assert plan_results(find_sources(photos), tmp_path / "out", ["_depth.png"], overwrite=True).jobs


def test_results_never_replace_a_photo(tmp_path):
    photos = make_files(tmp_path, "a.jpg", "a_depth.png")
    with pytest.raises(ValueError, match="would replace the photos"):
        plan_results(find_sources(photos), tmp_path, ["_depth.png"], overwrite=True)


def test_all_missing_photos_are_named_at_once(tmp_path):
    with pytest.raises(ValueError, match=r"one\.jpg does not exist; .*two\.jpg does not exist\."):
        check_inputs([str(tmp_path / "one.jpg"), str(tmp_path / "two.jpg"), str(tmp_path)])


def test_interrupted_write_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    target = tmp_path / "a.png"
    write_bytes(target, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_photos_of_floats_are_refused(tmp_path):
    PIL.Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="floats"):
        load_photo(tmp_path / "a.tiff")


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((480, 640), 128, (128, 176)),
        ((640, 480), 128, (176, 128)),
        ((1, 1), 128, (128, 128)),
        ((100, 149), 64, (64, 96)),
    ],
)
def test_scaled_size_keeps_the_aspect_ratio_in_whole_patches(size, short_side, expected):
    height, width = size
    assert scaled_size(height, width, short_side, 16) == expected


def test_extreme_panoramas_are_refused():
    with pytest.raises(ValueError, match="too much at once"):
        scaled_size(1, 5000, 128, 16)


def test_millimetres_are_rounded_and_never_clipped():
    depth = np.array([[0.0014, 0.0016, 65.535]], np.float32)
    assert to_millimetres(depth).tolist() == [[1, 2, 65535]]
    assert to_millimetres(depth).dtype == np.uint16
    assert describe_unknown(depth) == ""


def test_what_16_bits_cannot_hold_is_0_and_counted_by_its_reason():
    depth = np.full((1500, 2), 2.0, np.float32)
    depth[[0, 700, 1400], 0] = 65.5361, 1e30, 0.0004
    depth[[1, 701, 1401], 1] = np.nan, np.inf, -3
    millimetres = to_millimetres(depth)
    assert (millimetres == 0).sum() == 6
    assert (millimetres == 2000).sum() == 2994
    message = describe_unknown(depth)
    assert message.startswith("6 of 3,000 pixels (2 beyond 65.535 m")
    assert "1 nearer than" in message
    assert "3 not positive finite numbers" in message
    assert "0 = unknown" in message


def test_large_pictures_are_drawn_from_means_and_large_maps_from_single_values():
    photo = np.zeros((3, 8, 3 * DRAWN_SIDE), np.uint8)
    photo[:, :, ::3], photo[:, :, 1::3] = 30, 60
    assert shrink_photo(photo).shape == (3, 3, DRAWN_SIDE)
    assert (shrink_photo(photo) == 30).all()
    depth = np.tile(np.array([1.0, np.nan, 5.0], np.float32), (8, DRAWN_SIDE))
    assert shrink_map(depth).shape == (3, DRAWN_SIDE)
    assert np.isnan(shrink_map(depth)).all()
    small = np.zeros((3, 5, 6), np.uint8)
    assert shrink_photo(small) is small


def test_a_dollar_in_a_title_is_no_mathematics():
    png = draw_row([Panel(np.zeros((8, 8, 3), np.uint8), "a $x_{", "b $\\frac")])
    assert PIL.Image.open(io.BytesIO(png)).size[0] > 100


def test_sentences_are_drawn_whole():
    import matplotlib.pyplot as plt

    figure, sentence = plt.figure(), "grey is unknown; " * 15
    _Page(figure, 4, 4).write(0, 0, sentence, 8)
    assert figure.texts[0].get_text() == sentence
    plt.close(figure)


def test_one_file_that_cannot_be_written_does_not_stop_the_others(tmp_path):
    (tmp_path / "b.npy").mkdir()
    with pytest.raises(ValueError, match=r"b\.npy was not written") as caught:
        write_all([(tmp_path / f"{name}.npy", lambda path: write_npy(path, np.arange(3))) for name in "abc"])
    assert "a.npy" not in str(caught.value)
    assert np.load(tmp_path / "a.npy").tolist() == np.load(tmp_path / "c.npy").tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy", "c.npy"]


@pytest.mark.parametrize("command", ["depth", "reconstruct", "features"])
def test_bad_requests_are_refused_before_torch_is_imported(tmp_path, command):
    photos = make_files(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "f.png")
    (out,) = make_files(tmp_path, "file")
    for arguments, message in (
        ([tmp_path / "missing.jpg", "--out", tmp_path / "out"], "missing.jpg does not exist"),
        ([tmp_path / "f.png", "--out", tmp_path / "out"], "f.png is not a regular file"),
        ([*photos, "--skip-existing", "--overwrite"], "--overwrite or --skip-existing, not both"),
        ([*photos, "--out", out], "is a file, not a folder"),
        ([*photos, "--out", out / "below"], "is a file, not a folder"),
        ([*photos, "--out", "/proc/nothing/here"], "cannot be written"),
    ):
        code = (
            f"import sys; sys.argv = ['pixio-hf', {command!r}, *{[str(argument) for argument in arguments]!r}]\n"
            "from pixio_hf_cli import main\n"
            "try: main()\n"
            "except SystemExit as end: print('CODE', end.code, sorted({'torch', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "CODE 2 []", (arguments, done)
        assert message in done.stderr, (arguments, done)
        assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "f.png", "file"]


@pytest.mark.parametrize("command", ["depth", "reconstruct", "features", "demo"])
def test_a_missing_matplotlib_is_said_before_any_work(tmp_path, monkeypatch, command):
    monkeypatch.setattr(
        "pixio_hf_cli.early_checks.find_spec", lambda name: None if name == "matplotlib" else find_spec(name)
    )
    photos = [] if command == "demo" else [str(path) for path in make_files(tmp_path, "a.jpg")]
    result = CliRunner().invoke(app, [command, *photos, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "pip install 'pixio-hf[demo]'" in result.output
    assert not (tmp_path / "out").exists()


def test_depth_limits_ignore_what_is_unknown():
    assert depth_limits(np.array([[0.0, 2.0, np.nan]]), np.array([[5.0]])) == (2.0, 5.0)
    low, high = depth_limits(np.array([[3.0]]))
    assert (low, high) == pytest.approx((2.9, 3.1))


def test_feature_colors_follow_the_main_direction_and_are_repeatable():
    generator = torch.Generator().manual_seed(0)
    weights = torch.linspace(-1, 1, 48)
    noise = 1e-3 * torch.randn(48, 6, generator=generator)
    tokens = (weights[:, None] * torch.tensor([3.0, -1, 0.5, 0, 0, 0]) + noise).reshape(2, 4, 6, 6)
    first, second = color_features(list(tokens))
    assert first.shape == (4, 6, 3)
    red = np.concatenate([first[..., 0].ravel(), second[..., 0].ravel()]).astype(int)
    # One scale over both photos: the first direction's largest weight is positive, so red grows from 0 to 255.
    assert (np.diff(red) >= 0).all()
    assert red[0] == 0
    assert red[-1] == 255
    np.testing.assert_array_equal(color_features(list(tokens))[1], second)


def test_features_that_do_not_vary_give_one_color():
    (colors,) = color_features([torch.ones(2, 2, 8)])
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 1
    assert upscale_colors(colors, 30, 40).shape == (30, 40, 3)


def test_depth_picture_is_red_near_and_blue_far():
    depth = np.concatenate([np.full((50, 50), 1.0), np.full((50, 50), 4.0)])
    png = draw_row([Panel(depth, "Depth", depth_range=(1.0, 4.0))], panel_height=2.0)
    pixels = np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    left = int(0.5 * DPI)
    column = pixels[:, left]
    near = column[(column[:, 0] > 140) & (column[:, 1] < 60)]
    far = column[(column[:, 2] > 140) & (column[:, 0] < 120)]
    assert len(near) == pytest.approx(DPI, abs=4)
    assert len(far) == pytest.approx(DPI, abs=4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nope", "No folder, Hub id"),
        ("./a/b", "No folder, Hub id"),
        ("{file}", "is a file"),
        ("{folder}", "no config.json"),
    ],
)
def test_names_that_are_no_model_are_refused(tmp_path, name, message):
    (file,) = make_files(tmp_path, "weights.pth")
    with pytest.raises(ValueError, match=message):
        find_checkpoint(name.format(file=file, folder=tmp_path))


def test_hub_ids_pass():
    assert find_checkpoint("owner/name") == "owner/name"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_said():
    assert choose_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="no GPU"):
        choose_device("cuda")


def test_info_names_presets_with_their_true_sizes():
    from pixio_hf.modeling_pixio import PixioModel

    millions = sum(parameter.numel() for parameter in PixioModel(PixioConfig.preset("pixio-tiny")).parameters()) / 1e6
    assert f"{millions:.1f} M encoder parameters, 8 blocks, width 224, 7 heads" in describe_choices()
    assert [name_part(key) for key in ("pixio.layers.0.x", "encoder.layer.0", "decoder.x", "head.y")] == [
        "encoder",
        "encoder",
        "decoder",
        "head",
    ]


def test_models_lists_every_short_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(cache))
    repo = cache / "models--facebook--pixio-vith16"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("a" * 40)
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"12345")
    (tmp_path / "pixio-b16").mkdir()
    result = CliRunner().invoke(app, ["models", "--json"])
    assert result.exit_code == 0, result.output
    models = {model["name"]: model for model in json.loads(result.output)}
    assert list(models) == list_short_names()
    assert {name: model["on_this_machine"] for name, model in models.items()} == {
        "pixio-tiny": "in the package",
        "pixio-tiny-3d": "in the package",
        "pixio-tiny-depth": "in the package",
        "pixio-b16": "local folder",
        "pixio-l16": "no",
        "pixio-h16": "in the Hub cache",
        "pixio-1b16": "no",
        "pixio-5b16": "no",
    }
    assert models["pixio-h16"]["bytes"] == 5
    assert models["pixio-h16"]["stands_for"] == "facebook/pixio-vith16"
    tiny = models["pixio-tiny-depth"]
    assert (tiny["licence"], tiny["task"]) == ("apache-2.0", "depth-estimation")
    model = PixioForDepthEstimation.from_pretrained("pixio-tiny-depth")
    counters = sum(buffer.numel() for name, buffer in model.named_buffers() if name in model.state_dict())
    assert tiny["parameters"] == sum(parameter.numel() for parameter in model.parameters()) + counters
    (snapshot / "model.safetensors").unlink()
    text = CliRunner().invoke(app, ["models"]).output
    assert len(text.splitlines()) == 9
    assert re.search(r"pixio-h16 .* 631 M +2,524 MB .* no$", text, re.MULTILINE)


def run_without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process where torch cannot be imported."""
    program = "import sys; sys.modules['torch'] = None; from pixio_hf_cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120)


def test_models_and_version_need_no_torch():
    result = run_without_torch("models")
    assert result.returncode == 0, result.stderr
    assert "pixio-tiny-depth" in result.stdout, result.stderr
    result = run_without_torch("--version")
    assert result.stdout == f"pixio-hf {importlib.metadata.version('pixio-hf')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("features", "a.jpg", "--out", "out", "--model", "pixio-tyny"),
        ("info", "pixio-tyny"),
        ("evaluate", "depth", "--data", "x", "--out", "out", "--model", "pixio-tyny"),
        ("compare", "--models", "pixio-tiny", "pixio-tyny", "--data", "x", "--out", "out"),
        ("demo", "--out", "out", "--depth-model", "pixio-tyny"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_mistyped_names_are_told_before_torch_is_loaded(arguments):
    result = run_without_torch(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "Did you mean 'pixio-tiny'?" in result.stderr
    assert "`pixio-hf models`" in result.stderr


def test_missing_extra_is_told_first(monkeypatch, tmp_path):
    monkeypatch.setattr("pixio_hf_cli.early_checks.find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["depth", "missing.jpg", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "matplotlib is not installed" in result.output
    assert "pip install 'pixio-hf[demo]'" in result.output
    assert not (tmp_path / "out").exists()


def test_verbose_shows_tracebacks_and_quiet_only_errors():
    mistyped = ("info", "pixio-tyny")
    assert isinstance(CliRunner().invoke(app, ["-v", *mistyped]).exception, ValueError)
    assert "PIXIO_HF_TRACEBACK" not in os.environ
    assert "TQDM_DISABLE" not in os.environ
    result = CliRunner().invoke(app, ["--quiet", *mistyped])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    result = CliRunner().invoke(app, ["-q", "info", "pixio-tiny"])
    assert result.exit_code == 0
    assert "apache-2.0" in result.output
    assert CliRunner().invoke(app, ["-q", "-v", "models"]).exit_code == 2
