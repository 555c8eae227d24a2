# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Views of a student: squares of image and depth together, colours and CutMix, the same whenever they are asked for."""

import numpy as np
import PIL.Image
import torch

from pixio_hf import PixioImageProcessor
from pixio_hf.data.labelled.batches import DepthCollator
from pixio_hf.data.labelled.student_views import CutMixViews, SquareViews, draw_rectangle, perturb_photo, shift_hue
from pixio_hf.losses import relative_depth_loss


class Ramps:
    """Items whose red grows with their depth, and whose depth tells the item."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        depth = np.linspace(1 + 10 * index, 5 + 10 * index, 40 * 60).reshape(40, 60).astype(np.float32)
        pixels = np.zeros((40, 60, 3), dtype=np.uint8)
        pixels[..., 0] = 40 * (depth - 10 * index)
        return {"image": PIL.Image.fromarray(pixels), "depth": depth, "name": str(index)}


def test_squares_keep_image_and_depth_together():
    generator = np.random.default_rng(0)
    for whole in (False, True):
        view = SquareViews(32, whole)(Ramps()[0], generator)
        assert view["image"].size == (32, 32)
        assert view["depth"].shape == (32, 32)
        red = np.asarray(view["image"])[4:-4, 4:-4, 0] / 40
        np.testing.assert_allclose(red, view["depth"][4:-4, 4:-4], atol=0.2)
    # The whole image is there, however wide; of the others the long side is cut.
    assert np.ptp(SquareViews(32, True)(Ramps()[0], generator)["depth"]) > 3.8


def test_views_depend_on_seed_epoch_and_index_only():
    views = [CutMixViews(Ramps(), SquareViews(32), seed) for seed in (0, 0, 1)]
    for index in (3, 0, 5):
        first, again, other = (view[index] for view in views)
        assert first["image"] == again["image"]
        assert np.array_equal(first["depth"], again["depth"])
        assert first["image"] != other["image"]
    before = views[0][2]["image"]
    views[0].set_epoch(1)
    assert views[0][2]["image"] != before


def test_half_of_the_views_hold_another_item():
    views = CutMixViews(Ramps(), SquareViews(32))
    mixed = 0
    for epoch in range(20):
        views.set_epoch(epoch)
        for index in range(len(views)):
            view = views[index]
            items = np.floor((view["depth"] - 1) / 10)
            assert (items[~view["regions"]] == index).all()
            share = view["regions"].mean()
            mixed += share > 0
            if share:
                assert 0.05 < share < 0.6
                assert len(np.unique(items[view["regions"]])) == 1
    assert 40 < mixed < 80


def test_perturbations_change_colours_and_not_places():
    photo = Ramps()[0]["image"]
    changed = [perturb_photo(photo, np.random.default_rng(seed)) for seed in range(12)]
    assert sum(image != photo for image in changed) > 6
    assert all(image.size == photo.size and image.mode == "RGB" for image in changed)
    red = PIL.Image.new("RGB", (2, 2), (255, 0, 0))
    assert shift_hue(red, 0.0) == red
    assert shift_hue(red, 1 / 3).getpixel((0, 0))[1] > 250
    rows, columns = draw_rectangle(5, 9, np.random.default_rng(0))
    assert 0 <= rows.start < rows.stop <= 5
    assert 0 <= columns.start < columns.stop <= 9


def test_parts_of_a_mixed_picture_have_scales_of_their_own():
    views = CutMixViews(Ramps(), SquareViews(32))
    items = [views[index] for index in range(6)]
    batch = DepthCollator(PixioImageProcessor(do_resize=False))(items)
    assert batch["label_regions"].dtype == torch.bool
    regions, labels = batch["label_regions"], batch["labels"]
    assert regions.any()
    inverse = 1 / labels
    # Right within each part, but for another scale and shift of each.
    prediction = torch.where(regions, 5 * inverse + 1, inverse)
    assert relative_depth_loss(prediction, labels, regions=regions) < 1e-3
    assert relative_depth_loss(prediction, labels) > 0.1
    # Without a second part regions change nothing.
    none = torch.zeros_like(regions)
    expected = relative_depth_loss(inverse**2, labels, trim=0.1)
    torch.testing.assert_close(relative_depth_loss(inverse**2, labels, trim=0.1, regions=none), expected)
