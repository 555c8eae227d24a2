# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Type and size of loaded weights: float32 unless asked otherwise, and never an encoder at random values."""

import logging

import pytest
import torch
from transformers import AutoBackbone, AutoModel, AutoModelForDepthEstimation, UperNetConfig
from transformers import UperNetForSemanticSegmentation as UperNet
from transformers.utils import logging as transformers_logging

from pixio_hf import (
    PixioBackbone,
    PixioConfig,
    PixioForDepthEstimation,
    PixioForDistillation,
    PixioForImageClassification,
    PixioForPreTraining,
    PixioForSemanticSegmentation,
    PixioModel,
    bundled_checkpoint,
)
from tests.tiny_models import random_images, randomize_weights, tiny_config

CLASSES = (
    PixioModel,
    PixioBackbone,
    PixioForDepthEstimation,
    PixioForDistillation,
    PixioForImageClassification,
    PixioForPreTraining,
    PixioForSemanticSegmentation,
)


def dtypes(model: torch.nn.Module) -> set[torch.dtype]:
    return {parameter.dtype for parameter in model.parameters()}


@pytest.fixture(scope="module")
def half_folder(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("half"))
    randomize_weights(PixioForPreTraining(tiny_config(projection_size=8))).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("model_class", CLASSES)
def test_half_checkpoint_loads_in_float32_unless_asked(half_folder, model_class):
    model = model_class.from_pretrained(half_folder)
    assert dtypes(model) == {torch.float32}
    assert model.config.dtype == torch.float32
    for asked in (
        {"dtype": "auto"},
        {"dtype": torch.bfloat16},
        {"dtype": "bfloat16"},
        {"torch_dtype": torch.bfloat16},
    ):
        assert dtypes(model_class.from_pretrained(half_folder, **asked)) == {torch.bfloat16}, asked
    config = PixioConfig.from_pretrained(half_folder)
    assert config.dtype == torch.bfloat16
    assert dtypes(model_class.from_pretrained(half_folder, config=config)) == {torch.float32}


def test_auto_classes_pass_the_type_on(half_folder):
    assert dtypes(AutoModel.from_pretrained(half_folder)) == {torch.float32}
    assert dtypes(AutoModel.from_pretrained(half_folder, dtype="auto")) == {torch.bfloat16}
    assert dtypes(AutoModelForDepthEstimation.from_pretrained(half_folder, dtype=torch.bfloat16)) == {torch.bfloat16}


def test_configuration_of_a_half_checkpoint_builds_what_the_context_asks_for(half_folder):
    config = PixioConfig.from_pretrained(half_folder, out_features=["stage1", "stage2", "stage3", "stage4"])
    assert dtypes(AutoBackbone.from_config(config)) == {torch.float32}
    config.dtype = torch.bfloat16
    assert dtypes(AutoModel.from_config(config, dtype=torch.bfloat16)) == {torch.bfloat16}
    config.dtype = torch.bfloat16
    fields = {"backbone_config": config, "num_labels": 3, "hidden_size": 16, "auxiliary_in_channels": 32}
    model = UperNet(UperNetConfig(**fields, auxiliary_channels=8)).eval()
    assert dtypes(model) == {torch.float32}
    assert model(random_images()).logits.shape == (2, 3, 64, 64)


@pytest.mark.parametrize("name", ["pixio-tiny", "pixio-tiny-depth"])
def test_bundled_configurations_state_float32(name):
    assert PixioConfig.from_pretrained(bundled_checkpoint(name)).dtype == torch.float32
    assert dtypes(AutoModel.from_pretrained(bundled_checkpoint(name), dtype="auto")) == {torch.float32}


def test_training_half_weights_warns_once(half_folder, caplog):
    transformers_logging.enable_propagation()
    warn = "small steps of an optimizer round to nothing"
    try:
        with caplog.at_level(logging.WARNING):
            transformers_logging.warning_once.cache_clear()
            PixioForDepthEstimation.from_pretrained(half_folder).train()
            assert warn not in caplog.text
            model = PixioForDepthEstimation.from_pretrained(half_folder, dtype=torch.bfloat16)
            assert warn not in caplog.text  # predicts, and does not train
            for _ in range(2):
                model.train()
            assert caplog.text.count(warn) == 1
            transformers_logging.warning_once.cache_clear()
            model.requires_grad_(False).train()
            assert caplog.text.count(warn) == 1
    finally:
        transformers_logging.disable_propagation()


@pytest.mark.parametrize("side", [32, 96, 128])
@pytest.mark.parametrize("model_class", CLASSES)
@torch.no_grad()
def test_another_image_size_interpolates_positions(half_folder, tmp_path, model_class, side):
    images = random_images(height=side, width=side)
    expected = PixioModel.from_pretrained(half_folder)(images).last_hidden_state
    model = model_class.from_pretrained(half_folder, image_size=side, ignore_mismatched_sizes=True, num_labels=5)
    encoder = getattr(model, "pixio", model)
    assert encoder.embeddings.position_embeddings.shape[1] == 3 + (side // 16) ** 2
    assert torch.equal(encoder(images).last_hidden_state, expected)
    if model_class is PixioForPreTraining:
        noise = torch.rand(2, (side // 32) ** 2, generator=torch.Generator().manual_seed(0))
        if side > 32:
            right = PixioForPreTraining.from_pretrained(half_folder)(images, noise=noise).logits
            assert torch.equal(model(images, noise=noise).logits, right)
        assert model.decoder.block_config.image_size == side
    assert model.config.image_size == side
    assert encoder.embeddings.patch_embeddings.num_patches == (side // 16) ** 2
    model.save_pretrained(tmp_path)
    again = model_class.from_pretrained(tmp_path)
    assert torch.equal(getattr(again, "pixio", again)(images).last_hidden_state, expected)


@torch.no_grad()
def test_another_image_size_through_auto_classes_and_configurations(half_folder):
    images = random_images(height=96, width=96)
    expected = PixioModel.from_pretrained(half_folder)(images).last_hidden_state
    options = {"ignore_mismatched_sizes": True}
    for model in (
        AutoModel.from_pretrained(half_folder, image_size=96, **options),
        AutoModel.from_pretrained(
            half_folder, config=PixioConfig.from_pretrained(half_folder, image_size=96), **options
        ),
        AutoModelForDepthEstimation.from_pretrained(half_folder, image_size=96, **options).pixio,
    ):
        assert torch.equal(model(images).last_hidden_state, expected)


@pytest.mark.parametrize("model_class", CLASSES)
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"patch_size": 8}, "projection.weight"),
        ({"hidden_size": 64}, "cls_token"),
        ({"n_cls_tokens": 8}, "cls_token"),
        ({"num_channels": 1}, "projection.weight"),
        ({"mlp_ratio": 2}, "fc1.bias"),
    ],
)
def test_other_mismatches_of_the_encoder_are_refused_by_name(half_folder, model_class, fields, named):
    with pytest.raises(ValueError, match=rf"have another shape.*{named}"):
        model_class.from_pretrained(half_folder, ignore_mismatched_sizes=True, **fields)


def test_heads_of_another_shape_start_anew(tmp_path):
    model = randomize_weights(PixioForImageClassification(tiny_config(num_labels=3)))
    model.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        PixioForImageClassification.from_pretrained(tmp_path, num_labels=7)
    other = PixioForImageClassification.from_pretrained(tmp_path, num_labels=7, ignore_mismatched_sizes=True)
    assert other.classifier.weight.shape == (7, 32)
    assert torch.equal(other.pixio.layernorm.weight, model.pixio.layernorm.weight)


@pytest.mark.parametrize("model_class", CLASSES)
def test_report_names_new_heads_and_no_decoder(half_folder, caplog, model_class):
    transformers_logging.enable_propagation()
    try:
        with caplog.at_level(logging.WARNING):
            _, info = model_class.from_pretrained(half_folder, output_loading_info=True)
    finally:
        transformers_logging.disable_propagation()
    has_head = model_class not in (PixioModel, PixioBackbone, PixioForPreTraining)
    assert ("MISSING" in caplog.text) == has_head
    assert "decoder" not in caplog.text
    assert any(key.startswith("decoder.") for key in info["unexpected_keys"]) == (
        model_class is not PixioForPreTraining
    )
