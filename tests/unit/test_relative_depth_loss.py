# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The loss of relative depth: by hand, against NumPy, what it must not depend on, and where mathematics leaves gaps."""

import numpy as np
import pytest
import torch

from pixio_hf.losses import relative_depth_loss, to_inverse_depth

INFINITY, NAN = float("inf"), float("nan")


def in_numpy(prediction: np.ndarray, depth: np.ndarray, trim: float = 0.0) -> float:
    """The same formula once more, pixel by pixel: one image (H, W) of predicted inverse depth, depth."""
    valid = depth >= 1e-3
    target = np.zeros_like(depth)
    target[valid] = 1 / depth[valid]

    def normalize(values: np.ndarray) -> np.ndarray:
        counted = np.sort(values[valid])
        median = counted[(len(counted) - 1) // 2]
        return (values - median) / np.abs(counted - median).mean()

    difference = normalize(prediction) - normalize(target)
    if trim:
        kept = np.sort(np.abs(difference[valid]))[: valid.sum() - int(trim * valid.sum() + 1e-3)]
        valid = valid & (np.abs(difference) <= kept[-1])
    loss = np.abs(difference[valid]).mean()
    for step in (1, 2, 4, 8):
        values, counted = difference[::step, ::step], valid[::step, ::step]
        total = 0.0
        for row, column in zip(*np.nonzero(counted), strict=True):
            for other in ((row + 1, column), (row, column + 1)):
                if other[0] < counted.shape[0] and other[1] < counted.shape[1] and counted[other]:
                    total += abs(values[other] - values[row, column])
        loss += 2 * total / max(counted.sum(), 1)
    return float(loss)


def random_maps(seed: int = 0, size: tuple[int, int] = (19, 14)) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    depth = generator.uniform(0.5, 9, size)
    depth[generator.random(size) < 0.2] = 0
    depth[:3] = INFINITY
    return generator.uniform(0, 2, size), depth


def test_three_pixels_by_hand():
    # Inverse depths 4, 2, 1: median 2, mean absolute deviation 1, normalised 2, 0, -1. The prediction 3, 1, 1 has median 1
    # and deviation 2/3, normalised 3, 0, 0. They differ by 1, 0, 1: mean 2/3. Neighbours differ by 1 and 1, over three
    # pixels; at steps of 2 the first and the last remain and do not differ; beyond that one pixel.
    prediction = torch.tensor([[[3.0, 1.0, 1.0]]])
    labels = torch.tensor([[[0.25, 0.5, 1.0]]])
    assert relative_depth_loss(prediction, labels).item() == pytest.approx(2 / 3 + 2 * (2 / 3), rel=1e-6)


@pytest.mark.parametrize("trim", [0.0, 0.1, 0.35])
def test_as_in_numpy(trim):
    maps = [random_maps(seed) for seed in range(3)]
    prediction, labels = (torch.tensor(np.stack(side)) for side in zip(*maps, strict=True))
    expected = np.mean([in_numpy(*pair, trim) for pair in maps])
    assert relative_depth_loss(prediction, labels, trim=trim).item() == pytest.approx(expected, rel=1e-5)


def test_scale_and_shift_of_either_side_change_nothing():
    prediction, labels = (torch.tensor(side, dtype=torch.float32)[None] for side in random_maps())
    expected = relative_depth_loss(prediction, labels)
    torch.testing.assert_close(relative_depth_loss(30 * prediction + 7, labels), expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(relative_depth_loss(prediction, 12 * labels), expected, rtol=1e-5, atol=0)
    inverse, valid = to_inverse_depth(labels)
    other_unit = torch.where(valid, 1 / (0.5 * inverse + 0.25), 0)
    torch.testing.assert_close(relative_depth_loss(prediction, other_unit), expected, rtol=1e-4, atol=0)
    assert relative_depth_loss(3 * inverse + 1, labels).item() < 1e-5
    assert relative_depth_loss(-inverse, labels).item() > 1


def test_inverse_depth_of_every_kind_of_number():
    depth = torch.tensor([2.0, 0.0, NAN, INFINITY, -1.0, 1e-4, -INFINITY, 1e-3])
    inverse, valid = to_inverse_depth(depth)
    assert inverse.tolist() == pytest.approx([0.5, 0, 0, 0, 0, 0, 0, 1000])
    assert valid.tolist() == [True, False, False, True, False, False, False, True]
    assert to_inverse_depth(torch.tensor([4], dtype=torch.uint16))[0].tolist() == [0.25]
    with pytest.raises(ValueError, match="metres"):
        to_inverse_depth(torch.tensor([True]))


def test_the_worst_pixels_are_left_out():
    inverse = torch.linspace(0.1, 1.0, 100).view(1, 10, 10)
    prediction = inverse.clone()
    prediction[0, 5, 3:9] += 0.4
    whole, trimmed = (relative_depth_loss(prediction, 1 / inverse, trim=trim) for trim in (0.0, 0.1))
    # What is left differs only by the shift and the scale that the six bad pixels caused.
    assert trimmed < 0.7 * whole


@pytest.mark.parametrize("labels", [0.0, NAN, -1.0, 2.0, INFINITY])
def test_labels_that_say_nothing_give_a_zero_that_back_propagates(labels):
    prediction = torch.rand(2, 6, 6, requires_grad=True)
    loss = relative_depth_loss(prediction, torch.full((2, 6, 6), labels), trim=0.1)
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e4])
def test_a_constant_prediction_is_as_wrong_as_its_labels_vary_and_back_propagates(constant):
    labels = torch.rand(1, 8, 8) + 0.5
    prediction = torch.full((1, 8, 8), constant, requires_grad=True)
    loss = relative_depth_loss(prediction, labels)
    loss.backward()
    assert 1 < loss.item() < 20
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()


def test_ignored_pixels_and_empty_images_change_nothing():
    prediction, labels = (torch.tensor(side, dtype=torch.float32)[None] for side in random_maps())
    expected = relative_depth_loss(prediction, labels)
    spoiled = prediction.masked_fill(labels == 0, NAN).requires_grad_()
    loss = relative_depth_loss(spoiled, labels.masked_fill(labels == 0, NAN))
    loss.backward()
    torch.testing.assert_close(loss.detach(), expected)
    assert spoiled.grad is not None
    assert torch.isfinite(spoiled.grad).all()
    assert (spoiled.grad[labels == 0] == 0).all()
    pair = (torch.cat([prediction, prediction]), torch.cat([labels, 0 * labels.nan_to_num(posinf=0)]))
    torch.testing.assert_close(relative_depth_loss(*pair), expected)


def test_half_precision_is_computed_in_float32():
    prediction, labels = (torch.tensor(side, dtype=torch.float32)[None] for side in random_maps())
    rounded = prediction.bfloat16()
    loss = relative_depth_loss(rounded, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, relative_depth_loss(rounded.float(), labels))


def test_what_does_not_fit_is_refused():
    maps = torch.ones(1, 4, 4)
    with pytest.raises(ValueError, match="must both be"):
        relative_depth_loss(maps, torch.ones(1, 1, 4, 4))
    with pytest.raises(ValueError, match="must both be"):
        relative_depth_loss(maps[0], maps[0])
    for trim in (-0.1, 1.0):
        with pytest.raises(ValueError, match="trim"):
            relative_depth_loss(maps, maps, trim=trim)
