# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Block masks from noise, and masks given as booleans."""

import pytest
import torch

from pixio_hf.masking import (
    expand_blocks,
    mask_from_order,
    num_kept_blocks,
    num_mask_blocks,
    order_from_bool_mask,
    random_block_mask,
)


@pytest.mark.parametrize(("grid", "side", "expected"), [((16, 16), 4, 16), ((4, 6), 2, 6), ((3, 5), 1, 15)])
def test_number_of_blocks(grid, side, expected):
    assert num_mask_blocks(*grid, side) == expected


@pytest.mark.parametrize(("grid", "side"), [((4, 4), 3), ((4, 6), 4), ((6, 4), 4), ((2, 2), 4), ((4, 4), 0)])
def test_blocks_must_tile_the_grid(grid, side):
    with pytest.raises(ValueError, match=f"mask_grid_size {side} must divide both sides of the patch grid"):
        num_mask_blocks(*grid, side)


@pytest.mark.parametrize(
    ("num_blocks", "ratio", "expected"),
    # docs/specification.md 2.2: truncated in double precision, 16 * (1 - 0.6) -> 6; 10 * (1 - 0.9) is 0.9999..., which
    # keeps none.
    [(16, 0.75, 4), (16, 0.6, 6), (4, 0.5, 2), (16, 0.0, 16), (7, 0.5, 3), (5, 0.8, 0), (10, 0.9, 0)],
)
def test_number_of_kept_blocks_is_truncated(num_blocks, ratio, expected):
    assert int(num_blocks * (1 - ratio)) == expected
    if expected:
        assert num_kept_blocks(num_blocks, ratio) == expected
    else:
        with pytest.raises(ValueError, match=f"keeps none of the {num_blocks} mask blocks"):
            num_kept_blocks(num_blocks, ratio)


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, float("nan")])
def test_ratio_out_of_range(ratio):
    with pytest.raises(ValueError, match="mask_ratio must lie in"):
        num_kept_blocks(16, ratio)


def test_blocks_expand_row_major():
    # 4 x 6 patches in blocks of 2 x 2: block 1 covers columns 2-3 of rows 0-1, block 5 columns 4-5 of rows 2-3.
    ids = expand_blocks(torch.tensor([[1, 5]]), grid_width=6, mask_grid_size=2)
    assert ids.tolist() == [[2, 3, 8, 9, 16, 17, 22, 23]]


def test_lowest_noise_stays_in_order_of_noise():
    noise = torch.tensor([[0.9, 0.1, 0.5, 0.3], [0.2, 0.8, 0.1, 0.7]])
    ids_keep, ids_restore, mask = random_block_mask(noise, 4, 4, mask_grid_size=2, mask_ratio=0.5)
    assert ids_keep.tolist() == [[2, 3, 6, 7, 10, 11, 14, 15], [8, 9, 12, 13, 0, 1, 4, 5]]
    assert mask.tolist() == [[1, 1, 0, 0] * 4, [0, 0, 1, 1] * 4]
    assert mask.dtype == torch.float32
    assert ids_restore.dtype == ids_keep.dtype == torch.int64
    # ids_restore undoes the order: patch n sits at place ids_restore[n] of (kept, masked).
    order = ids_restore.argsort(dim=1)
    assert torch.equal(order[:, :8], ids_keep)
    assert torch.equal(order.gather(1, ids_restore), torch.arange(16).expand(2, -1))


def test_masks_of_a_wide_grid_cover_whole_blocks():
    noise = torch.rand(3, 8, generator=torch.Generator().manual_seed(0))
    mask = random_block_mask(noise, 4, 8, mask_grid_size=2, mask_ratio=0.75).mask.reshape(3, 2, 2, 4, 2)
    per_block = mask.sum(dim=(2, 4))
    assert set(per_block.flatten().tolist()) == {0.0, 4.0}
    assert (per_block == 0).sum(dim=(1, 2)).tolist() == [2, 2, 2]


@pytest.mark.parametrize("shape", [(2, 3), (2, 5), (2, 16), (4,), (2, 2, 2)])
def test_noise_of_a_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"noise must have shape \(batch_size, 4\)"):
        random_block_mask(torch.rand(shape), 4, 4, mask_grid_size=2, mask_ratio=0.5)


def test_boolean_masks_keep_raster_order():
    masked = torch.tensor([[True, False, True, False], [False, False, True, True]])
    order, num_kept = order_from_bool_mask(masked)
    assert num_kept == 2
    assert order.tolist() == [[1, 3, 0, 2], [0, 1, 2, 3]]
    assert torch.equal(mask_from_order(order, num_kept).mask.bool(), masked)


def test_rows_must_mask_the_same_number():
    masked = torch.tensor([[True, True, True, False], [False, False, True, True]])
    with pytest.raises(ValueError, match=r"same number of patches in every row, got \[3, 2\]"):
        order_from_bool_mask(masked)
