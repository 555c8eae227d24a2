# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Synthetic scenes: exact depth against closed forms in float64, determinism, mirrors, caches and streams."""

import json
import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pixio_hf.synthetic import (
    HELD_OUT_SEEDS,
    SCENE_GENERATOR_VERSION,
    TRAIN_SEEDS,
    SyntheticSceneDataset,
    build_scene,
    disk_cache,
    iterable_scenes,
    render_scene,
    render_scenes,
)
from pixio_hf.synthetic.raycasting import PixelGrid
from pixio_hf.synthetic.scenes import Camera, Material, Primitive, Scene, Shape
from pixio_hf.synthetic.tracing import trace_image

SIZE = 48
GRAY = Material((0.5, 0.5, 0.5))


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_scene(camera: Camera, primitives: list[Primitive], room_size=None) -> Scene:
    return Scene(
        camera=camera,
        shell=[GRAY] * (6 if room_size else 4),
        light_position=(2.0, 2.3, 2.0),
        light_strength=0.9,
        ambient=0.4,
        light_falloff=4.0,
        max_depth=10.0 if room_size else 80.0,
        room_size=room_size,
        primitives=primitives,
    )


def rays(camera: Camera, size: int = SIZE) -> np.ndarray:
    """World directions (H, W, 3) in float64 whose component along the optical axis is 1, built from three angles."""
    forward = np.array(
        [
            math.sin(camera.yaw) * math.cos(camera.pitch),
            math.sin(camera.pitch),
            math.cos(camera.yaw) * math.cos(camera.pitch),
        ]
    )
    level_right = np.array([math.cos(camera.yaw), 0.0, -math.sin(camera.yaw)])
    level_down = np.cross(level_right, forward)
    level_down *= -1 if level_down[1] > 0 else 1
    right = math.cos(camera.roll) * level_right + math.sin(camera.roll) * level_down
    down = math.cos(camera.roll) * level_down - math.sin(camera.roll) * level_right
    tangents = ((np.arange(size) + 0.5) / size * 2 - 1) * math.tan(camera.fov / 2)
    return forward + tangents[None, :, None] * right + tangents[:, None, None] * down


CAMERA = Camera((0.3, 1.6, -0.2), yaw=0.35, pitch=-0.2, roll=0.03, fov=math.radians(65))


def depth_of(scene: Scene) -> np.ndarray:
    return render_scene(scene, SIZE)[1].double().numpy()


def test_depth_of_the_ground_plane_is_the_closed_form():
    direction = rays(CAMERA)[..., 1]
    exact = np.where(direction < 0, -CAMERA.position[1] / np.where(direction < 0, direction, 1), np.inf)
    exact[exact > 80] = 0
    assert (exact == 0).any()
    assert (exact > 5).any()
    np.testing.assert_allclose(depth_of(make_scene(CAMERA, [])), exact, rtol=2e-5)


def test_depth_of_a_sphere_is_the_closed_form():
    center, radius = np.array([1.8, 1.4, 4.0]), 0.9
    direction, offset = rays(CAMERA), np.array(CAMERA.position) - np.array([1.8, 1.4, 4.0])
    a, b, c = (direction**2).sum(-1), (direction @ offset), offset @ offset - radius**2
    discriminant = b * b - a * c
    exact = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
    inside = discriminant > 1e-3
    assert inside.sum() > 100
    ball = Primitive(Shape.SPHERE, tuple(center), (radius, radius, radius), GRAY)
    depth, empty = depth_of(make_scene(CAMERA, [ball])), depth_of(make_scene(CAMERA, []))
    np.testing.assert_allclose(depth[inside], exact[inside], rtol=1e-5)
    outside = discriminant < -1e-3
    np.testing.assert_array_equal(depth[outside], empty[outside])


def test_depth_of_a_turned_box_is_the_nearest_of_its_faces():
    center, half, yaw = np.array([1.4, 0.9, 3.5]), np.array([0.5, 0.9, 0.3]), 0.6
    axes = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    direction, exact = rays(CAMERA), np.full((SIZE, SIZE), np.inf)
    margin = np.zeros((SIZE, SIZE), dtype=bool)
    for axis in range(3):
        for sign in (-1, 1):
            point = center + sign * half[axis] * axes[axis]
            distance = ((point - np.array(CAMERA.position)) @ axes[axis]) / (direction @ axes[axis])
            on_plane = np.abs((np.array(CAMERA.position) + distance[..., None] * direction - center) @ axes.T)
            others = [other for other in range(3) if other != axis]
            inside = (on_plane[..., others] <= half[others]).all(-1) & (distance > 0)
            margin |= (np.abs(on_plane[..., others] - half[others]) < 1e-4).any(-1)
            exact = np.where(inside & (distance < exact), distance, exact)
    hit = np.isfinite(exact) & ~margin
    assert hit.sum() > 100
    depth = depth_of(make_scene(CAMERA, [Primitive(Shape.BOX, tuple(center), tuple(half), GRAY, yaw=yaw)]))
    np.testing.assert_allclose(depth[hit], exact[hit], rtol=1e-5)


def test_depth_of_a_cylinder_meets_its_surface():
    center, radius, half_height = np.array([1.2, 0.5, 3.0]), 0.4, 0.5
    part = Primitive(Shape.CYLINDER, tuple(center), (radius, half_height, radius), GRAY)
    depth, empty = depth_of(make_scene(CAMERA, [part])), depth_of(make_scene(CAMERA, []))
    hit = depth != empty
    points = np.array(CAMERA.position) + depth[..., None] * rays(CAMERA) - center
    side = np.hypot(points[..., 0], points[..., 2]) - radius
    cap = np.abs(points[..., 1]) - half_height
    assert hit.sum() > 100
    np.testing.assert_allclose(np.maximum(side, cap)[hit], 0, atol=1e-5)


def test_depth_inside_a_room_is_the_nearest_wall():
    camera = Camera((1.0, 1.6, 1.2), 0.7, -0.15, -0.01, math.radians(70))
    size = np.array([5.0, 2.6, 6.0])
    direction, origin = rays(camera), np.array(camera.position)
    exact = np.where(direction > 0, (size - origin) / direction, -origin / direction).min(-1)
    np.testing.assert_allclose(depth_of(make_scene(camera, [], tuple(size))), exact, rtol=1e-5)


def test_a_mirror_has_the_depth_of_its_panel_and_shows_the_reflection():
    camera = Camera((2.0, 1.6, 1.0), 0.0, 0.0, 0.0, math.radians(70))
    panel = Primitive(Shape.BOX, (2.0, 1.5, 3.985), (0.6, 0.6, 0.015), GRAY, yaw=math.pi, is_mirror=True)
    red = Primitive(Shape.BOX, (2.0, 1.4, 0.2), (1.9, 1.3, 0.1), Material((0.9, 0.05, 0.05)), casts_shadow=False)
    with_red, without = make_scene(camera, [panel, red], (4.0, 2.8, 4.0)), make_scene(camera, [panel], (4.0, 2.8, 4.0))
    image, depth = render_scene(with_red, SIZE)
    middle = slice(SIZE // 2 - 5, SIZE // 2 + 5)
    torch.testing.assert_close(depth[middle, middle], torch.full((10, 10), 2.97), rtol=1e-5, atol=0)
    torch.testing.assert_close(render_scene(without, SIZE)[1], depth, rtol=0, atol=0)
    red_part, green_part, _ = image[:, middle, middle].float().mean((1, 2))
    assert red_part > 3 * green_part
    traced = trace_image(with_red, PixelGrid.at_centers(SIZE, camera.fov, torch.device("cpu")))
    assert traced.mirrored is not None
    assert traced.mirrored[middle, middle].all()
    # The reflected point lies on the red board's front, behind the camera.
    torch.testing.assert_close(traced.points[2][middle, middle], torch.full((10, 10), 0.3), rtol=0, atol=1e-5)


def test_a_box_throws_a_shadow_away_from_the_light():
    camera = Camera((2.0, 1.6, 0.3), 0.0, -0.3, 0.0, math.radians(70))
    table = Primitive(Shape.BOX, (2.0, 0.7, 2.0), (0.4, 0.05, 0.4), GRAY)
    room = (4.0, 2.6, 4.0)
    lit = render_scene(make_scene(camera, [], room), SIZE)[0].int()
    image, depth = render_scene(make_scene(camera, [table], room), SIZE)
    unchanged = depth == render_scene(make_scene(camera, [], room), SIZE)[1]
    darker = (lit - image.int())[0] > 25
    assert 20 < (darker & unchanged).sum() < 0.3 * SIZE**2
    assert not (image.int()[0][unchanged] > lit[0][unchanged]).any()


@pytest.mark.parametrize("kind", ["room", "outdoor", "mixed"])
def test_one_seed_is_one_picture_whatever_the_batch(kind):
    together = render_scenes([5, 6, 7], SIZE, kind)
    alone = render_scenes([6], SIZE, kind)
    again = render_scenes([7, 5, 6], SIZE, kind)
    assert torch.equal(together.images[1], alone.images[0])
    assert torch.equal(together.depth[1], alone.depth[0])
    assert torch.equal(again.images, together.images[[2, 0, 1]])
    assert torch.equal(again.depth, together.depth[[2, 0, 1]])
    assert together.fov_degrees[1] == alone.fov_degrees[0]
    assert not torch.equal(together.images[0], together.images[1])


def test_mixed_scenes_are_those_of_the_two_kinds():
    kinds = ["outdoor" if build_scene(seed, "mixed").room_size is None else "room" for seed in range(200)]
    assert 60 < kinds.count("room") < 140
    assert build_scene(3, "mixed") == build_scene(3, "room" if kinds[3] == "room" else "outdoor")


@pytest.mark.parametrize(("kind", "limit", "zeros"), [("room", 10.0, 0.02), ("outdoor", 80.0, 0.9)])
def test_values_lie_in_their_ranges(kind, limit, zeros):
    batch = render_scenes(range(6), SIZE, kind)
    assert batch.images.shape == (6, 3, SIZE, SIZE)
    assert batch.images.dtype == torch.uint8
    assert batch.depth.shape == (6, SIZE, SIZE)
    assert batch.depth.dtype == torch.float32
    assert batch.depth.isfinite().all()
    assert batch.depth.max() <= limit
    assert batch.depth[batch.depth > 0].min() > 0.3
    assert (batch.depth == 0).float().mean() <= zeros
    assert (batch.images.float().mean((1, 2, 3)) > 60).all()
    assert (batch.images.float().std((1, 2, 3)) > 10).all()
    assert ((batch.fov_degrees >= 55) & (batch.fov_degrees <= 75)).all()


def test_cameras_stand_at_eye_height_outside_of_the_furniture():
    for seed in range(40):
        scene = build_scene(seed)
        assert scene.room_size is not None
        assert 1.55 <= scene.camera.position[1] <= 1.65
        assert 2.4 <= scene.room_size[1] <= 3.0
        assert all(3 <= side <= 8 for side in (scene.room_size[0], scene.room_size[2]))


def test_supersampling_changes_colours_only():
    plain, smooth = render_scenes([3], SIZE), render_scenes([3], SIZE, supersample=True)
    assert torch.equal(plain.depth, smooth.depth)
    difference = (plain.images.float() - smooth.images.float()).abs()
    assert 0 < difference.mean() < 8


def test_held_out_seeds_are_disjoint_from_training():
    assert TRAIN_SEEDS.stop <= HELD_OUT_SEEDS.start
    assert len(HELD_OUT_SEEDS) == 100_000
    with pytest.raises(ValueError, match="held-out"):
        SyntheticSceneDataset(10, first_seed=HELD_OUT_SEEDS.start - 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": [0], "kind": "cave"}, "cave"),
        ({"seeds": [0], "image_size": 4}, "image_size"),
        ({"seeds": [0], "image_size": 64.0}, "image_size"),
        ({"seeds": [-1]}, "seed"),
        ({"seeds": [0.5]}, "seed"),
    ],
)
def test_bad_requests_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        render_scenes(**arguments)


def test_dataset_items_are_the_rendered_scenes():
    dataset = SyntheticSceneDataset(5, first_seed=30, image_size=32)
    batch = next(iter(DataLoader(dataset, batch_size=3)))  # pyright: ignore[reportArgumentType]
    expected = render_scenes([30, 31, 32], 32)
    assert torch.equal(batch["image"], expected.images)
    assert torch.equal(batch["depth"], expected.depth)
    assert torch.equal(dataset[-1]["depth"], render_scenes([34], 32).depth[0])
    assert len(dataset) == 5
    with pytest.raises(IndexError):
        dataset[5]


def test_cache_goes_on_after_an_interruption_and_reopens(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "SCENES_PER_CHUNK", 2)
    rendered: list[int] = []
    render = disk_cache.render_scenes

    def render_until_interrupted(seeds, *args, **kwargs):
        if len(rendered) == 4:
            raise KeyboardInterrupt
        rendered.extend(seeds)
        return render(seeds, *args, **kwargs)

    monkeypatch.setattr(disk_cache, "render_scenes", render_until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        SyntheticSceneDataset(7, first_seed=10, image_size=32, cache_dir=tmp_path)
    assert rendered == [10, 11, 12, 13]
    assert not list(tmp_path.glob("*/scenes.json"))

    def render_and_note(seeds, *args, **kwargs):
        rendered.extend(seeds)
        return render(seeds, *args, **kwargs)

    monkeypatch.setattr(disk_cache, "render_scenes", render_and_note)
    SyntheticSceneDataset(7, first_seed=10, image_size=32, cache_dir=tmp_path)
    assert rendered == list(range(10, 17))
    reopened = SyntheticSceneDataset(7, first_seed=10, image_size=32, cache_dir=tmp_path)
    assert rendered == list(range(10, 17))
    expected = render_scenes(range(10, 17), 32)
    for index, item in enumerate(reopened.__getitems__(list(range(7)))):
        assert torch.equal(item["image"], expected.images[index])
        assert torch.equal(item["depth"], expected.depth[index])


def test_cache_that_holds_something_else_is_refused(tmp_path):
    SyntheticSceneDataset(2, image_size=16, cache_dir=tmp_path)
    (description,) = tmp_path.glob("*/scenes.json")
    stored = json.loads(description.read_text())
    assert stored["generator_version"] == SCENE_GENERATOR_VERSION
    description.write_text(json.dumps(stored | {"generator_version": 0}))
    with pytest.raises(ValueError, match="delete that folder"):
        SyntheticSceneDataset(2, image_size=16, cache_dir=tmp_path)


def test_stream_shards_cover_every_seed_once():
    stream = iterable_scenes(40, num_scenes=7, image_size=16, batch_size=2)
    assert stream.num_shards == 4
    expected = render_scenes(range(40, 47), 16)
    depths = []
    for index in range(2):
        for item in stream.shard(num_shards=2, index=index):
            assert item["image"].size == (16, 16)
            depths.append(torch.tensor(np.asarray(item["depth"], dtype=np.float32)))
    matches = [[torch.equal(depth, other) for other in expected.depth].index(True) for depth in depths]
    assert sorted(matches) == list(range(7))
    first = next(iter(stream))
    assert torch.equal(torch.from_numpy(np.array(first["image"])).permute(2, 0, 1), expected.images[0])


def test_stream_ends_with_its_range_of_seeds():
    stream = iterable_scenes(HELD_OUT_SEEDS.stop - 1, image_size=16)
    assert len(list(stream)) == 1
    with pytest.raises(ValueError, match="neither"):
        iterable_scenes(TRAIN_SEEDS.stop, image_size=16)
