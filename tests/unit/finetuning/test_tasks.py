# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The tasks of fine-tuning: which options belong to which, and what an unnamed recipe and model become."""

import numpy as np
import pytest
import torch

from pixio_hf import PixioForDepthEstimation, PixioForSemanticSegmentation
from pixio_hf.finetuning.arguments import OWN_OPTIONS, FineTuningArguments
from pixio_hf.finetuning.tasks import TASKS, open_task
from tests.fake_datasets import write_picture


def write_pairs(folder, labels: str) -> None:
    """Two pairs in train and one in val; masks of 1, 2 and 3, or depth in millimetres."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 1)):
        for index in range(count):
            numbers = generator.integers(1, 4, (64, 64)).astype(np.uint8)
            picture = np.repeat(80 * numbers[..., None], 3, axis=2)
            write_picture(folder / split / "images" / f"{index}.png", picture)
            stored = numbers if labels == "masks" else (1000 * numbers.astype(np.uint16))
            write_picture(folder / split / labels / f"{index}.png", stored)


@pytest.mark.parametrize(
    ("task", "given", "message"),
    [
        (
            "depth",
            {"num_classes": 3},
            "Only --task segmentation knows --num_classes: leave that out with --task depth",
        ),
        ("depth", {"do_reduce_labels": False}, "--do_reduce_labels"),
        ("segmentation", {"max_depth": 5.0, "whole_images": False}, "--max_depth, --whole_images"),
        ("segmentation", {"depth_scale": 0.001}, "Only --task depth knows --depth_scale"),
        ("pose", {}, "--task must be depth or segmentation, got 'pose'"),
    ],
)
def test_options_of_another_task_are_refused(task, given, message):
    with pytest.raises(ValueError, match=message):
        FineTuningArguments(task, "runs", **given)


def test_every_task_has_its_options():
    assert set(TASKS) == set(OWN_OPTIONS)
    for name, task_class in TASKS.items():
        assert task_class.name == name
        assert task_class.own_setting in OWN_OPTIONS[name]


@pytest.mark.parametrize(
    ("task", "metric", "scenes", "crop_size"),
    [("depth", "delta1", (32_768, 512), 128), ("segmentation", "mean_iou", (4096, 128), 128)],
)
def test_rendered_rooms_are_the_default(task, metric, scenes, crop_size):
    opened = open_task(FineTuningArguments(task, "runs"))
    assert (opened.args.recipe, opened.args.model, opened.metric) == ("tiny-synthetic", None, metric)
    assert (opened.args.num_scenes, opened.args.num_eval_scenes, opened.recipe.crop_size) == (*scenes, crop_size)
    assert open_task(FineTuningArguments(task, "runs", num_scenes=5, smoke=True)).count_scenes("train") == 5
    assert open_task(FineTuningArguments(task, "runs", num_scenes=9, smoke=True)).count_scenes("train") == 8


@pytest.mark.parametrize(
    ("task", "labels", "options", "model_class", "default_model"),
    [
        ("depth", "depth", {"depth_scale": 0.001}, PixioForDepthEstimation, "pixio-tiny-depth"),
        # Once, the number of classes was asked for although it was given.
        (
            "segmentation",
            "masks",
            {"num_classes": 3, "do_reduce_labels": True},
            PixioForSemanticSegmentation,
            "pixio-tiny",
        ),
    ],
)
def test_a_folder_of_ones_own_needs_no_recipe(tmp_path, task, labels, options, model_class, default_model):
    write_pairs(tmp_path, labels)
    arguments = FineTuningArguments(task, "runs", dataset=str(tmp_path), batch_size=2, crop_size=64, **options)
    opened = open_task(arguments)
    assert (opened.args.recipe, opened.args.model) == ("folder-dpt", default_model)
    assert opened.recipe.total_batch_size == 0
    opened.open_data()
    assert opened.recipe.total_batch_size == 2
    assert (len(opened.train_items), len(opened.val_items)) == (2, 1)
    views = opened.make_views()
    batch = opened.collate([views[index] for index in range(len(views))])
    assert batch["pixel_values"].shape == (2, 3, 64, 64)
    if task == "depth":
        assert set(batch["labels"].unique().tolist()) == {1.0, 2.0, 3.0}
    else:
        assert set(batch["labels"].unique().tolist()) <= {0, 1, 2, 255}
        assert opened.settings["do_reduce_labels"] is True
    model, has_trained_head, origin = opened.build_model()
    assert type(model) is model_class
    assert has_trained_head == (task == "depth")
    assert f"Starting from {default_model}" in origin
    opened.measure_baselines()
    with torch.inference_mode():
        metrics = opened.evaluate(model)
    assert opened.metric in metrics
    assert opened.metric in next(iter(opened.baselines.values()))
