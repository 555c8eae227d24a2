# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Points and meshes of depth maps, and the files they are written to, read back."""

import json
import sys

import numpy as np
import pytest
import torch
import trimesh

from pixio_hf.cameras import Camera, make_intrinsics
from pixio_hf.geometry import pose_matrix, quaternion_to_matrix, rays_of_intrinsics
from pixio_hf.visualization.point_clouds import Shape, as_points, join_points, shape_of_depth, unproject_depth
from pixio_hf.visualization.scene_files import write_colmap, write_scene

HEIGHT, WIDTH = 12, 16
INTRINSICS = make_intrinsics(20.0, HEIGHT, WIDTH)
PHOTO = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH), dtype=np.uint8)
POSE = pose_matrix(torch.tensor([0.1, -0.2, 0.3, 0.9]), torch.tensor([1.0, 2.0, -3.0])).numpy()


def slanted_depth() -> np.ndarray:
    """A wall that recedes to the right, 2 to 2.3 m."""
    return np.tile(np.linspace(2, 2.3, WIDTH, dtype=np.float32), (HEIGHT, 1))


def two_walls() -> np.ndarray:
    """1 m on the left half, 3 m on the right."""
    depth = np.ones((HEIGHT, WIDTH), np.float32)
    depth[:, WIDTH // 2 :] = 3
    return depth


def camera(name: str = "a.jpg", pose: np.ndarray = POSE) -> Camera:
    return Camera(INTRINSICS, HEIGHT, WIDTH, pose, name)


def read_glb(path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])


@pytest.mark.parametrize("pose", [None, POSE])
def test_points_lie_on_the_rays_of_their_pixels(pose):
    depth = slanted_depth()
    points = unproject_depth(depth, INTRINSICS, pose)
    rays = rays_of_intrinsics(torch.from_numpy(INTRINSICS), HEIGHT, WIDTH).numpy()
    expected = rays / rays[..., 2:] * depth[..., None]
    if pose is not None:
        expected = expected @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(points, expected, atol=1e-5)


def test_a_smooth_surface_is_one_mesh_that_faces_the_camera():
    shape = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS)
    assert shape.faces is not None
    assert len(shape.points) == HEIGHT * WIDTH
    assert len(shape.faces) == 2 * (HEIGHT - 1) * (WIDTH - 1)
    np.testing.assert_array_equal(shape.colors, PHOTO.reshape(3, -1).T)
    first, second, third = (shape.points[shape.faces[:, corner]] for corner in range(3))
    normals = np.cross(second - first, third - first)
    assert ((normals * first).sum(axis=-1) < 0).all()


def test_triangles_are_cut_where_depth_jumps():
    depth = two_walls()
    shape = shape_of_depth(depth, PHOTO, INTRINSICS)
    assert shape.faces is not None
    assert len(shape.faces) == 2 * (HEIGHT - 1) * (WIDTH - 2)
    corners = shape.points[shape.faces][..., 2]
    assert (corners.max(axis=1) == corners.min(axis=1)).all()
    assert len(shape_of_depth(depth, PHOTO, INTRINSICS, max_jump=2.01).faces) == 2 * (HEIGHT - 1) * (WIDTH - 1)
    # The limit is a share of the nearest corner: a step of 4 % stays, one of 6 % goes.
    for step, is_cut in ((1.04, False), (1.06, True)):
        depth[:, WIDTH // 2 :] = step
        assert (len(shape_of_depth(depth, PHOTO, INTRINSICS).faces) < 2 * (HEIGHT - 1) * (WIDTH - 1)) == is_cut


def test_points_that_float_between_surfaces_are_left_out():
    depth = two_walls()
    depth[:, WIDTH // 2] = 2
    assert set(shape_of_depth(depth, PHOTO, INTRINSICS).points[:, 2]) == {1, 3}
    depth[:, WIDTH // 2 + 1] = 2  # two columns are a surface of their own
    assert set(shape_of_depth(depth, PHOTO, INTRINSICS).points[:, 2]) == {1, 2, 3}


@pytest.mark.parametrize("unknown", [0.0, -1.0, np.nan, np.inf])
def test_unknown_depth_gives_no_points(unknown):
    depth = slanted_depth()
    depth[3, 4] = unknown
    shape = shape_of_depth(depth, PHOTO, INTRINSICS)
    assert len(shape.points) == HEIGHT * WIDTH - 1
    assert len(shape.faces) == 2 * (HEIGHT - 1) * (WIDTH - 1) - 6
    assert np.isfinite(shape.points).all()


def test_only_pixels_to_keep():
    keep = np.zeros((HEIGHT, WIDTH), bool)
    keep[2:4, 5:8] = True
    shape = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS, keep=keep)
    assert len(shape.points) == 6
    assert len(shape.faces) == 4
    np.testing.assert_array_equal(shape.colors, PHOTO[:, 2:4, 5:8].reshape(3, -1).T)
    nothing = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS, keep=~(keep | True))
    assert len(nothing.points) == len(nothing.faces) == 0


def test_large_pictures_are_sampled_at_their_own_pixels():
    depth = slanted_depth()
    shape = shape_of_depth(depth, PHOTO, INTRINSICS, max_points=50)
    picked = np.s_[1::2, 1::2]
    np.testing.assert_allclose(shape.points, unproject_depth(depth, INTRINSICS)[picked].reshape(-1, 3), rtol=1e-6)
    np.testing.assert_array_equal(shape.colors, PHOTO[:, 1::2, 1::2].reshape(3, -1).T)
    # The photo stays whole, and each point lies at the middle of its pixel.
    assert shape.photo.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(shape.photo_places[0] * (WIDTH, HEIGHT), (1.5, 1.5))


def test_a_panorama_is_sampled_too():
    depth = np.ones((40, 3000), np.float32)
    shape = shape_of_depth(depth, np.zeros((3, 40, 3000), np.uint8), make_intrinsics(900, 40, 3000), max_points=1600)
    assert 1000 < len(shape.points) <= 1600


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"photo": PHOTO[:, :4]}, "photo"),
        ({"photo": PHOTO.astype(np.float32)}, "uint8"),
        ({"intrinsics": np.eye(4)}, "intrinsics"),
        ({"keep": np.ones((2, 2), bool)}, "keep"),
        ({"max_jump": 0}, "max_jump"),
        ({"max_points": 1}, "max_points"),
    ],
)
def test_what_does_not_fit_together(arguments, message):
    with pytest.raises(ValueError, match=message):
        shape_of_depth(**{"depth": slanted_depth(), "photo": PHOTO, "intrinsics": INTRINSICS, **arguments})


def test_ply_of_points_and_of_a_mesh(tmp_path):
    shape = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS)
    write_scene(tmp_path / "points.ply", [as_points(shape)])
    cloud = trimesh.load(tmp_path / "points.ply")
    np.testing.assert_array_equal(cloud.vertices, shape.points)
    np.testing.assert_array_equal(cloud.colors[:, :3], shape.colors)
    write_scene(tmp_path / "mesh.ply", [shape])
    mesh = trimesh.load(tmp_path / "mesh.ply", process=False)
    np.testing.assert_array_equal(mesh.faces, shape.faces)
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], shape.colors)
    write_scene(tmp_path / "both.PLY", [as_points(shape), shape])
    assert len(trimesh.load(tmp_path / "both.PLY", file_type="ply").vertices) == 2 * HEIGHT * WIDTH


def test_glb_of_a_mesh_has_gltf_axes_and_the_photo(tmp_path):
    shape = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS)
    write_scene(tmp_path / "a.glb", [shape])
    (mesh,) = trimesh.load(tmp_path / "a.glb", process=False).geometry.values()
    np.testing.assert_array_equal(mesh.vertices, shape.points * [1, -1, -1])
    np.testing.assert_array_equal(mesh.faces, shape.faces)
    assert mesh.vertices[0, 1] > 0  # the photo's first row is up
    assert (mesh.vertices[:, 2] < 0).all()  # before a camera that looks along -z
    texture = np.asarray(mesh.visual.material.baseColorTexture)
    np.testing.assert_array_equal(texture, np.moveaxis(PHOTO, 0, -1))
    # What trimesh samples at a point is that point's pixel.
    np.testing.assert_array_equal(mesh.visual.to_color().vertex_colors[:, :3], shape.colors)
    tree = read_glb(tmp_path / "a.glb")
    assert tree["extensionsUsed"] == ["KHR_materials_unlit"]
    assert all(material["extensions"] == {"KHR_materials_unlit": {}} for material in tree["materials"])


def test_glb_of_points_is_in_linear_light(tmp_path):
    colors = np.array([[0, 255, 188], [10, 128, 55]], np.uint8)
    write_scene(tmp_path / "a.glb", [Shape(np.array([[1, 2, 3], [4, 5, 6]], np.float32), colors)])
    (cloud,) = trimesh.load(tmp_path / "a.glb").geometry.values()
    np.testing.assert_array_equal(cloud.vertices, [[1, -2, -3], [4, -5, -6]])
    # 188 is half of the light of 255.
    np.testing.assert_array_equal(cloud.colors[:, :3], [[0, 255, 128], [1, 55, 10]])


def test_glb_with_cameras(tmp_path):
    shape = as_points(shape_of_depth(slanted_depth(), PHOTO, INTRINSICS, POSE))
    write_scene(tmp_path / "a.glb", [shape], [camera(), camera(pose=np.eye(4, dtype=np.float32))])
    geometry = trimesh.load(tmp_path / "a.glb").geometry
    assert list(geometry) == ["points_0", "camera_0", "camera_1"]
    np.testing.assert_allclose(geometry["camera_0"].vertices[0] * [1, -1, -1], POSE[:3, 3], atol=1e-6)
    # Corners of the picture's outer pixels, seen from a camera that is not turned.
    corners = geometry["camera_1"].vertices * [1, -1, -1]
    far = corners[corners[:, 2] > 0]
    assert far[:, 2].std() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(np.abs(far[:, 0] / far[:, 2]), WIDTH / 2 / 20, rtol=1e-5)
    np.testing.assert_allclose(np.abs(far[:, 1] / far[:, 2]), HEIGHT / 2 / 20, rtol=1e-5)


def test_npz_holds_points_and_cameras(tmp_path):
    shape = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS)
    write_scene(tmp_path / "a.npz", [shape], [camera(), camera("b.jpg")])
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["points"], shape.points)
        np.testing.assert_array_equal(arrays["colors"], shape.colors)
        np.testing.assert_array_equal(arrays["intrinsics"], [INTRINSICS] * 2)
        np.testing.assert_array_equal(arrays["camera_to_world"], [POSE] * 2)
        np.testing.assert_array_equal(arrays["sizes"], [[HEIGHT, WIDTH]] * 2)


def test_colmap_projects_points_onto_their_pixels(tmp_path):
    depth = slanted_depth()
    shape = shape_of_depth(depth, PHOTO, INTRINSICS, POSE)
    write_colmap(tmp_path / "sparse", [camera(), camera("with space.jpg", np.eye(4, dtype=np.float32))], [shape])
    lines = {
        name: [line for line in (tmp_path / "sparse" / f"{name}.txt").read_text().splitlines() if line[:1] != "#"]
        for name in ("cameras", "images", "points3D")
    }
    number, model, width, height, *parameters = lines["cameras"][0].split()
    assert (number, model, width, height) == ("1", "PINHOLE", str(WIDTH), str(HEIGHT))
    focal_x, focal_y, centre_x, centre_y = map(float, parameters)
    assert len(lines["images"]) == 4  # a line of points follows each, empty here
    assert lines["images"][1::2] == ["", ""]
    number, *pose, camera_number, name = lines["images"][0].split(maxsplit=9)
    assert (number, camera_number, name) == ("1", "1", "a.jpg")
    assert lines["images"][2].endswith(" 2 with space.jpg")
    w, x, y, z = map(float, pose[:4])
    rotation = quaternion_to_matrix(torch.tensor([x, y, z, w], dtype=torch.float64)).numpy()
    points = np.array([line.split()[1:4] for line in lines["points3D"]], float)
    colors = np.array([line.split()[4:7] for line in lines["points3D"]], int)
    seen = points @ rotation.T + np.array(pose[4:], float)
    np.testing.assert_allclose(seen[:, 2], depth.ravel(), atol=1e-4)
    pixels = seen[:, :2] / seen[:, 2:] * (focal_x, focal_y) + (centre_x, centre_y)
    rows, columns = np.divmod(np.arange(HEIGHT * WIDTH), WIDTH)
    np.testing.assert_allclose(pixels, np.stack((columns + 0.5, rows + 0.5), axis=-1), atol=1e-3)
    np.testing.assert_array_equal(colors, shape.colors)


@pytest.mark.parametrize("names", [[], [""], ["a.jpg", "a.jpg"], ["a\nb.jpg"]])
def test_colmap_needs_a_name_for_each_picture(tmp_path, names):
    with pytest.raises(ValueError, match="name of its picture"):
        write_colmap(tmp_path / "sparse", [camera(name) for name in names])
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_where_there_is_nothing_to_see(tmp_path):
    with pytest.raises(ValueError, match="would be empty"):
        write_scene(tmp_path / "a.ply", [join_points([])])
    with pytest.raises(ValueError, match=r"must end in \.glb, \.npz, \.ply"):
        write_scene(tmp_path / "a.obj", [shape_of_depth(slanted_depth(), PHOTO, INTRINSICS)])
    assert not list(tmp_path.iterdir())


def test_without_trimesh_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    shape = shape_of_depth(slanted_depth(), PHOTO, INTRINSICS)
    for ending in ("ply", "glb"):
        with pytest.raises(ValueError, match=r"pip install 'pixio-hf\[3d\]'"):
            write_scene(tmp_path / f"a.{ending}", [shape])
    write_scene(tmp_path / "a.npz", [shape])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
