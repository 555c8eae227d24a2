# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What `depth`, `features` and `reconstruct` take: folders, patterns, addresses, HEIC; batches; results that exist."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import trimesh
from typer.testing import CliRunner

from pixio_hf import read_limits
from pixio_hf_cli import app
from tests.photo_server import running_photo_server


def run(*arguments, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result.output


def save_photo(path: Path, seed: int = 0, size: tuple[int, int] = (60, 90), **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_keeps_its_folders_and_one_bad_photo_stops_nothing(models, tmp_path, monkeypatch):
    folder = tmp_path / "holiday"
    save_photo(folder / "a.png")
    save_photo(folder / "sub" / "a.jpg", 1)
    save_photo(folder / "sub" / "b_depth_color.png")
    (folder / "b.jpg").write_text("no photo")
    monkeypatch.chdir(tmp_path)
    output = run("depth", "holiday", "--recursive", "--model", models["depth"], "--batch-size", 4, exit_code=1)
    expected = ["a_depth.png", "a_depth_color.png", "sub/a_depth.png", "sub/a_depth_color.png"]
    assert list_files(tmp_path / "pixio-results") == expected
    assert "2 of 3 photos done, 1 failed, results in pixio-results" in output
    assert output.count("Failed: ") == 1
    assert "Failed: holiday/b.jpg: 'holiday/b.jpg' is not an image" in output
    assert "Left out as 1 result of former runs, such as holiday/sub/b_depth_color.png" in output


def test_results_inside_of_the_folder_are_not_taken_for_photos(models, tmp_path):
    save_photo(tmp_path / "a.png")
    arguments = ("features", tmp_path, "-r", "--model", models["pretraining"], "--size", 64)
    for out in (tmp_path, tmp_path / "results"):
        assert "1 of 1 photo done" in run(*arguments, "--output_dir", out)
        assert "1 of 1 photo done" in run(*arguments, "--output_dir", out, "--overwrite")
    assert list_files(tmp_path) == ["a.png", "a_features.png", "results/a_features.png"]
    output = run("features", f"{tmp_path}/*/*", "--model", models["pretraining"], "--out", tmp_path / "x", exit_code=2)
    assert "no photo" in output
    assert "Left out as 1 result" in output


def test_results_that_exist_are_kept_or_replaced_as_asked(models, tmp_path, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    save_photo(folder / "a.png")
    save_photo(folder / "b.png", 1)
    arguments = ("depth", folder, "--out", out, "--model", models["depth"])
    run(*arguments)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "a_depth.png").unlink()
    (out / "b_depth.png").write_bytes(b"mine")
    assert "--overwrite to replace them, --skip-existing to keep them" in run(*arguments, exit_code=2)
    output = run(*arguments, "--skip-existing")
    assert "1 of 2 photos done, 1 skipped as the results exist, results in" in output
    assert (out / "a_depth.png").read_bytes() == before["a_depth.png"]
    assert (out / "b_depth.png").read_bytes() == b"mine"
    assert "2 of 2 photos done, results in" in run(*arguments, "--overwrite")
    assert (out / "b_depth.png").read_bytes() == before["b_depth.png"]
    # Where there is nothing to do, no model is loaded.
    monkeypatch.setattr("pixio_hf_cli.depth.load_depth_model", None)
    assert "0 of 2 photos done, 2 skipped" in run(*arguments, "--skip-existing")
    assert "not both" in run(*arguments, "--skip-existing", "--overwrite", exit_code=2)


def test_features_have_the_same_colours_when_a_second_call_goes_on(models, tmp_path):
    for seed, name in enumerate("abc"):
        save_photo(tmp_path / "in" / f"{name}.png", seed)
    out = tmp_path / "out"
    arguments = ("features", tmp_path / "in", "--out", out, "--model", models["pretraining"], "--size", 64)
    run(*arguments)
    before = (out / "b_features.png").read_bytes()
    (out / "b_features.png").unlink()
    assert "1 of 3 photos done, 2 skipped" in run(*arguments, "--skip-existing")
    assert (out / "b_features.png").read_bytes() == before


def test_a_batch_gives_the_maps_of_its_photos(models, tmp_path):
    for seed in range(3):
        save_photo(tmp_path / "in" / f"{seed}.png", seed)
    save_photo(tmp_path / "in" / "portrait.png", 9, (90, 60))
    results, losses = [], []
    for batch_size in (1, 4):
        out = tmp_path / str(batch_size)
        options = ("--out", out, "--batch-size", batch_size)
        run("depth", tmp_path / "in", "--npy", "--model", models["depth"], *options)
        run("features", tmp_path / "in", "--size", 64, "--model", models["pretraining"], *options)
        output = run("reconstruct", tmp_path / "in", "--model", models["pretraining"], *options)
        losses.append([float(loss) for loss in re.findall(r"loss (\d\.\d+)", output)])
        results.append({path.name: np.load(path) for path in sorted(out.glob("*.npy"))})
        results[-1] |= {path.name: read_pixels(path) for path in sorted(out.glob("*[ns].png"))}
    single, batched = results
    assert len(single) == 12
    assert len(losses[0]) == 4
    np.testing.assert_allclose(*losses, atol=2e-4)
    for name, values in single.items():
        if name.endswith(".npy"):
            np.testing.assert_allclose(batched[name], values, atol=1e-5)
            assert np.ptp(values) > 1e-4
        else:
            assert np.abs(batched[name].astype(int) - values).mean() < 0.05, name


def read_pixels(path: Path) -> np.ndarray:
    return np.asarray(PIL.Image.open(path).convert("RGB"))


def test_depth_in_3d_agrees_with_its_metres(models, tmp_path):
    photo, out = save_photo(tmp_path / "a.png"), tmp_path / "out"
    options = ("--out", out, "--model", models["depth"], "--npy", "--npz", "--ply", "--glb")
    output = run("depth", photo, *options, "--fov", 90)
    assert "focal length" not in output
    names = ["a_depth.npy", "a_depth.npz", "a_depth.png", "a_depth_color.png", "a_mesh.glb", "a_points.ply"]
    assert list_files(out) == names
    arrays = np.load(out / "a_depth.npz")
    metres = np.load(out / "a_depth.npy")
    np.testing.assert_array_equal(arrays["depth"], metres)
    np.testing.assert_array_equal(
        np.rint(1000 * metres.astype(float)), np.asarray(PIL.Image.open(out / "a_depth.png"))
    )
    assert arrays["intrinsics"].tolist() == pytest.approx(np.array([[45, 0, 44.5], [0, 45, 29.5], [0, 0, 1]]))
    # A random model has no jumps: every pixel is a point.
    rows, columns = np.mgrid[:60, :90]
    points = np.stack(((columns - 44.5) / 45, (rows - 29.5) / 45, np.ones((60, 90))), -1) * metres[..., None]
    np.testing.assert_allclose(arrays["points"], points.reshape(-1, 3), rtol=1e-4)
    np.testing.assert_array_equal(arrays["colors"], read_pixels(photo).reshape(-1, 3))
    cloud = trimesh.load(out / "a_points.ply")
    np.testing.assert_allclose(cloud.vertices, arrays["points"], rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(cloud.colors)[:, :3], arrays["colors"])
    (mesh,) = trimesh.load(out / "a_mesh.glb").geometry.values()
    np.testing.assert_allclose(mesh.vertices, arrays["points"] * (1, -1, -1), rtol=1e-5)
    assert len(mesh.faces) == 2 * 59 * 89
    np.testing.assert_array_equal(np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")), read_pixels(photo))


def test_where_the_focal_length_comes_from_is_told(models, tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    exif[0x8769] = {0xA405: 26}  # millimetres on 35 mm film
    photo = save_photo(tmp_path / "phone.jpg", exif=exif)
    plain = save_photo(tmp_path / "plain.png")
    output = run("depth", photo, plain, "--npz", "--out", tmp_path, "--model", models["depth"])
    assert f"{photo}: focal length 65 pixels, from EXIF: 26 mm on 35 mm film." in output
    assert f"{plain}: focal length 78 pixels, assumed: 60 degrees across the longer side" in output
    assert np.load(tmp_path / "phone_depth.npz")["depth"].shape == (90, 60)
    assert np.load(tmp_path / "phone_depth.npz")["intrinsics"][0, 0] == pytest.approx(
        26 / 43.267 * np.hypot(60, 90), 1e-3
    )
    arguments = ("depth", plain, "--out", tmp_path / "out", "--model", models["depth"])
    assert "--fov belongs to" in run(*arguments, "--fov", 60, exit_code=2)
    assert "1" in run(*arguments, "--glb", "--fov", 200, exit_code=2)
    assert not (tmp_path / "out").exists()


def test_photos_at_addresses(models, tmp_path, monkeypatch):
    photo, model = save_photo(tmp_path / "a.png"), ("--model", models["depth"])
    encoder = ("--model", models["pretraining"], "--size", 64)
    with running_photo_server() as server:
        server.contents["/some/photo.png?w=1"] = photo.read_bytes()
        address = f"{server.url}/some/photo.png?w=1"
        refused = run("depth", address, "--out", tmp_path / "no", *model, exit_code=1)
        assert "0 of 1 photo done, 1 failed" in refused
        assert "is not on the public internet" in refused
        assert not (tmp_path / "no").exists()
        assert not server.requests
        inputs = (address, f"{server.url}/absent.png", photo)
        output = run("depth", *inputs, "--out", tmp_path, *model, "--allow-private-addresses", exit_code=1)
        assert "2 of 3 photos done, 1 failed" in output
        assert "absent.png cannot be fetched: the server answered 404." in output
        server.requests.clear()
        run("features", address, "--out", tmp_path, *encoder, "--allow-private-addresses")
        assert len(server.requests) == 1, "features reads photos twice, but fetches them once"
        monkeypatch.setattr(read_limits, "MAX_IMAGE_BYTES", 1000)
        output = run("depth", address, "--out", tmp_path / "no", *model, "--allow-private-addresses", exit_code=1)
        assert "larger than 1000 bytes" in output
        assert not (tmp_path / "no").exists()
    photo_map, address_map = (np.asarray(PIL.Image.open(tmp_path / f"{name}_depth.png")) for name in ("a", "photo"))
    np.testing.assert_array_equal(photo_map, address_map)
    assert (tmp_path / "photo_features.png").is_file()


def test_photos_of_iphones(models, tmp_path):
    heif = pytest.importorskip("pillow_heif")
    PIL.Image.init()
    photo = PIL.Image.open(save_photo(tmp_path / "a.png", size=(64, 96)))
    heif.from_pillow(photo).save(tmp_path / "b.HEIC")
    output = run("depth", tmp_path, "--out", tmp_path / "out", "--model", models["depth"])
    assert "2 of 2 photos done" in output
    with PIL.Image.open(tmp_path / "out" / "b_depth.png") as depth:
        assert depth.size == (96, 64)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems want names that are text")
def test_odd_names(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    for name in ("-v.png", "a b*.png", "ümläut.png", os.fsdecode(b"caf\xe9.png")):
        save_photo(folder / name)
    output = run("depth", "in", "--out", "out", "--model", models["depth"])
    assert "4 of 4 photos done" in output
    assert len(list_files(tmp_path / "out")) == 8
    monkeypatch.chdir(folder)
    assert "1 of 1 photo done" in run("depth", "[-]*.png", "--out", "../second", "--model", models["depth"])
    assert list_files(tmp_path / "second") == ["-v_depth.png", "-v_depth_color.png"]


def test_panoramas_are_drawn_one_below_the_other(models, tmp_path):
    photo = save_photo(tmp_path / "wide.png", size=(30, 150))
    run("depth", photo, "--out", tmp_path, "--model", models["depth"])
    run("features", photo, "--out", tmp_path, "--model", models["pretraining"], "--size", 64)
    run("reconstruct", photo, "--out", tmp_path, "--model", models["pretraining"])
    for name in ("depth_color", "features", "reconstruction"):
        width, height = PIL.Image.open(tmp_path / f"wide_{name}.png").size
        assert 0.8 < width / height < 3, name


def test_many_photos_find_their_colours_in_an_even_choice(models, tmp_path, monkeypatch):
    for seed in range(7):
        save_photo(tmp_path / "in" / f"{seed}.png", seed, (64, 64))
    (tmp_path / "in" / "3.png").write_bytes(b"no photo")
    monkeypatch.setattr("pixio_hf_cli.features_task.MAX_TOKEN_BYTES", 2 * 4 * 32 * 16)  # of two photos
    read = []
    from pixio_hf_cli.features_task import EncodeTask

    really = EncodeTask.write
    monkeypatch.setattr(
        EncodeTask, "write", lambda *given: (read.append(given[1].job.source.result_name), really(*given))
    )
    arguments = ("features", tmp_path / "in", "--out", tmp_path / "out", "--model", models["pretraining"])
    output = run(*arguments, "--size", 64, "--batch-size", 2, exit_code=1)
    assert read == ["0", "4"]
    assert "6 of 7 photos done, 1 failed" in output
    assert len(list_files(tmp_path / "out")) == 6


@pytest.mark.parametrize(("option", "package", "extra"), [("--glb", "trimesh", "3d"), ("--ply", "trimesh", "3d")])
def test_a_missing_extra_is_told_before_any_work(models, tmp_path, monkeypatch, option, package, extra):
    from importlib.util import find_spec

    monkeypatch.setattr(
        "pixio_hf_cli.early_checks.find_spec", lambda name: None if name == package else find_spec(name)
    )
    photo = save_photo(tmp_path / "a.png")
    output = run("depth", photo, option, "--out", tmp_path / "out", "--model", models["depth"], exit_code=2)
    assert f"pip install 'pixio-hf[{extra}]'" in output
    assert not (tmp_path / "out").exists()


def test_nothing_found_is_an_error(models, tmp_path):
    (tmp_path / "empty").mkdir()
    for given, message in (
        (tmp_path / "empty", "holds no photo"),
        (f"{tmp_path}/*.jpg", "as a pattern it matches no"),
    ):
        output = run("depth", given, "--out", tmp_path / "out", "--model", models["depth"], exit_code=2)
        assert message in output
        assert output.startswith("Error: ")
    assert not (tmp_path / "out").exists()
