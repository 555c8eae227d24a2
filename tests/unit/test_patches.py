# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Patches and pixels, there and back."""

import pytest
import torch

from pixio_hf.patches import normalize_patches, patch_statistics, patchify, unpatchify


def test_order_is_row_column_channel():
    # The value at (channel, row, column) spells its own place.
    channel, row, column = torch.meshgrid(torch.arange(3), torch.arange(4), torch.arange(6), indexing="ij")
    image = (channel * 100 + row * 10 + column).float()[None]
    patches = patchify(image, 2)
    assert patches.shape == (1, 6, 12)
    assert patches[0, 0].tolist() == [0, 100, 200, 1, 101, 201, 10, 110, 210, 11, 111, 211]
    assert patches[0, 1, 0] == 2  # the next patch lies to the right
    assert patches[0, 3, 0] == 20  # and the fourth starts the second row


@pytest.mark.parametrize(
    ("shape", "grid"), [((2, 3, 32, 48), (2, 3)), ((1, 1, 16, 16), (1, 1)), ((1, 4, 48, 16), (3, 1))]
)
def test_unpatchify_inverts_patchify(shape, grid):
    image = torch.randn(shape)
    assert torch.equal(unpatchify(patchify(image, 16), 16, *grid), image)


@pytest.mark.parametrize("shape", [(1, 3, 33, 32), (1, 3, 32, 40)])
def test_sides_must_be_multiples(shape):
    with pytest.raises(ValueError, match=f"multiples of the patch size 16, got {shape[2]} x {shape[3]}"):
        patchify(torch.zeros(shape), 16)


@pytest.mark.parametrize(("num_patches", "length"), [(3, 768), (4, 767)])
def test_patches_must_fill_the_grid(num_patches, length):
    with pytest.raises(ValueError, match="do not fill a grid of 2 x 2"):
        unpatchify(torch.zeros(1, num_patches, length), 16, 2, 2)


def test_normalisation_uses_the_unbiased_variance():
    patches = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    mean, std = patch_statistics(patches)
    assert mean.item() == 2.5
    assert std.item() == pytest.approx((5 / 3 + 1e-6) ** 0.5)
    expected = (patches - 2.5) / (5 / 3 + 1e-6) ** 0.5
    torch.testing.assert_close(normalize_patches(patches), expected)


def test_flat_patches_stay_finite():
    assert torch.equal(normalize_patches(torch.full((1, 2, 768), 0.5)), torch.zeros(1, 2, 768))
