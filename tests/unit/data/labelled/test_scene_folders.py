# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Photographed scenes in folders: our cameras.json and MapAnything's scene_meta.json, and everything that can be wrong."""

import json

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf.data.labelled.scene_descriptions import read_scene
from pixio_hf.data.labelled.scene_folders import SceneFolders
from pixio_hf.data.labelled.view_dataset import ViewDataset
from pixio_hf.synthetic.views import render_views
from tests.scene_files import write_scene

SIZE = 64


@pytest.fixture(scope="module")
def rendered():
    return render_views(20_000_003, 3, SIZE)


@pytest.mark.parametrize(("ending", "tolerance"), [(".npy", 0.0), (".png", 5.1e-4)])
def test_a_written_scene_reads_as_it_was(tmp_path, rendered, ending, tolerance):
    write_scene(tmp_path / "a", rendered, ending)
    scenes = SceneFolders(tmp_path, size=(SIZE, SIZE))
    views = scenes.load(0, [2, 0])
    assert torch.equal(views.images, rendered.images[[2, 0]])
    torch.testing.assert_close(views.depth, rendered.depth[[2, 0]], atol=tolerance, rtol=0)
    torch.testing.assert_close(views.intrinsics, rendered.intrinsics[[2, 0]], atol=1e-3, rtol=0)
    relative = torch.linalg.inv(rendered.camera_to_world[2]) @ rendered.camera_to_world[0]
    torch.testing.assert_close(views.camera_to_world, torch.stack((torch.eye(4), relative)), atol=1e-5, rtol=0)
    assert scenes.is_metric(0)
    assert scenes.is_synthetic(0)
    np.testing.assert_allclose(scenes.covisibility(0), rendered.covisibility.numpy(), atol=0.02)


def test_scene_meta_reads_the_same(tmp_path, rendered):
    write_scene(tmp_path / "ours", rendered)
    write_scene(tmp_path / "theirs" / "scene", rendered, with_meta=True)
    ours, theirs = SceneFolders(tmp_path / "ours"), SceneFolders(tmp_path / "theirs")
    assert ours.size == theirs.size == (512, 512)
    for a, b in zip(ours.load(0, [0, 1, 2]), theirs.load(0, [0, 1, 2]), strict=True):
        torch.testing.assert_close(a, b)
    assert theirs.is_metric(0)
    assert not theirs.is_synthetic(0)


def test_other_sizes_keep_the_geometry(tmp_path, rendered):
    """Views that were cropped and scaled still see the same of each other."""
    write_scene(tmp_path / "a", rendered)
    views = SceneFolders(tmp_path, size=(48, 96)).load(0, [0, 1])
    assert views.images.shape == (2, 3, 48, 96)
    assert views.depth.shape == (2, 48, 96)
    row, column = 24, 50
    depth = views.depth[0, row, column]
    ray = torch.linalg.inv(views.intrinsics[0]) @ torch.tensor([column, row, 1.0])
    original = rendered.intrinsics[0] @ (ray / ray[2])
    # The nearest pixel of the original picture holds the same depth, up to the rounding of half a pixel.
    near = rendered.depth[0, int(original[1]) : int(original[1]) + 2, int(original[0]) : int(original[0]) + 2]
    assert (near - depth).abs().min() < 0.05 * depth


def test_stored_covisibility_is_read_and_computed_ones_are_cached(tmp_path, rendered, monkeypatch):
    write_scene(tmp_path / "data" / "a", rendered)
    cached = SceneFolders(tmp_path / "data", cache_dir=tmp_path / "cache").covisibility(0)
    monkeypatch.setattr(
        "pixio_hf.data.labelled.scene_folders.compute_covisibility", lambda scene: pytest.fail("again")
    )
    np.testing.assert_array_equal(
        SceneFolders(tmp_path / "data", cache_dir=tmp_path / "cache").covisibility(0), cached
    )
    stored = np.array([[1, 0.2, 0], [0.4, 1, 0], [0, 0, 1]], dtype=np.float32)
    np.save(tmp_path / "data" / "a" / "covisibility.npy", stored)
    np.testing.assert_allclose(
        SceneFolders(tmp_path / "data").covisibility(0), [[1, 0.3, 0], [0.3, 1, 0], [0, 0, 1]], atol=1e-6
    )
    np.save(tmp_path / "data" / "a" / "covisibility.npy", stored[:2])
    with pytest.raises(ValueError, match=r"covisibility\.npy must hold finite numbers for 3 x 3 pairs"):
        SceneFolders(tmp_path / "data").covisibility(0)


def test_covisibility_of_scene_meta_may_be_bare_numbers(tmp_path, rendered):
    folder = tmp_path / "a"
    content = write_scene(folder, rendered, with_meta=True)
    matrix = np.eye(3, dtype=np.float32)
    (folder / "covisibility").mkdir()
    matrix.tofile(folder / "covisibility" / "pairwise--3x3.npy")
    content["scene_modalities"]["pairwise_covisibility"] = {
        "scene_key": "covisibility/pairwise--3x3.npy",
        "format": "mmap",
    }
    (folder / "scene_meta.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(SceneFolders(tmp_path).covisibility(0), matrix)


def test_masks_make_depth_ambiguous(tmp_path, rendered):
    folder = tmp_path / "a"
    content = write_scene(folder, rendered)
    mask = np.full((SIZE, SIZE), 255, dtype=np.uint8)
    mask[:10] = 0
    PIL.Image.fromarray(mask).save(folder / "mask.png")
    content["views"][0]["mask"] = "mask.png"
    content["views"][1]["depth"] = None
    (folder / "cameras.json").write_text(json.dumps(content))
    views = SceneFolders(tmp_path, size=(SIZE, SIZE)).load(0, [0, 1])
    assert (views.depth[0, :10] == -1).all()
    assert (views.depth[0, 10:] >= 0).all()
    assert (views.depth[1] == 0).all()


def test_sets_of_views_are_fixed_and_differ(tmp_path, rendered):
    write_scene(tmp_path / "a", rendered)
    write_scene(tmp_path / "b", rendered)
    sets = ViewDataset(SceneFolders(tmp_path, size=(32, 32)), sets_per_scene=4)
    assert len(sets) == 8
    again = ViewDataset(SceneFolders(tmp_path, size=(32, 32)), sets_per_scene=4)
    assert all(torch.equal(sets[i]["pixel_values"], again[i]["pixel_values"]) for i in range(8))
    assert len({sets[i]["pixel_values"].sum().item() for i in range(8)}) > 1
    with pytest.raises(IndexError):
        sets[8]


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_in_view(key, value):
    return lambda content: content["views"][1].__setitem__(key, value)


BAD_CAMERAS = [
    (lambda content: content.__setitem__("views", []), "views must be a list of objects"),
    (lambda content: content.__setitem__("unit", "inch"), 'unit must be "metre" or "unknown"'),
    (lambda content: content.__setitem__("depth_scale", 0), "depth_scale must be a number above 0"),
    (lambda content: content.__setitem__("is_synthetic", 1), "is_synthetic must be true or false"),
    (lambda content: content.__setitem__("scale", 1), "names scale, but only"),
    (set_in_view("intrinsics", [1, 2, 3]), "view 1: intrinsics must be"),
    (set_in_view("intrinsics", [0, 2, 3, 4]), "view 1: focal lengths must be above 0"),
    (set_in_view("intrinsics", [[9, 1, 3], [0, 9, 3], [0, 0, 1]]), "view 1: a camera with skew"),
    (set_in_view("intrinsics", None), "view 1: intrinsics must hold finite numbers"),
    (set_in_view("camera_to_world", np.eye(3).tolist()), "view 1: camera_to_world must be a 4x4 matrix"),
    (set_in_view("camera_to_world", np.diag([1, -1, 1, 1.0]).tolist()), "view 1: camera_to_world mirrors the scene"),
    (set_in_view("camera_to_world", np.diag([2, 2, 2, 1.0]).tolist()), "is no rotation"),
    (set_in_view("camera_to_world", [["x"] * 4] * 4), "must hold finite numbers"),
    (set_in_view("image", "../secret.png"), "must lie in the scene's folder"),
    (set_in_view("image", 5), "image must be the path of a file"),
    (set_in_view("pose", 5), "view 1 names pose, but only"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CAMERAS)
def test_wrong_descriptions_name_file_and_view(tmp_path, rendered, change, message):
    write_scene(tmp_path / "a", rendered)
    edit(tmp_path / "a" / "cameras.json", change)
    with pytest.raises(ValueError, match=message) as raised:
        read_scene(tmp_path / "a")
    assert "cameras.json" in str(raised.value)


BAD_META = [
    (lambda content: content.__setitem__("camera_convention", "opengl"), "camera_convention must be opencv"),
    (lambda content: content["frames"][1].__setitem__("camera_model", "OPENCV"), "undistort it first"),
    (lambda content: [frame.pop("depth") for frame in content["frames"]], "no frame with depth"),
    (lambda content: content["frames"][1].pop("fl_x"), "frame 000001: intrinsics must hold finite numbers"),
    (lambda content: content["frames"][1].pop("transform_matrix"), "frame 000001: transform_matrix"),
]


@pytest.mark.parametrize(("change", "message"), BAD_META)
def test_wrong_scene_meta_names_file_and_frame(tmp_path, rendered, change, message):
    write_scene(tmp_path / "a", rendered, with_meta=True)
    edit(tmp_path / "a" / "scene_meta.json", change)
    with pytest.raises(ValueError, match=message) as raised:
        read_scene(tmp_path / "a")
    assert "scene_meta.json" in str(raised.value)


def test_frames_without_depth_are_left_out_of_scene_meta(tmp_path, rendered):
    write_scene(tmp_path / "a", rendered, with_meta=True)
    edit(tmp_path / "a" / "scene_meta.json", lambda content: content["frames"][1].pop("depth"))
    assert [frame.image.name for frame in read_scene(tmp_path / "a").frames] == ["000000.png", "000002.png"]


def test_missing_and_damaged_files_are_named(tmp_path, rendered):
    folder = tmp_path / "a"
    write_scene(folder, rendered)
    scenes = SceneFolders(tmp_path, size=(32, 32))
    (folder / "images" / "000000.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"000000\.png"):
        scenes.load(0, [0])
    (folder / "depth" / "000001.npy").unlink()
    with pytest.raises(ValueError, match=r"000001\.npy is missing"):
        scenes.load(0, [1])
    np.save(folder / "depth" / "000002.npy", np.ones((10, 64), dtype=np.float32))
    with pytest.raises(ValueError, match=r"000002\.npy is \(10, 64\)"):
        scenes.load(0, [2])
    (folder / "depth" / "000002.npy").write_bytes(b"\x93NUMPY nothing")
    with pytest.raises(ValueError, match=r"000002\.npy"):
        scenes.load(0, [2])
    (folder / "cameras.json").write_text("{")
    with pytest.raises(ValueError, match=r"cameras\.json is no JSON"):
        SceneFolders(tmp_path)


def test_folders_that_cannot_serve_are_refused(tmp_path, rendered):
    with pytest.raises(ValueError, match="is no folder of scenes"):
        SceneFolders(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no scene"):
        SceneFolders(tmp_path)
    write_scene(tmp_path / "a", rendered)
    with pytest.raises(ValueError, match="has 3 views, fewer than the 4"):
        SceneFolders(tmp_path, min_views=4)
    with pytest.raises(ValueError, match="holds neither"):
        SceneFolders(tmp_path, names=["b"])
