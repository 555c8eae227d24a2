# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Labels, masks and images in every type that arrays come in: the same numbers give the same result."""

import pytest
import torch

from pixio_hf import (
    PixioForDepthEstimation,
    PixioForImageClassification,
    PixioForPreTraining,
    PixioForSemanticSegmentation,
    PixioModel,
)
from tests.tiny_models import random_images, randomize_weights, tiny_config

UNSIGNED = (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
SIGNED = (torch.int8, torch.int16, torch.int32, torch.int64)
NUM_LABELS = 5


def build(model_class, **fields):
    return randomize_weights(model_class(tiny_config(num_labels=NUM_LABELS, **fields)))


def class_map() -> torch.Tensor:
    return torch.randint(0, NUM_LABELS, (2, 64, 64), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", UNSIGNED + SIGNED)
def test_segmentation(dtype):
    model, labels = build(PixioForSemanticSegmentation, head_type="linear"), class_map()
    labels[:, :9] = 255 if dtype is not torch.int8 else 100
    model.config.semantic_loss_ignore_index = int(labels[0, 0, 0])
    expected = model(random_images(), labels=labels).loss
    assert torch.equal(model(random_images(), labels=labels.to(dtype)).loss, expected)


@pytest.mark.parametrize("model_class", [PixioForSemanticSegmentation, PixioForImageClassification])
@pytest.mark.parametrize(("dtype", "wrong"), [(torch.int8, -1), (torch.uint16, 40000), (torch.uint64, 2**63 - 1)])
def test_numbers_that_are_no_class(model_class, dtype, wrong):
    shape = (2, 64, 64) if model_class is PixioForSemanticSegmentation else (2,)
    labels = torch.full(shape, wrong, dtype=torch.int64).to(dtype)
    with pytest.raises(ValueError, match=rf"must lie in 0 .. 4.*got {wrong}\."):
        build(model_class)(random_images(), labels=labels)


def test_numbers_beyond_int64_are_never_the_ignored_one():
    labels = torch.full((2, 64, 64), -1, dtype=torch.int64).to(torch.uint64)
    model = build(PixioForSemanticSegmentation, semantic_loss_ignore_index=-1)
    with pytest.raises(ValueError, match="18446744073709551615"):
        model(random_images(), labels=labels)


@pytest.mark.parametrize("dtype", UNSIGNED + SIGNED)
def test_classification(dtype):
    model, labels = build(PixioForImageClassification), torch.tensor([4, 1])
    expected = model(random_images(), labels=labels).loss
    assert torch.equal(model(random_images(), labels=labels.to(dtype)).loss, expected)


@pytest.mark.parametrize("dtype", [*UNSIGNED, *SIGNED, torch.float16, torch.bfloat16, torch.float64])
def test_depth(dtype):
    model, labels = build(PixioForDepthEstimation), class_map().float()
    expected = model(random_images(), labels=labels).loss
    assert expected > 0
    assert torch.equal(model(random_images(), labels=labels.to(dtype)).loss, expected)


def test_depth_that_is_no_number_of_metres():
    with pytest.raises(ValueError, match="numbers in metres"):
        build(PixioForDepthEstimation)(random_images(), labels=torch.ones(2, 64, 64, dtype=torch.bool))


@pytest.mark.parametrize("dtype", [*UNSIGNED, *SIGNED, torch.float32])
def test_masks(dtype):
    mask = (torch.arange(16) % 2).repeat(2, 1)
    encoder, autoencoder = build(PixioModel), build(PixioForPreTraining)
    expected = encoder(random_images(), bool_masked_pos=mask.bool()).last_hidden_state
    assert torch.equal(encoder(random_images(), bool_masked_pos=mask.to(dtype)).last_hidden_state, expected)
    expected = autoencoder(random_images(), bool_masked_pos=mask.bool()).loss
    assert torch.equal(autoencoder(random_images(), bool_masked_pos=mask.to(dtype)).loss, expected)


@pytest.mark.parametrize("dtype", UNSIGNED + SIGNED)
def test_ids_keep(dtype):
    encoder, ids = build(PixioModel), torch.tensor([[3, 0, 7], [1, 2, 15]])
    expected = encoder(random_images(), ids_keep=ids).last_hidden_state
    assert torch.equal(encoder(random_images(), ids_keep=ids.to(dtype)).last_hidden_state, expected)
    with pytest.raises(ValueError, match="whole numbers"):
        encoder(random_images(), ids_keep=ids.float())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_raw_images(dtype):
    with pytest.raises(ValueError, match="normalised floating point images"):
        build(PixioModel)(torch.ones(1, 3, 64, 64).to(dtype))
