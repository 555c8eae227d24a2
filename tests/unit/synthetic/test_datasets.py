# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of rendered data sets, with and without the version of the renderer behind them."""

import numpy as np
import pytest

from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.synthetic import TRAIN_SEEDS, SyntheticSceneDataset, find_scene_set


def test_version_behind_a_name_opens_scenes_of_that_version():
    named = open_depth_dataset("synthetic-mixed-v2", num_scenes=3, image_size=32)
    scenes = SyntheticSceneDataset(3, TRAIN_SEEDS.start, 32, kind="mixed", version=2)
    older = open_depth_dataset("synthetic-mixed", num_scenes=3, image_size=32)
    for index in range(3):
        item, scene = named[index], scenes[index]
        np.testing.assert_array_equal(item["depth"], scene["depth"].numpy())
        np.testing.assert_array_equal(np.asarray(item["image"]).transpose(2, 0, 1), scene["image"].numpy())
        assert not np.array_equal(item["depth"], older[index]["depth"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("synthetic-rooms", ("room", 1)),
        ("synthetic-rooms-v2", ("room", 2)),
        ("synthetic-mixed-v1", ("mixed", 1)),
        ("kitchens-v2", None),
        ("synthetic-rooms-v", None),
    ],
)
def test_names_of_rendered_data_sets(name, expected):
    assert find_scene_set(name) == expected


def test_unknown_version_is_refused_by_its_number():
    with pytest.raises(ValueError, match="7"):
        open_depth_dataset("synthetic-rooms-v7", num_scenes=2, image_size=32)
