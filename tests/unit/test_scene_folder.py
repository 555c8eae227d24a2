# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The files of a reconstructed scene, read back by the programs they are for."""

import io
import json

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf.geometry import world_to_camera
from pixio_hf.visualization.scene_folder import SceneResult, is_graded, name_views
from pixio_hf.visualization.scene_picture import draw_scene, join_photos
from tests.scene_files import true_scene

NUM_VIEWS = 3


@pytest.fixture(scope="module")
def result() -> SceneResult:
    return true_scene(NUM_VIEWS)


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    result.write(folder, {"model": "truth"}, max_points=9000)
    return folder


def test_colmap_reads_the_same_cameras_and_points(result, folder):
    pycolmap = pytest.importorskip("pycolmap")
    model = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert sorted(image.name for image in model.images.values()) == ["room_0.jpg", "room_1.jpg", "room_2.jpg"]
    pixels = {}
    for image in model.images.values():
        view = int(image.name[5])
        camera = model.cameras[image.camera_id]
        photo = PIL.Image.open(folder / "images" / image.name)
        assert (camera.width, camera.height) == photo.size == result.photos[view].size
        pixels[view] = image
    points = result.scene["pointmaps"][0][result.scene["mask"][0]][::97].double()
    for view, image in pixels.items():
        pose = world_to_camera(result.scene["camera_to_world"][view].double())
        local = points @ pose[:3, :3].T + pose[:3, 3]
        in_front = local[:, 2] > 0.1
        projected = local[in_front] @ result.scene["intrinsics"][view].double().T
        expected = (projected[:, :2] / projected[:, 2:]).numpy() + 0.5  # COLMAP counts from the pixel's corner
        got = np.array([image.project_point(point) for point in points[in_front].numpy()])
        np.testing.assert_allclose(got, expected, atol=0.01)
    # The points of a view lie on the pixels of its photo that they were made of.
    rows, columns = np.nonzero(result.scene["mask"][1].numpy())
    chosen = slice(None, None, 101)
    own = result.scene["pointmaps"][1].numpy()[rows, columns][chosen].astype(np.float64)
    got = np.array([pixels[1].project_point(point) for point in own]) - 0.5
    np.testing.assert_allclose(got, np.stack((2 * columns + 20.5, 2 * rows + 0.5), 1)[chosen], atol=0.02)
    cloud = model.points3D.values()
    assert 8000 < len(cloud) < 10000
    assert {point.color.dtype for point in cloud} == {np.dtype(np.uint8)}


def test_glb_and_ply_hold_points_and_cameras(result, folder):
    trimesh = pytest.importorskip("trimesh")
    cloud = trimesh.load(folder / "scene.ply")
    assert 8000 < len(cloud.vertices) < 10000
    known = result.scene["pointmaps"][result.scene["mask"]].numpy()
    np.testing.assert_allclose(cloud.vertices.min(0), known.min(0), atol=0.1)
    np.testing.assert_allclose(cloud.vertices.max(0), known.max(0), atol=0.1)
    scene = trimesh.load(folder / "scene.glb")
    clouds = [part for name, part in scene.geometry.items() if name.startswith("points")]
    frusta = [part for name, part in scene.geometry.items() if name.startswith("camera")]
    assert len(clouds) == len(frusta) == NUM_VIEWS
    assert sum(len(part.vertices) for part in clouds) == len(cloud.vertices)


def test_arrays_and_description(result, folder):
    arrays = np.load(folder / "scene.npz")
    np.testing.assert_array_equal(arrays["pointmaps"], result.scene["pointmaps"].numpy())
    assert arrays["names"].tolist() == ["room_0.jpg", "room_1.jpg", "room_2.jpg"]
    assert arrays["sizes"].tolist() == 3 * [[192, 232]]
    about = json.loads((folder / "scene.json").read_text())
    assert about["model"] == "truth"
    assert about["doubts"] == []
    for view in about["views"]:
        assert view["usable"] > 0.5
        assert 0.3 < view["confirmed"] <= 1
        np.testing.assert_allclose(view["intrinsics"][0][2], 232 / 2 - 0.5, atol=0.01)


def test_picture(result):
    picture = draw_scene(result.views, result.shapes(), result.cameras(), "A room", "Small print.")
    drawn = np.asarray(PIL.Image.open(io.BytesIO(picture)).convert("RGB"))
    assert drawn.shape[1] > 1000
    assert join_photos(result.views).shape == (96, 4 * 96, 3)
    with pytest.raises(ValueError, match="no points"):
        draw_scene(result.views, [], result.cameras())


def test_doubts(result):
    assert result.find_doubts() == []
    twice = SceneResult(result.views[[0, 0]], result.photos[:2], result.names[:2], pick(result, [0, 0]))
    assert "the same picture" in twice.find_doubts()[0]
    apart = pick(result, [0, 1])
    apart["camera_to_world"] = apart["camera_to_world"].clone()
    apart["camera_to_world"][1] = apart["camera_to_world"][1] @ torch.diag(torch.tensor([-1.0, 1, -1, 1]))
    turned = SceneResult(result.views[:2], result.photos[:2], result.names[:2], apart)
    assert any("place of such a view is a guess" in doubt for doubt in turned.find_doubts())
    broken = pick(result, [0, 1])
    broken["intrinsics"] = torch.full((2, 3, 3), torch.nan)
    broken["mask"] = torch.zeros_like(broken["mask"])
    doubts = SceneResult(result.views[:2], result.photos[:2], result.names[:2], broken).find_doubts()
    assert any("no pinhole" in doubt for doubt in doubts)
    assert any("usable" in doubt for doubt in doubts)


def pick(result: SceneResult, views: list[int]) -> dict[str, torch.Tensor]:
    return {name: value if value.dim() == 0 else value[views] for name, value in result.scene.items()}


def test_names_that_files_and_colmap_can_hold():
    assert name_views(["a b", "a b", "A_b", "x/y", "ä.ö", "\n", "..", "a_b_2"]) == [
        "a_b",
        "a_b_2",
        "A_b_3",
        "x_y",
        "ä.ö",
        "view",
        "view_2",
        "a_b_2_2",
    ]


def test_a_model_that_does_not_tell_its_points_apart_keeps_them_all():
    graded = torch.linspace(1, 2, 64).reshape(1, 8, 8)
    assert is_graded(graded, 10.0)
    assert not is_graded(torch.ones(1, 8, 8), 10.0)
    half = graded.clone()
    half[0, :4] = 1
    assert not is_graded(half, 10.0)
    assert is_graded(half, 60.0)
    assert not is_graded(torch.cat([graded, half]), 10.0)
