# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Version 2 of the synthetic scenes, what it adds to the renderer, and that version 1 stays what it was."""

import io
import math
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf.data.streaming.sample_sources import open_source
from pixio_hf.synthetic import SyntheticSceneDataset, build_scene, render_scene, render_scenes
from pixio_hf.synthetic.image_formation import blur, form_image, lose_to_jpeg, smear
from pixio_hf.synthetic.photographs import draw_pictures, load_photographs
from pixio_hf.synthetic.raycasting import part_rotation
from pixio_hf.synthetic.scenes import SCENE_KINDS, ImageFormation, Material, Primitive, Shape
from pixio_hf.synthetic.solids import box, cylinder
from pixio_hf.synthetic.varied.arrangement import clear_view, distance_to, lay_down
from tests.unit.synthetic.test_scenes import CAMERA, GRAY, SIZE, depth_of, make_scene, rays

# Mean depth in metres and mean brightness of each scene, 64 x 64 pixels. Numbers, no hashes: last digits depend on the
# processor's multiplication of matrices, and a pixel at an edge may change sides. A change means another version:
# trained models name it. The last number of version 2 is the mean over all scenes.
VERSION_2 = {
    "room": (
        [4.75, 3.96, 4.07, 2.28, 1.48, 2.99, 4.0, 3.72, 1.24, 2.43, 2.35, 2.48],
        [103.4, 88.8, 100.8, 115.5, 99.6, 129.5, 126.5, 99.0, 112.2, 93.8, 136.1, 80.0],
        107.10,
    ),
    "table": (
        [2.05, 1.33, 0.63, 0.59, 0.93, 1.51, 1.02, 2.22, 1.27, 1.83, 1.5, 2.16],
        [108.9, 123.5, 67.0, 122.5, 87.9, 117.1, 80.1, 107.4, 123.2, 82.6, 84.5, 79.4],
        98.68,
    ),
    "outdoor": (
        [11.79, 13.14, 9.7, 6.83, 5.23, 2.99, 1.36, 13.5, 2.71, 7.33, 4.15, 5.8],
        [100.7, 82.9, 111.6, 118.8, 94.3, 125.1, 101.0, 95.3, 87.1, 75.1, 98.5, 117.6],
        100.66,
    ),
    "corridor": (
        [5.46, 1.56, 2.74, 1.92, 3.08, 1.84, 3.17, 3.64, 4.9, 2.78, 4.41, 5.76],
        [103.5, 125.1, 105.6, 90.6, 115.7, 85.0, 71.7, 139.6, 103.9, 119.1, 120.2, 140.4],
        110.03,
    ),
    "stairs": (
        [2.83, 2.93, 1.21, 3.1, 1.93, 2.51, 2.86, 3.13, 1.27, 3.24, 2.44, 3.35],
        [127.2, 72.2, 88.4, 106.3, 121.2, 78.0, 91.7, 113.4, 98.0, 100.8, 115.6, 108.9],
        101.83,
    ),
}
# The same as they were before version 2, also of scenes with several rays a pixel.
VERSION_1 = {
    ("room", False): (
        [4.69, 3.27, 2.59, 3.44, 3.24, 3.05, 3.76, 3.9, 3.14, 3.19, 3.8, 3.93],
        [124.5, 174.1, 149.4, 173.1, 157.9, 150.3, 136.6, 163.3, 147.3, 157.4, 143.6, 122.5],
    ),
    ("room", True): ([2.58, 3.38, 3.73, 2.97], [157.5, 153.4, 181.2, 152.4]),
    ("outdoor", False): (
        [8.64, 9.84, 9.44, 9.07, 8.86, 8.97, 9.24, 8.12, 6.58, 7.68, 10.29, 12.49],
        [108.0, 95.2, 119.2, 107.7, 117.8, 115.6, 114.5, 120.8, 112.5, 127.8, 99.1, 100.1],
    ),
    ("outdoor", True): ([6.96, 10.59, 9.85, 9.68], [130.0, 100.3, 117.8, 120.2]),
}


@pytest.mark.parametrize(("kind", "supersample"), VERSION_1)
def test_version_1_is_what_it_was(kind, supersample):
    seeds = range(20_000_000, 20_000_004) if supersample else range(12)
    batch = render_scenes(seeds, 64, kind, supersample=supersample, version=1)
    check_means(batch, *VERSION_1[kind, supersample])


@pytest.mark.parametrize("kind", VERSION_2)
def test_version_2_is_what_it_was(kind):
    batch = render_scenes(range(12), 64, kind, version=2)
    depth, brightness, mean = VERSION_2[kind]
    check_means(batch, depth, brightness)
    assert batch.images.float().mean() == pytest.approx(mean, abs=0.05)


def check_means(batch, depth, brightness):
    np.testing.assert_allclose(batch.depth.double().flatten(1).mean(1), depth, rtol=2e-3, atol=0.01)
    np.testing.assert_allclose(batch.images.double().flatten(1).mean(1), brightness, atol=0.15)


# What version 2 adds to the ray caster


def test_depth_of_a_tilted_box_is_the_nearest_of_its_faces():
    center, half = np.array([1.4, 1.2, 3.5]), np.array([0.5, 0.7, 0.3])
    part = Primitive(Shape.BOX, tuple(center), tuple(half), GRAY, yaw=0.6, tilt=(0.5, -0.4))
    turn = part_rotation(part)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    start, direction = turn @ (np.array(CAMERA.position) - center), rays(CAMERA) @ turn.T
    with np.errstate(divide="ignore"):
        first, second = (-half - start) / direction, (half - start) / direction
    near, far = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
    hit = near < far - 1e-3
    assert hit.sum() > 100
    depth = depth_of(make_scene(CAMERA, [part]))
    np.testing.assert_allclose(depth[hit], near[hit], rtol=1e-5)
    missed = near > far + 1e-3
    np.testing.assert_array_equal(depth[missed], depth_of(make_scene(CAMERA, []))[missed])


def test_depth_of_a_tilted_ellipsoid_is_the_closed_form():
    center, half = np.array([1.5, 1.3, 3.6]), np.array([0.9, 0.4, 0.6])
    part = Primitive(Shape.ELLIPSOID, tuple(center), tuple(half), GRAY, yaw=0.3, tilt=(0.7, 0.2))
    turn = part_rotation(part)
    start = turn @ (np.array(CAMERA.position) - center) / half
    direction = rays(CAMERA) @ turn.T / half
    a, b, c = (direction**2).sum(-1), direction @ start, start @ start - 1
    discriminant = b * b - a * c
    inside = discriminant > 1e-2
    assert inside.sum() > 100
    exact = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
    np.testing.assert_allclose(depth_of(make_scene(CAMERA, [part]))[inside], exact[inside], rtol=1e-5)


def test_normals_of_tilted_solids_face_the_light_that_lights_them():
    """A tilted board gets as much light as the same board that was built the other way round."""
    board = box(2.0, 1.0, 3.0, 1.0, 0.02, 1.0, GRAY, casts_shadow=False)
    upright = box(2.0, 0.51, 3.0, 1.0, 1.0, 0.02, GRAY, casts_shadow=False)
    turned = replace(upright, center=board.center, tilt=(math.pi / 2, 0.0))
    camera = replace(CAMERA, position=(2.0, 2.0, 0.5), yaw=0.0, pitch=-0.3)
    flat, tilted = (render_scene(make_scene(camera, [part]), SIZE) for part in (board, turned))
    torch.testing.assert_close(flat[1], tilted[1], rtol=1e-4, atol=0)
    assert (flat[0].int() - tilted[0].int()).abs().float().mean() < 0.5


def test_aspect_squeezes_what_is_seen():
    """A picture of 4:3 shows the middle three quarters of the height of the square one."""
    part = Primitive(Shape.SPHERE, (0.9, 1.3, 3.0), (0.5, 0.5, 0.5), GRAY)
    square = depth_of(make_scene(CAMERA, [part]))
    wide = depth_of(make_scene(replace(CAMERA, aspect=4 / 3), [part]))
    rows = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * 0.75
    nearest = np.round(((rows + 1) / 2) * SIZE - 0.5).astype(int)
    differing = np.abs(np.log(np.maximum(wide, 0.1) / np.maximum(square[nearest], 0.1))) > 0.15
    assert differing.mean() < 0.08


def test_things_are_laid_onto_the_floor():
    for part in (box(0, 0, 0, 0.4, 0.3, 0.2, GRAY), cylinder(0, 0, 0, 0.1, 0.5, GRAY)):
        lying = lay_down(part, (0.7, -0.3), 0.25)
        camera = replace(CAMERA, position=(0.0, 0.6, -1.5), yaw=0.0, pitch=-0.25)
        depth, empty = (depth_of(make_scene(camera, parts)) for parts in ([lying], []))
        points = np.array(camera.position) + depth[..., None] * rays(camera)
        lowest = points[..., 1][depth != empty].min()
        assert 0.25 - 1e-4 <= lowest < 0.31


def test_nothing_stands_in_the_cameras_way():
    near, far = box(0.3, 1.4, 0.0, 0.2, 0.4, 0.2, GRAY), box(1.5, 0, 3.0, 0.5, 1.0, 0.5, GRAY)
    camera = replace(CAMERA, position=(0.3, 1.6, -0.2))
    assert clear_view([[near, far]], camera, 10) == []
    assert clear_view([[near], [far]], camera, 10) == [far]
    assert clear_view([[far], [far]], camera, 1) == [far]
    assert distance_to(far, (1.5, 0.5, 2.0)) == pytest.approx(0.75)


# The scenes


@pytest.mark.parametrize("kind", SCENE_KINDS[2])
def test_one_seed_is_one_picture_whatever_the_batch(kind):
    together = render_scenes([5, 6, 7], SIZE, kind, version=2)
    alone = render_scenes([6], SIZE, kind, version=2)
    assert torch.equal(together.images[1], alone.images[0])
    assert torch.equal(together.depth[1], alone.depth[0])
    assert not torch.equal(together.images[0], together.images[1])
    assert together.depth.isfinite().all()
    assert together.depth.max() <= 80


def test_cameras_of_version_2_see_from_low_and_high_narrow_and_wide():
    scenes = [build_scene(seed, "mixed", version=2) for seed in range(300)]
    heights, angles = (
        [f(scene) for scene in scenes] for f in (lambda s: s.camera.position[1], lambda s: s.camera.fov)
    )
    assert min(heights) < 0.3
    assert max(heights) > 2.0
    longer = [
        max(angle, 2 * math.atan(math.tan(angle / 2) / s.camera.aspect))
        for angle, s in zip(angles, scenes, strict=True)
    ]
    assert math.radians(35) <= min(longer) + 1e-9 < math.radians(42)
    assert math.radians(80) < max(longer) <= math.radians(100) + 1e-9
    assert {scene.room_size is None for scene in scenes} == {True, False}
    assert len({scene.camera.aspect for scene in scenes}) > 3
    for scene in scenes:
        assert all(distance_to(part, scene.camera.position) >= 0.3 for part in scene.primitives)


def test_photographs_appear_on_surfaces(tmp_path):
    with pytest.raises(ValueError, match="no photographs"):
        SyntheticSceneDataset(2, image_size=32, version=2, photographs=tmp_path)
    PIL.Image.new("RGB", (90, 60), (255, 0, 255)).save(tmp_path / "pink.png")
    drawn = render_scenes(range(4), SIZE, "table", version=2)
    shown = render_scenes(range(4), SIZE, "table", version=2, photographs=tmp_path)
    assert torch.equal(drawn.depth, shown.depth)
    assert not torch.equal(drawn.images, shown.images)
    assert load_photographs(tmp_path).fingerprint != draw_pictures().fingerprint


def test_photographs_stand_upright_and_repeat_without_seams():
    pictures = draw_pictures()
    board = box(2.0, 1.0, 3.0, 1.0, 1.0, 0.02, Material((1.0, 1.0, 1.0), scale=(0.0, 0.0)))
    from pixio_hf.synthetic.textures import TexturePoints

    steps = (torch.arange(128) + 0.5) / 128 - 0.5
    v, u = torch.meshgrid(-steps, steps, indexing="ij")
    ones = torch.ones(128 * 128)
    points = TexturePoints(
        u.flatten(), v.flatten(), ones * 0.5, ones * 0.5, ones, ones * 0, ones * 0, ones * 0, ones * 1e-4
    )
    looked_up = torch.stack(pictures.look_up(points), 1).sqrt().mul(255).round().byte()
    assert torch.equal(looked_up, pictures.texels[: 128 * 128])
    assert board.half == (0.5, 0.5, 0.01)


def test_version_2_is_cached_apart_and_version_1_reads_its_old_caches(tmp_path):
    dataset = SyntheticSceneDataset(3, image_size=32, kind="table", version=2, cache_dir=tmp_path)
    again = SyntheticSceneDataset(3, image_size=32, kind="table", version=2, cache_dir=tmp_path)
    expected = render_scenes(range(3), 32, "table", version=2)
    for source in (dataset, again):
        assert torch.equal(source[2]["image"], expected.images[2])
        assert torch.equal(source[2]["depth"], expected.depth[2])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["table-32px-seeds0-3scenes-v2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "table"}, "version 2"),
        ({"version": 3}, "version 3"),
        ({"version": 1, "photographs": "."}, "no photographs"),
    ],
)
def test_bad_requests_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        render_scenes([0], 32, **arguments)


def test_scenes_to_pre_train_on_can_be_of_version_2():
    source = open_source("synthetic-tables", 32, 4, scene_version=2)
    (sample,) = source.read_piece(1, 1)
    image = sample.read()
    assert isinstance(image, torch.Tensor)
    assert torch.equal(image, render_scenes([1], 32, "table", version=2).images[0])
    assert source.fingerprint == "4 synthetic-tables of version 2"


def test_both_versions_can_be_mixed():
    source = open_source("synthetic-rooms-v1 + 2 x synthetic-rooms", 32, 3, scene_version=2)
    pictures = [next(source.read_piece(piece, 1)).read() for piece in (1, 4, 7)]
    expected = [render_scenes([1], 32, version=version).images[0] for version in (1, 2, 2)]
    for picture, other in zip(pictures, expected, strict=True):
        assert isinstance(picture, torch.Tensor)
        assert torch.equal(picture, other)
    with pytest.raises(ValueError, match="version 7"):
        open_source("synthetic-rooms-v7", 32, 3)


# How pictures are taken


def make_light() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 9, 9, generator=generator)
    return torch.nn.functional.interpolate(coarse, (72, 72), mode="bilinear")[0]


def test_exposure_and_white_balance_reach_what_is_asked_for():
    light = make_light() * 0.2
    picture = form_image(light, ImageFormation(exposure=0.5)).float() / 255
    assert picture.mean() == pytest.approx(0.5, abs=0.03)
    warm = form_image(light, ImageFormation(exposure=0.5, white_balance=(1.2, 1.0, 0.8))).float() / 255
    assert warm[0].mean() > picture[0].mean() + 0.02
    assert warm[2].mean() < picture[2].mean() - 0.02


def test_jpeg_loses_what_a_real_encoder_loses():
    picture = (make_light() * 255).round() / 255
    pixels = picture.mul(255).round().byte().permute(1, 2, 0).numpy()
    for quality in (20, 50, 90):
        stored = io.BytesIO()
        PIL.Image.fromarray(pixels).save(stored, "JPEG", quality=quality, subsampling="4:2:0")
        reference = torch.from_numpy(np.asarray(PIL.Image.open(stored)).copy()).permute(2, 0, 1) / 255
        ours = lose_to_jpeg(picture, quality)
        assert ours.shape == picture.shape
        assert (ours - reference).abs().mean() < 0.012
        assert (ours - reference).abs().mean() < 0.8 * (picture - reference).abs().mean() + 0.004


def test_blur_keeps_the_mean_and_a_smear_is_one_sided_only():
    light = make_light()
    assert blur(light, 0.0) is light
    blurred = blur(light, 1.2)
    assert blurred.mean() == pytest.approx(light.mean().item(), abs=0.01)
    assert blurred.diff(dim=2).abs().mean() < light.diff(dim=2).abs().mean()
    stripes = torch.tensor([0.0, 1.0]).repeat(20).expand(3, 40, 40)
    assert smear(stripes, [0.0, 6.0]).std() == pytest.approx(stripes.std().item(), abs=1e-3)
    assert smear(stripes, [6.0, 0.0]).std() < 0.2 * stripes.std()


def test_noise_belongs_to_its_seed():
    light, noisy = make_light(), ImageFormation(noise=0.05, noise_seed=3)
    assert torch.equal(form_image(light, noisy), form_image(light, noisy))
    assert not torch.equal(form_image(light, noisy), form_image(light, replace(noisy, noise_seed=4)))
