# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of rendered data sets, with and without the version of the renderer behind them."""

from typing import Any

import numpy as np
import pytest

from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.data.streaming.sample_sources import open_source
from pixio_hf.finetuning.arguments import FineTuningArguments
from pixio_hf.finetuning.tasks.depth import DepthTask
from pixio_hf.synthetic import TRAIN_SEEDS, SyntheticSceneDataset, check_scene_photographs, find_scene_set


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


def test_photographs_that_no_scene_shows_are_refused(tmp_path):
    check_scene_photographs(None, ["synthetic-rooms"])
    check_scene_photographs("photos", ["kitchens", "synthetic-mixed-v2"])
    check_scene_photographs("photos", ["synthetic-mixed"], version=2)
    for names in (["kitchens"], ["synthetic-rooms"], ["kitchens", "synthetic-mixed-v1"]):
        with pytest.raises(ValueError, match=f"synthetic-mixed-v2; {' and '.join(names)} has none"):
            check_scene_photographs("photos", names, version=1)
    options = {"num_scenes": 2, "scene_photographs": str(tmp_path)}
    with pytest.raises(ValueError, match="scene_photographs"):
        open_source("synthetic-rooms + synthetic-tables", 32, **options)
    arguments = {"task": "depth", "output_dir": str(tmp_path), "smoke": True, "scene_photographs": str(tmp_path)}
    with pytest.raises(ValueError, match="scene_photographs"):
        DepthTask(FineTuningArguments(**arguments))
    DepthTask(FineTuningArguments(**arguments, mix_with=["synthetic-mixed-v2"]))


def test_titles_of_rendered_data_sets():
    def title(name: str) -> str:
        source: Any = open_source(name, 32, num_scenes=2)
        return source.name

    assert {name: title(name) for name in ("synthetic-rooms", "synthetic-tables-v2")} == {
        "synthetic-rooms": "synthetic-rooms",
        "synthetic-tables-v2": "synthetic-tables of version 2",
    }
