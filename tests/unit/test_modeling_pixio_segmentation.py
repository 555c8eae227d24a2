# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForSemanticSegmentation: classes, labels, windows, bad input. What depth shares is tested with depth."""

from unittest import mock

import pytest
import torch
from torch import Tensor

from pixio_hf import PixioForSemanticSegmentation
from tests.tiny_models import random_images, randomize_weights, tiny_config


def build(num_labels: int = 5, **overrides) -> PixioForSemanticSegmentation:
    return randomize_weights(PixioForSemanticSegmentation(tiny_config(num_labels=num_labels, **overrides)))


def random_labels(batch_size: int = 2, height: int = 64, width: int = 64, ignored: float = 0.3) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 5, (batch_size, height, width), generator=generator)
    return labels.masked_fill(torch.rand(labels.shape, generator=generator) < ignored, 255)


def mean_surprise(log_probabilities: Tensor, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """-log p of the right class, averaged over the labelled pixels, pixel by pixel."""
    image, row, column = (labels != ignore_index).nonzero(as_tuple=True)
    return -log_probabilities[image, labels[image, row, column], row, column].mean()


@pytest.fixture(scope="module", params=["dpt", "linear"])
def model(request) -> PixioForSemanticSegmentation:
    return build(head_type=request.param)


@torch.no_grad()
def test_logits_at_input_resolution(model):
    images = random_images(2, 48, 80)
    outputs = model(images)
    assert outputs.logits.shape == (2, 5, 48, 80)
    assert outputs.logits.dtype == torch.float32
    assert outputs.loss is None
    assert outputs.hidden_states is None
    assert outputs.attentions is None
    assert torch.equal(outputs.logits, model.predict_logits(images)[0])
    assert outputs.logits.argmax(dim=1).unique().numel() > 1
    as_tuple = model(images, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[0], outputs.logits)
    states = model(images, output_hidden_states=True).hidden_states
    assert [state.shape for state in states] == [(2, 3 + 15, 32)] * 5


def test_classes_come_from_the_configuration():
    names = {0: "wall", 1: "floor", 2: "sofa"}
    model = PixioForSemanticSegmentation(tiny_config(id2label=names))
    assert model(random_images(1)).logits.shape == (1, 3, 64, 64)
    assert model.config.id2label == names
    with pytest.raises(ValueError, match="at least 2 classes, got num_labels=1"):
        PixioForSemanticSegmentation(tiny_config(num_labels=1))


def test_ignoring_a_class_is_said():
    with mock.patch("pixio_hf.modeling_pixio_dense.logger.warning") as warning:
        build(semantic_loss_ignore_index=255)
        warning.assert_not_called()
        build(semantic_loss_ignore_index=4)
        assert "Class 4 will never be learned" in warning.call_args.args[0]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_loss_is_the_mean_over_labelled_pixels(model, dtype):
    labels = random_labels()
    outputs = model(random_images(), labels=labels.to(dtype))
    assert outputs.loss.dim() == 0
    torch.testing.assert_close(outputs.loss, mean_surprise(outputs.logits.log_softmax(dim=1), labels))
    # The two images have different numbers of labelled pixels: every pixel weighs the same, not every image.
    labels[0, :60] = 255
    outputs = model(random_images(), labels=labels.to(dtype))
    torch.testing.assert_close(outputs.loss, mean_surprise(outputs.logits.log_softmax(dim=1), labels))


@torch.no_grad()
def test_ignored_number_is_configurable():
    labels = random_labels()
    expected = build()(random_images(), labels=labels).loss
    other = build(semantic_loss_ignore_index=-100)
    torch.testing.assert_close(other(random_images(), labels=labels.masked_fill(labels == 255, -100)).loss, expected)
    with pytest.raises(ValueError, match=r"0 .. 4 or -100 \(ignored\), got 255"):
        other(random_images(), labels=labels)


@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_batch_without_labelled_pixels_gives_zero_loss_and_zero_gradients(head_type):
    model = build(head_type=head_type).train()
    loss = model(random_images(), labels=torch.full((2, 64, 64), 255)).loss
    loss.backward()
    assert loss.item() == 0
    gradients = [parameter.grad for parameter in model.parameters()]
    assert len(gradients) > 20
    assert all(gradient is not None and bool((gradient == 0).all()) for gradient in gradients)


def test_every_weight_gets_a_gradient(model):
    model = build(head_type=model.config.head_type).train()
    model(random_images(), labels=random_labels()).loss.backward()
    missing = [name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 0]
    # Adding one number to all keys changes no softmax: their bias moves by rounding only.
    assert [name for name in missing if "k_proj.bias" not in name] == []


@pytest.mark.parametrize("value", [5, 254, -1, 1000])
def test_label_that_is_no_class(model, value):
    labels = random_labels()
    labels[1, 3, 7] = value
    with pytest.raises(ValueError, match=rf"must lie in 0 .. 4 or 255 \(ignored\), got {value}\."):
        model(random_images(), labels=labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_labels_that_are_no_numbers_of_classes(model, dtype):
    with pytest.raises(ValueError, match=f"must be integers, got a tensor of {dtype}"):
        model(random_images(), labels=torch.zeros(2, 64, 64, dtype=dtype))


@pytest.mark.parametrize("shape", [(2, 32, 32), (1, 64, 64), (2, 1, 64, 64), (2, 5, 64, 64)])
def test_labels_of_the_wrong_size(model, shape):
    with pytest.raises(ValueError, match=r"labels must have shape \(2, 64, 64\), the class number of every pixel"):
        model(random_images(), labels=torch.zeros(shape, dtype=torch.int64))


@torch.no_grad()
def test_windows_average_probabilities():
    model, whole = build(window_size=64, window_stride=32), build(window_size=None)
    images = random_images(2, 64, 96)

    def probabilities(windows: Tensor) -> Tensor:
        return whole(windows).logits.softmax(dim=1)

    left, middle = probabilities(images[..., :64]), probabilities(images[..., 32:96])
    right = probabilities(torch.nn.functional.pad(images[..., 64:], (0, 32)))
    labels = random_labels(2, 64, 96)
    outputs = model(images, labels=labels)
    assert outputs.logits.shape == (2, 5, 64, 96)
    averaged = outputs.logits.softmax(dim=1)
    # The first rows are covered by the upper windows only, the first columns by the left ones.
    torch.testing.assert_close(averaged[..., :32, :32], left[..., :32, :32])
    torch.testing.assert_close(averaged[..., :32, 32:64], (left[..., :32, 32:] + middle[..., :32, :32]) / 2)
    torch.testing.assert_close(averaged[..., :32, 64:], (middle[..., :32, 32:] + right[..., :32, :32]) / 2)
    torch.testing.assert_close(outputs.logits.exp(), averaged)
    torch.testing.assert_close(outputs.loss, mean_surprise(averaged.log(), labels))
    with pytest.raises(ValueError, match="do not exist for windowed prediction"):
        model(images, output_hidden_states=True)


@torch.no_grad()
def test_windows_keep_logits_finite():
    model = build(window_size=64)
    model.head.output_convs[-1].weight.mul_(1e4)
    images = random_images(1, 50, 71)
    assert (model.predict_logits(images[..., :48, :64])[0].softmax(dim=1) == 0).any()
    outputs = model(images, labels=random_labels(1, 50, 71))
    assert torch.isfinite(outputs.logits).all()
    assert torch.isfinite(outputs.loss)
    with pytest.raises(ValueError, match="multiples of the patch size"):
        model.train()(images)


@torch.no_grad()
def test_bfloat16():
    outputs = build().to(torch.bfloat16)(random_images(), labels=random_labels())
    assert outputs.logits.dtype == outputs.loss.dtype == torch.float32
    exact = build()(random_images(), labels=random_labels())
    assert (outputs.logits - exact.logits).abs().mean() < 0.1 * exact.logits.abs().mean()


def test_compiled_whole_with_labels():
    model = build().train()
    inputs = {"pixel_values": random_images(), "labels": random_labels()}
    expected = model(**inputs)
    expected.loss.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(**inputs)
    compiled.loss.backward()
    torch.testing.assert_close(compiled.logits, expected.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(compiled.loss, expected.loss)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-4, rtol=1e-3)
