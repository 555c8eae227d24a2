# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Pipelines take our models without complaining that they are not supported."""

import logging

import pytest
from transformers import AutoModelForImageSegmentation, pipeline
from transformers.models.auto import modeling_auto
from transformers.utils import logging as transformers_logging

from pixio_hf import (
    PixioForDepthEstimation,
    PixioForImageClassification,
    PixioForSemanticSegmentation,
    PixioImageProcessor,
    PixioModel,
)
from tests.tiny_models import randomize_weights, tiny_config

TASKS = {
    "depth-estimation": PixioForDepthEstimation,
    "image-segmentation": PixioForSemanticSegmentation,
    "image-classification": PixioForImageClassification,
    "image-feature-extraction": PixioModel,
}


def save(model_class, folder) -> str:
    randomize_weights(model_class(tiny_config(num_labels=3))).save_pretrained(folder)
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("task", TASKS)
def test_pipeline_finds_its_model_without_a_complaint(tmp_path, caplog, monkeypatch, task):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = save(TASKS[task], tmp_path)
    transformers_logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            run = pipeline(task, model=folder, device="cpu")
    finally:
        transformers_logging.disable_propagation()
    assert type(run.model) is TASKS[task]
    assert "not supported" not in caplog.text


def test_auto_class_of_the_segmentation_pipeline(tmp_path):
    folder = save(PixioForSemanticSegmentation, tmp_path)
    assert type(AutoModelForImageSegmentation.from_pretrained(folder)) is PixioForSemanticSegmentation
    # The table of names that we add to still resolves to classes.
    assert PixioForSemanticSegmentation in modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING.values()
