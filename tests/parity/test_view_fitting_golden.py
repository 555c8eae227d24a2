# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sizes, resized views, depth and intrinsics against golden vectors of MapAnything's preprocessing."""

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf.view_fitting import VIEW_SIZES, ViewFit, choose_view_size
from tests.golden import load_case

pytestmark = pytest.mark.parity


def test_sizes():
    values = load_case("recon_preprocess", "reconstruction").values
    assert {key: tuple(size[::-1]) for key, size in values["mapping"].items()} == {
        str(key): size for key, size in VIEW_SIZES.items()
    }
    for target in values["targets"]:
        chosen = choose_view_size([(target["height"], target["width"])])
        assert chosen == tuple(target["target_width_height"][::-1])


@pytest.mark.parametrize("index", range(4))
def test_views(index):
    case = load_case("recon_preprocess", "reconstruction")
    photo = case.tensors[f"image{index}"].numpy()
    expected = case.tensors[f"out{index}"].numpy()
    for suffix, has_intrinsics in (("", False), ("_with_intrinsics", True)):
        fit = ViewFit.plan(photo.shape[:2], expected.shape[:2], has_intrinsics=has_intrinsics)
        view = np.asarray(fit.resize_photo(PIL.Image.fromarray(photo))).astype(int)
        assert np.abs(view - case.tensors[f"out{suffix}{index}"].numpy()).max() <= 1
    depth = fit.resize_depth(case.tensors[f"depth{index}"].numpy())
    np.testing.assert_array_equal(depth, case.tensors[f"out_depth{index}"].numpy())
    intrinsics = case.tensors[f"intrinsics{index}"].numpy()
    of_view = fit.intrinsics_of_view(intrinsics)
    case.assert_close(f"out_intrinsics{index}", torch.from_numpy(of_view))
    np.testing.assert_allclose(fit.intrinsics_of_photo(of_view), intrinsics, rtol=1e-6)


def test_no_photo_is_refused():
    with pytest.raises(ValueError, match="at least one photo"):
        choose_view_size([])
