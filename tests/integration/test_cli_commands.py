# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Every command end to end on tiny models of random weights."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import pipeline
from typer.testing import CliRunner

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioForPreTraining, PixioImageProcessor, PixioModel
from pixio_hf.synthetic import HELD_OUT_SEEDS, render_scenes
from pixio_hf_cli import app
from pixio_hf_cli.loading import load_model
from pixio_hf_cli.reconstruct import reconstruct_photo


def run(*arguments, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def load_eval(model_class: Any, folder: str, **options: Any) -> Any:
    return model_class.from_pretrained(folder, **options).eval()


def open_size(path: Path) -> tuple[int, int]:
    with PIL.Image.open(path) as image:
        image.load()
        return image.size


def test_depth_png_holds_the_model_s_millimetres(models, photo, tmp_path):
    out = tmp_path / "out"
    assert "1 of 1 photo done" in run("depth", photo, "--out", out, "--npy", "--model", models["depth"])
    assert sorted(path.name for path in out.iterdir()) == [
        "photo_depth.npy",
        "photo_depth.png",
        "photo_depth_color.png",
    ]
    stored = np.asarray(PIL.Image.open(out / "photo_depth.png"))
    metres = np.load(out / "photo_depth.npy")
    model = load_eval(PixioForDepthEstimation, models["depth"])
    processor = PixioImageProcessor()
    inputs = processor(PIL.Image.open(photo), size={"height": 64, "width": 96}, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    expected = processor.post_process_depth_estimation(outputs, [(60, 90)])[0]["predicted_depth"].numpy()
    assert stored.shape == metres.shape == (60, 90)
    assert metres.dtype == np.float32
    np.testing.assert_allclose(metres, expected, atol=1e-5)
    np.testing.assert_array_equal(stored, np.round(1000 * metres.astype(np.float64)))
    width, height = open_size(out / "photo_depth_color.png")
    assert width > 2 * height


def test_depth_equals_the_pipeline(models, photo, tmp_path):
    run("depth", photo, "--out", tmp_path, "--npy", "--model", models["depth"])
    predicted = pipeline("depth-estimation", model=models["depth"])(str(photo))["predicted_depth"]
    np.testing.assert_allclose(np.load(tmp_path / "photo_depth.npy"), np.asarray(predicted).squeeze(), atol=1e-4)


def test_windows_see_the_photo_s_own_size(models, photo, tmp_path):
    run("depth", photo, "--out", tmp_path, "--npy", "--model", models["depth"], "--window", 32)
    config = PixioConfig.from_pretrained(models["depth"])
    config.window_size = 32
    model = load_eval(PixioForDepthEstimation, models["depth"], config=config)
    inputs = PixioImageProcessor()(PIL.Image.open(photo), do_resize=False, size_divisor=1, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).predicted_depth[0].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "photo_depth.npy"), expected, atol=1e-5)


def test_odd_photos_work_and_bad_ones_are_reported(models, photo, tmp_path):
    PIL.Image.new("RGB", (1, 1), (9, 99, 200)).save(tmp_path / "dot.png")
    PIL.Image.open(photo).convert("L").save(tmp_path / "grey.png")
    rotated = PIL.Image.open(photo)
    exif = rotated.getexif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    rotated.save(tmp_path / "rotated.jpg", exif=exif)
    (tmp_path / "truncated.png").write_bytes(photo.read_bytes()[:5000])
    (tmp_path / "text.jpg").write_text("no image")
    names = ["dot.png", "truncated.png", "grey.png", "text.jpg", "rotated.jpg"]
    out = tmp_path / "out"
    photos = [tmp_path / name for name in names]
    output = run("depth", *photos, "--out", out, "--model", models["depth"], exit_code=1)
    assert "3 of 5 photos done" in output
    assert f"Failed: {tmp_path / 'truncated.png'}" in output
    assert f"Failed: {tmp_path / 'text.jpg'}" in output
    assert open_size(out / "dot_depth.png") == (1, 1)
    assert open_size(out / "grey_depth.png") == (90, 60)
    assert open_size(out / "rotated_depth.png") == (60, 90)  # upright
    assert not list(out.glob("truncated*"))
    assert not list(out.glob("text*"))


def test_depth_beyond_16_bits_is_0_in_the_png_and_whole_in_npy(models, photo, tmp_path):
    out = tmp_path / "out"
    output = run("depth", photo, "--out", out, "--model", models["far"], "--npy")
    metres = np.load(out / "photo_depth.npy")
    assert metres.min() > 65.536
    assert "5,400 of 5,400 pixels (5,400 beyond 65.535 m" in output
    assert "photo_depth.npy holds them" in output
    assert not np.asarray(PIL.Image.open(out / "photo_depth.png")).any()
    assert open_size(out / "photo_depth_color.png")[0] > 500
    assert "--npy also writes them" in run("depth", photo, "--out", tmp_path / "second", "--model", models["far"])


def test_predictions_that_are_not_finite_spoil_no_other_photo(models, photo, tmp_path, monkeypatch):
    PIL.Image.open(photo).rotate(180).save(tmp_path / "second.png")
    encode = PixioModel.forward

    def forward(self, pixel_values, **options):
        outputs = encode(self, pixel_values, **options)
        if pixel_values[0, 0, 0, 0] == first:
            outputs.last_hidden_state.fill_(float("nan"))
        return outputs

    pixels = PixioImageProcessor()(str(photo), size={"height": 64, "width": 96}, return_tensors="pt").pixel_values
    first = pixels[0, 0, 0, 0].item()
    monkeypatch.setattr(PixioModel, "forward", forward)
    arguments = (
        photo,
        tmp_path / "second.png",
        "--out",
        tmp_path / "out",
        "--model",
        models["pretraining"],
        "--size",
        64,
    )
    output = run("features", *arguments, exit_code=1)
    assert "1 of 2 photos done" in output
    assert "not finite" in output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["second_features.png"]


def test_depth_says_what_a_model_without_measured_depth_is_good_for(models, photo, tmp_path):
    assert "another model guessed" in run("depth", photo, "--out", tmp_path / "one")
    assert "Note:" not in run("depth", photo, "--out", tmp_path / "two", "--model", models["depth"])
    rendered = shutil.copytree(models["depth"], tmp_path / "rendered")
    (rendered / "README.md").write_text("---\ntags: [pixio, synthetic-data]\n---\n")
    assert "rendered rooms only" in run("depth", photo, "--out", tmp_path / "three", "--model", rendered)


def test_windows_at_the_size_of_a_huge_photo_are_refused_with_the_way_out(models, photo, tmp_path, monkeypatch):
    monkeypatch.setattr("pixio_hf_cli.depth.MAX_WINDOWED_PIXELS", 5000)
    arguments = ("depth", photo, "--model", models["depth"], "--window", 32)
    assert "pass --size" in run(*arguments, "--out", tmp_path / "one", exit_code=1)
    run(*arguments, "--out", tmp_path / "two", "--size", 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["depth", "{photo}", "{tmp}/missing.png", "--model", "{depth}"], "missing.png does not exist"),
        (["depth", "{photo}", "{photo}", "--model", "{depth}"], "would both write"),
        (["depth", "{photo}", "--model", "{pretraining}"], "has no depth head"),
        (["depth", "{photo}", "--model", "{depth}", "--size", "50"], "--size 50 must be a positive multiple"),
        (["depth", "{photo}", "--model", "{depth}", "--window", "0"], "--window 0 must be a positive multiple"),
        (["reconstruct", "{photo}", "--model", "{depth}"], "has no pre-training decoder"),
        (["reconstruct", "{photo}", "--model", "{pretraining}", "--mask-ratio", "1"], "--mask-ratio must lie in"),
        (["reconstruct", "{photo}", "--model", "{pretraining}", "--mask-grid-size", "3"], "must divide both sides"),
        (["features", "{photo}", "--model", "nope"], "bundled checkpoint 'nope'"),
    ],
)
def test_wrong_requests_fail_before_anything_is_written(models, photo, tmp_path, arguments, message):
    filled = [argument.format(photo=photo, tmp=tmp_path, **models) for argument in arguments]
    assert message in run(*filled, "--out", tmp_path / "out", exit_code=2)
    assert not (tmp_path / "out").exists()


def test_existing_results_are_kept_without_overwrite(models, photo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    result = out / "photo_features.png"
    result.write_bytes(b"mine")
    arguments = ("features", photo, "--out", out, "--model", models["pretraining"], "--size", 64)
    assert "--overwrite" in run(*arguments, exit_code=2)
    assert result.read_bytes() == b"mine"
    run(*arguments, "--overwrite")
    assert open_size(result)[0] > 500


def test_reconstruct_prints_the_model_s_loss(models, photo, tmp_path):
    arguments = ("reconstruct", photo, "--model", models["pretraining"], "--seed", 3, "--mask-ratio", 0.5)
    output = run(*arguments, "--out", tmp_path / "out")
    model = load_eval(PixioForPreTraining, models["pretraining"])
    model.config.mask_ratio = 0.5
    inputs = PixioImageProcessor()(PIL.Image.open(photo), size={"height": 64, "width": 64}, return_tensors="pt")
    noise = torch.rand(1, 4, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        loss = model(**inputs, noise=noise).loss.item()
    assert f"loss {loss:.4f} over the hidden 50% of the pixels" in output
    assert open_size(tmp_path / "out" / "photo_reconstruction.png")[0] > 500


def test_visible_blocks_are_the_photo_s_own(models, photo):
    loaded = load_model(PixioForPreTraining, models["pretraining"], "cpu", "float32", "decoder")
    pixels = np.moveaxis(np.asarray(PIL.Image.open(photo)), -1, 0)
    result = reconstruct_photo(loaded, pixels, seed=1)
    hidden = (result.masked != result.original).any(axis=2)
    assert result.hidden_share == 0.75
    assert abs(hidden.mean() - 0.75) < 0.01
    np.testing.assert_allclose(result.reconstructed[~hidden].astype(int), result.original[~hidden].astype(int), atol=1)
    assert (result.reconstructed[hidden] != result.original[hidden]).any()


def test_info_reads_headers_only(models, monkeypatch):
    monkeypatch.setattr(PixioModel, "from_pretrained", None)
    model = PixioForPreTraining(PixioConfig.from_pretrained(models["pretraining"]))
    output = run("info", models["pretraining"])
    decoder = sum(parameter.numel() for parameter in model.decoder.parameters())
    rows = dict(line.split("  ", 1) for line in output.splitlines())
    assert rows["parameters, decoder"].strip() == f"{decoder:,}"
    assert rows["parameters, all"].strip() == f"{sum(p.numel() for p in model.parameters()):,}"
    assert rows["dtype on disk"].strip() == "F32"
    assert "0.001 to 10 m" in run("info", "--model", models["depth"])


def test_info_states_the_card_s_licence_and_damage(models, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in Path(models["depth"]).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Card\n")
    assert run("info", folder).splitlines()[-1].split() == ["licence", "apache-2.0"]
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "damaged or incomplete" in run("info", folder, exit_code=2)


def test_demo_writes_sheet_page_and_pictures(models, tmp_path):
    out = tmp_path / "demo"
    arguments = ("demo", "--out", out, "--model", models["pretraining"], "--depth-model", models["depth"])
    output = run(*arguments, "--num-scenes", 1)
    page = (out / "index.html").read_text()
    assert str(out / "demo.png") in output
    assert str(out / "index.html") in output
    links = {part.split('"')[0] for part in page.replace("href=", "src=").split('src="')[1:]}
    assert links
    assert all((out / link).is_file() for link in links)
    assert all(word in page for word in ("synthetic", "outside of the", "danielbuechele", "CC BY 2.0"))
    name = f"room-{HELD_OUT_SEEDS[0]}"
    stored = np.asarray(PIL.Image.open(out / "pictures" / f"{name}_depth.png")) / 1000
    true_depth = render_scenes([HELD_OUT_SEEDS[0]], image_size=384).depth[0].numpy()
    abs_rel = (np.abs(stored - true_depth) / true_depth)[true_depth > 0].mean()
    assert f"abs_rel {abs_rel:.3f}" in output
    assert "--overwrite" in run(*arguments, "--num-scenes", 1, exit_code=2)


def test_relative_depth_has_files_of_its_own_names_and_no_metres(photo, tmp_path):
    config = PixioConfig.preset("pixio-tiny", depth_estimation_type="relative")
    torch.manual_seed(0)
    PixioForDepthEstimation(config).save_pretrained(tmp_path / "model")
    PixioImageProcessor.for_config(config).save_pretrained(tmp_path / "model")
    command = ["depth", str(photo), "--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
    assert "without metres" in run(*command, "--ply", exit_code=2)
    run(*command, "--npy")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{photo.stem}_relative_depth{end}" for end in (".png", "_color.png", ".npy")}
    stored = np.asarray(PIL.Image.open(tmp_path / "out" / f"{photo.stem}_relative_depth.png"))
    inverse = np.load(tmp_path / "out" / f"{photo.stem}_relative_depth.npy")
    assert (stored.max(), stored.min()) == (65535, 0)
    expected = 65535 * (inverse - inverse.min()) / (inverse.max() - inverse.min())
    np.testing.assert_allclose(stored, expected, atol=1)
    assert "--overwrite" in run(*command, "--npy", exit_code=2)
