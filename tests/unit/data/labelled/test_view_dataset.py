# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Scenes with several views as training samples: which views, in which order, mirrored and resized."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pixio_hf import PixioForReconstruction
from pixio_hf.covisibility import seen_shares
from pixio_hf.data.labelled.view_dataset import ViewDataset, Views, mirror_views, resize_depth
from pixio_hf.data.labelled.view_sampling import ViewBatches, ViewRequest, choose_views
from pixio_hf.geometry import rays_of_intrinsics
from pixio_hf.synthetic.view_sets import SyntheticViewSet
from pixio_hf.view_geometry import ViewLabels
from tests.tiny_models import tiny_view_config


@pytest.fixture(scope="module")
def scenes():
    return SyntheticViewSet(3, 4, image_size=32)


def test_mirrored_views_still_fit_each_other(scenes):
    views = scenes[1]
    plain = Views(views.images, views.depth, views.intrinsics, views.camera_to_world)
    mirrored = mirror_views(plain)
    shares = [seen_shares(one.depth, one.intrinsics, one.camera_to_world) for one in (plain, mirrored)]
    # A square picture with its principal point in the middle: the mirrored pixels see what they saw.
    torch.testing.assert_close(shares[0], shares[1], atol=0.02, rtol=0)
    assert torch.linalg.det(mirrored.camera_to_world[:, :3, :3]).allclose(torch.ones(4))
    twice = mirror_views(mirrored)
    for a, b in zip(twice, plain, strict=True):
        torch.testing.assert_close(a, b)


def test_labels_of_another_size_keep_the_rays_of_the_corners(scenes):
    views = scenes[0]
    depth, intrinsics = resize_depth(views.depth, views.intrinsics, (16, 8))
    assert depth.shape == (4, 16, 8)
    small, large = rays_of_intrinsics(intrinsics, 16, 8), rays_of_intrinsics(views.intrinsics, 32, 32)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        torch.testing.assert_close(small[:, corner[0], corner[1]], large[:, corner[0], corner[1]])
        assert torch.equal(depth[:, corner[0], corner[1]], views.depth[:, corner[0], corner[1]])
    assert set(depth.unique().tolist()) <= set(views.depth.unique().tolist())


def test_samples_feed_the_model(scenes):
    torch.manual_seed(0)
    model = PixioForReconstruction(tiny_view_config(image_size=32))
    batches = ViewBatches(len(scenes), 6, 2, 3)
    loader = DataLoader(ViewDataset(scenes, mirror=True, dense_size=(16, 16)), batch_sampler=batches)
    for batch in itertools.islice(loader, 3):
        assert batch["pixel_values"].shape[0] * batch["pixel_values"].shape[1] == 6
        assert batch["labels"]["depth"].shape[-2:] == (16, 16)
        outputs = model(**batch, dense_size=(16, 16))
        outputs.loss.backward()
        assert torch.isfinite(outputs.loss)
        assert outputs.pointmaps.shape[-3:-1] == (16, 16)


def test_true_geometry_of_samples_is_the_scenes(scenes):
    sample = ViewDataset(scenes, num_views=3, views_in_turn=True)[2]
    labels = ViewLabels.read({name: value[None] for name, value in sample["labels"].items()}, (1, 3, 32, 32))
    torch.testing.assert_close(labels.geometry.z_depth[0], scenes[2].depth[:3].clamp(min=0))
    assert labels.is_metric.all()
    assert labels.is_synthetic.all()
    torch.testing.assert_close(labels.geometry.quaternions[0, 0], torch.tensor([0.0, 0, 0, 1]))


def test_requests_and_numbers_always_give_the_same_sample(scenes):
    views = ViewDataset(scenes, mirror=True)
    for index in (ViewRequest(1, 3, 5), 2):
        first, again = views[index], views[index]
        assert torch.equal(first["pixel_values"], again["pixel_values"])
    different = {tuple(views[ViewRequest(1, 2, seed)]["pixel_values"].flatten()[:50].tolist()) for seed in range(12)}
    assert len(different) > 4


def test_walks_follow_covisibility():
    common = np.zeros((5, 5))
    for first, second in ((0, 1), (1, 2), (2, 3)):  # a chain; view 4 sees nothing of the others
        common[first, second] = common[second, first] = 0.5
    np.fill_diagonal(common, 1)
    for seed in range(30):
        chosen = choose_views(common, 3, np.random.default_rng(seed))
        assert len(set(chosen)) == 3
        if 4 not in chosen:
            assert sorted(chosen) in ([0, 1, 2], [1, 2, 3])
    assert sorted(choose_views(common, 5, np.random.default_rng(0))) == [0, 1, 2, 3, 4]
    assert choose_views(common[:1, :1], 1, np.random.default_rng(0)) == [0]
    with pytest.raises(ValueError, match="6 views of a scene that has 5"):
        choose_views(common, 6, np.random.default_rng(0))


def test_batches_share_one_number_of_views_and_go_on_where_they_stopped():
    batches = ViewBatches(7, 12, 2, 4, seed=3)
    whole = list(itertools.islice(batches, 20))
    assert {len({request.num_views for request in batch}) for batch in whole} == {1}
    assert {batch[0].num_views for batch in whole} == {2, 3, 4}
    assert all(len(batch) == 12 // batch[0].num_views for batch in whole)
    seen = [request.scene for batch in whole for request in batch]
    assert sorted(seen[:7]) == list(range(7))
    assert sorted(seen[7:14]) == list(range(7))
    batches.first_batch = 8
    state = batches.state_dict()
    resumed = ViewBatches(7, 12, 2, 4, seed=3)
    resumed.load_state_dict(state)
    assert list(itertools.islice(resumed, 12)) == whole[8:]
    with pytest.raises(ValueError, match="seed 3, not 4"):
        ViewBatches(7, 12, 2, 4, seed=4).load_state_dict(state)


def test_processes_share_a_batch_without_overlap():
    parts = [
        list(itertools.islice(ViewBatches(9, 6, 2, 3, 1, process_index=index, num_processes=2), 6)) for index in (0, 1)
    ]
    scenes = []
    for first, second in zip(*parts, strict=True):
        assert first[0].num_views == second[0].num_views
        scenes += [request.scene for request in (*first, *second)]
    assert sorted(scenes[:9]) == list(range(9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_scenes": 0}, "no scene"),
        ({"min_views": 0}, "min_views"),
        ({"min_views": 3}, "min_views"),
        ({"max_views": 9}, "images_per_batch"),
    ],
)
def test_bad_orders_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ViewBatches(**{"num_scenes": 3, "images_per_batch": 8, **options})
