# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Image and map stay together through crops, sizes and mirroring, and a view is a function of its seed."""

import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils.data import DataLoader

from pixio_hf.data.labelled.paired_augmentation import (
    AugmentedDataset,
    DepthAugmentation,
    SegmentationAugmentation,
    crop_pair_at_random,
    flip_pair_at_random,
    pad_pair,
    resize_pair_at_random,
)


def coordinate_pair(height: int, width: int) -> tuple[PIL.Image.Image, np.ndarray]:
    """An image whose red and green count columns and rows from 1, and a map that says the same in one number."""
    rows, columns = np.mgrid[1 : height + 1, 1 : width + 1]
    image = np.dstack([columns, rows, np.full_like(rows, 9)]).astype(np.uint8)
    return PIL.Image.fromarray(image), (rows * 1000 + columns).astype(np.float32)


def assert_together(image: PIL.Image.Image, label: np.ndarray) -> None:
    pixels = np.asarray(image).astype(int)
    assert pixels.shape[:2] == label.shape
    assert np.array_equal(pixels[..., 1] * 1000 + pixels[..., 0], label)


def test_crops_keep_pixels_together_and_reach_every_place():
    image, label = coordinate_pair(12, 20)
    corners = set()
    for seed in range(400):
        cropped, crop = crop_pair_at_random(image, label, 10, 0, np.random.default_rng(seed))
        assert crop.shape == (10, 10)
        assert_together(cropped, crop)
        corners.add((int(crop[0, 0]) // 1000 - 1, int(crop[0, 0]) % 1000 - 1))
    assert corners == {(top, left) for top in range(3) for left in range(11)}


def test_small_images_are_padded_right_and_below():
    image, label = coordinate_pair(6, 30)
    padded, label_padded = pad_pair(image, label, 16, 255)
    assert padded.size == (30, 16)
    assert label_padded.shape == (16, 30)
    assert_together(padded.crop((0, 0, 30, 6)), label_padded[:6])
    assert not np.asarray(padded)[6:].any()
    assert (label_padded[6:] == 255).all()
    assert pad_pair(image, label, 6, 255) == (image, label)


def test_mirroring():
    image, label = coordinate_pair(4, 7)
    flipped, mirrored = flip_pair_at_random(image, label, 1.0, np.random.default_rng(0))
    assert_together(flipped, mirrored)
    assert np.array_equal(mirrored, label[:, ::-1])
    share = np.mean(
        [flip_pair_at_random(image, label, 0.5, np.random.default_rng(seed))[1][0, 0] == 1007 for seed in range(500)]
    )
    assert 0.43 < share < 0.57


@pytest.mark.parametrize("size", [(20, 33), (33, 20), (1, 40)])
def test_random_sizes_follow_the_rule(size):
    image, label = coordinate_pair(*size)
    long, short = max(size), min(size)
    seen = set()
    for seed in range(600):
        resized, mapped = resize_pair_at_random(image, label, (0.5, 2.0), np.random.default_rng(seed))
        assert resized.size == mapped.shape[::-1]
        new_long = max(mapped.shape)
        assert min(mapped.shape) == max(int(short * new_long / long + 0.5), 1)
        assert set(np.unique(mapped)) <= set(np.unique(label)), "a map must never be blended"
        assert (mapped.shape[0] > mapped.shape[1]) == (size[0] > size[1])
        seen.add(new_long)
    assert seen == set(range(int(0.5 * long), 2 * long + 1))


def test_resized_image_is_bicubic():
    image = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8))
    resized, _ = resize_pair_at_random(image, np.zeros((24, 30)), (0.5, 2.0), np.random.default_rng(3))
    assert resized == image.resize(resized.size, PIL.Image.Resampling.BICUBIC)


def test_segmentation_view_ignores_what_it_pads():
    image, label = coordinate_pair(10, 14)
    item = {"image": image, "segmentation_map": np.zeros(label.shape, np.int64), "name": "a"}
    view = SegmentationAugmentation(crop_size=64, flip_probability=0)(item, np.random.default_rng(1))
    classes, pixels = view["segmentation_map"], np.asarray(view["image"])
    assert classes.shape == (64, 64)
    assert view["image"].size == (64, 64)
    assert view["name"] == "a"
    assert set(np.unique(classes)) == {0, 255}
    assert not pixels[classes == 255].any()
    assert (pixels[classes == 0][:, 2] == 9).all()


class Items(torch.utils.data.Dataset):
    """Map-style data set of pairs of different sizes."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict:
        image, depth = coordinate_pair(40 + index, 50)
        return {"image": image, "depth": depth}


def collect(items: list) -> torch.Tensor:
    return torch.stack([torch.tensor(np.ascontiguousarray(item["depth"])) for item in items])


def test_views_depend_on_seed_epoch_and_index_only():
    views = AugmentedDataset(Items(), DepthAugmentation(crop_size=16), seed=3)
    first = collect([views[index] for index in range(5)])
    assert torch.equal(first, collect([views[index] for index in (4, 3, 2, 1, 0)]).flip(0))
    assert torch.equal(first, collect([pickle.loads(pickle.dumps(views))[index] for index in range(5)]))
    for index in range(5):
        assert_together(views[index]["image"], views[index]["depth"])
    other = AugmentedDataset(Items(), DepthAugmentation(crop_size=16), seed=4)
    assert not torch.equal(first, collect([other[index] for index in range(5)]))
    views.set_epoch(1)
    second = collect([views[index] for index in range(5)])
    assert not torch.equal(first, second)
    views.set_epoch(0)
    assert torch.equal(first, collect([views[index] for index in range(5)]))


def test_living_workers_see_a_new_epoch():
    views = AugmentedDataset(Items(), DepthAugmentation(crop_size=16))
    loader = DataLoader(views, batch_size=5, num_workers=1, persistent_workers=True, collate_fn=collect)
    (first,) = loader
    views.set_epoch(1)
    (second,) = loader
    assert torch.equal(second, collect([views[index] for index in range(5)]))
    assert not torch.equal(first, second)
