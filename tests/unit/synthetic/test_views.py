# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Synthetic scenes with several views: cameras and depth agree between views, seeds decide everything, caches repeat it."""

import pickle

import numpy as np
import pytest
import torch

from pixio_hf.covisibility import covisibility, seen_shares
from pixio_hf.synthetic import HELD_OUT_SEEDS, build_scene, render_scenes
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.synthetic.views import SceneViews, ViewMotion, render_views

SIZE = 96


def project(views: SceneViews, source: int, target: int) -> tuple[torch.Tensor, ...]:
    """Points of one view in another: rows, columns and z there, and the pixels they come from."""
    depth = views.depth[source]
    rows, columns = torch.nonzero(depth > 0, as_tuple=True)
    pixels = torch.stack((columns, rows, torch.ones_like(rows)), dim=-1).double()
    points = (pixels @ torch.linalg.inv(views.intrinsics[source].double()).T) * depth[rows, columns][:, None]
    pose, other = views.camera_to_world[source].double(), views.camera_to_world[target].double()
    local = (points @ pose[:3, :3].T + pose[:3, 3] - other[:3, 3]) @ other[:3, :3]
    image = local @ views.intrinsics[target].double().T
    place = (image[:, :2] / image[:, 2:]).round().long()
    inside = (local[:, 2] > 0.05) & (place >= 0).all(1) & (place < views.depth.shape[-1]).all(1)
    return place[inside, 1], place[inside, 0], local[inside, 2], rows[inside], columns[inside]


@pytest.mark.parametrize("seed", [HELD_OUT_SEEDS.start, 3, 17])
def test_views_agree_in_depth_and_colour(seed):
    views = render_views(seed, 3, SIZE)
    for source, target in ((1, 0), (0, 2), (2, 1)):
        there_row, there_column, z, row, column = project(views, source, target)
        found = views.depth[target][there_row, there_column].double()
        seen = (found > 0) & ((found - z).abs() < 0.1)
        assert seen.double().mean() > 0.25  # the rest is hidden or a mirror
        assert ((found - z).abs() / z)[seen].median() < 0.01
        colours = (
            views.images[target][:, there_row, there_column].double(),
            views.images[source][:, row, column].double(),
        )
        assert (colours[0] - colours[1]).abs().mean(0)[seen].median() <= 6


def test_poses_are_proper_rigid_motions_in_a_world_whose_y_points_down():
    views = render_views(5, 4, 32)
    rotations = views.camera_to_world[:, :3, :3].double()
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).double().expand(4, 3, 3), atol=1e-6, rtol=0)
    assert views.camera_to_world[:, 3].tolist() == [[0, 0, 0, 1]] * 4
    assert (rotations[:, 1, 1] > 0.8).all()  # down in the picture is down in the world
    assert (views.camera_to_world[:, 1, 3] < 0).all()  # above the floor


def test_view_zero_is_the_scene_and_others_do_not_depend_on_their_number():
    few, many = render_views(11, 2, 48), render_views(11, 4, 48)
    rendered = render_scenes([11], 48, version=1)
    image, depth = rendered.images, rendered.depth
    assert torch.equal(few.images[0], image[0])
    unknown = few.depth[0] == 0
    assert torch.equal(few.depth[0][~unknown], depth[0][~unknown])
    for name in ("images", "depth", "intrinsics", "camera_to_world"):
        assert torch.equal(getattr(few, name), getattr(many, name)[:2])


def test_the_seed_decides_and_nothing_else():
    torch.manual_seed(1)
    first = render_views(42, 3, 32)
    torch.manual_seed(2)
    torch.rand(5)
    again, other = render_views(42, 3, 32), render_views(43, 3, 32)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.camera_to_world, other.camera_to_world)


def test_cameras_keep_to_the_motion_and_see_the_same_things():
    motion = ViewMotion(min_distance=0.2, max_distance=0.6, max_yaw=10, max_pitch=3, min_covisibility=0.5)
    for seed in range(6):
        views = render_views(seed, 3, 64, motion=motion)
        first, others = views.camera_to_world[0].double(), views.camera_to_world[1:].double()
        distances = (others[:, :3, 3] - first[:3, 3]).norm(dim=1)
        assert (distances <= 0.6 + 1e-6).all()
        turns = others[:, :3, 2] @ first[:3, 2]
        assert (turns > np.cos(np.radians(14))).all()
        assert (views.covisibility[0, 1:] > 0.4).all()  # judged at another size
        assert (views.depth[views.depth > 0] > 0.2).all()


def test_mirrors_are_unknown():
    seed = next(
        seed
        for seed in range(200)
        if any(part.is_mirror for part in build_scene(seed).primitives)
        and (render_views(seed, 1, 48).depth[0] == 0).float().mean() > 0.02
    )
    plain = render_scenes([seed], 48).depth[0]
    masked = render_views(seed, 1, 48).depth[0]
    assert ((plain > 0) & (masked == 0)).any()
    assert torch.equal(masked[masked != 0], plain[masked != 0])


def test_the_sky_is_negative():
    views = render_views(1, 2, 48, "outdoor")
    plain = render_scenes([1], 48, "outdoor").depth[0]
    assert (views.depth[0] == -1).any()
    assert (plain[views.depth[0] == -1] == 0).all()


def test_covisibility_of_the_same_view_is_whole_and_of_opposite_ones_nothing():
    views = render_views(7, 1, 64)
    depth = torch.cat((views.depth, views.depth))
    cameras = views.intrinsics.expand(2, 3, 3)
    pose = views.camera_to_world[0]
    turned = pose @ torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    torch.testing.assert_close(seen_shares(depth, cameras, torch.stack((pose, pose))), torch.ones(2, 2))
    apart = covisibility(depth, cameras, torch.stack((pose, turned)))
    torch.testing.assert_close(apart, torch.eye(2))
    assert covisibility(torch.zeros_like(depth), cameras, torch.stack((pose, pose))).eq(0).all()


def test_cached_sets_repeat_what_is_rendered_and_share_folders(tmp_path, monkeypatch):
    monkeypatch.setattr("pixio_hf.synthetic.view_sets.SCENES_PER_FOLDER", 2)
    plain = SyntheticViewSet(3, 2, first_seed=9, image_size=32)
    cached = SyntheticViewSet(3, 2, first_seed=9, image_size=32, cache_dir=tmp_path)
    restored = pickle.loads(pickle.dumps(cached))
    for index in range(3):
        for views in (cached[index], restored[index]):
            assert all(torch.equal(a, b) for a, b in zip(views, plain[index], strict=True))
        np.testing.assert_array_equal(cached.covisibility(index), plain.covisibility(index))
    swapped = cached.load(1, [1, 0])
    assert torch.equal(swapped.images, plain[1].images.flip(0))
    assert torch.equal(swapped.covisibility, plain[1].covisibility.flip(0).flip(1))
    stamp = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("images.npy")}
    larger = SyntheticViewSet(4, 2, first_seed=9, image_size=32, cache_dir=tmp_path)
    assert len(larger) == 4
    assert sum(path.stat().st_mtime_ns == stamp.get(path) for path in tmp_path.rglob("images.npy")) == 2
    with pytest.raises(IndexError):
        cached[3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_views": 0}, "num_views must lie between 1 and 64"),
        ({"num_scenes": 0}, "num_scenes >= 1"),
        ({"num_workers": -1}, "num_workers"),
        ({"kind": "cave"}, "Unknown kind"),
    ],
)
def test_bad_sets_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SyntheticViewSet(**{"num_scenes": 2, "image_size": 32, **options})


@pytest.mark.parametrize(
    "options", [{"min_distance": 2.0}, {"max_yaw": -1.0}, {"min_covisibility": 1.0}, {"max_distance": float("inf")}]
)
def test_bad_motions_are_refused(options):
    with pytest.raises(ValueError, match=r"motion|min_distance|min_covisibility"):
        ViewMotion(**options)
