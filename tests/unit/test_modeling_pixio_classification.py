# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForImageClassification: features, the three losses, probes, bad input."""

import math

import pytest
import torch

from pixio_hf import PixioForImageClassification
from tests.tiny_models import random_images, randomize_weights, tiny_config


def build(num_labels: int = 5, **overrides) -> PixioForImageClassification:
    return randomize_weights(PixioForImageClassification(tiny_config(num_labels=num_labels, **overrides)))


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (48, 80), (128, 128)])
def test_linear_layer_over_the_mean_class_token(size):
    model = build()
    images = random_images(2, *size)
    outputs = model(images)
    assert outputs.loss is None
    assert outputs.hidden_states is None
    assert outputs.attentions is None
    tokens = model.pixio(images).last_hidden_state  # three class tokens first
    mean_token = (tokens[:, 0] + tokens[:, 1] + tokens[:, 2]) / 3
    expected = mean_token @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(outputs.logits, expected)
    assert outputs.logits.std() > 0.1
    as_tuple = model(images, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[0], outputs.logits)


@torch.no_grad()
def test_hidden_states_and_attentions():
    model = build()
    model.set_attn_implementation("eager")
    outputs = model(random_images(), output_hidden_states=True, output_attentions=True)
    assert [state.shape for state in outputs.hidden_states] == [(2, 3 + 16, 32)] * 5
    assert [attention.shape for attention in outputs.attentions] == [(2, 4, 19, 19)] * 4


@torch.no_grad()
@pytest.mark.parametrize("problem_type", [None, "single_label_classification"])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
def test_cross_entropy(problem_type, dtype):
    outputs = build(problem_type=problem_type)(random_images(), labels=torch.tensor([4, 0], dtype=dtype))
    log_probabilities = outputs.logits.log_softmax(dim=1)
    torch.testing.assert_close(outputs.loss, -(log_probabilities[0, 4] + log_probabilities[1, 0]) / 2)


@torch.no_grad()
@pytest.mark.parametrize(
    ("problem_type", "dtype"),
    [
        (None, torch.float32),
        ("multi_label_classification", torch.float32),
        ("multi_label_classification", torch.int64),
        ("multi_label_classification", torch.bool),
    ],
)
def test_binary_cross_entropy(problem_type, dtype):
    present = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1]])
    outputs = build(problem_type=problem_type)(random_images(), labels=present.to(dtype))
    probability = outputs.logits.sigmoid()
    expected = -torch.where(present.bool(), probability, 1 - probability).log().mean()
    torch.testing.assert_close(outputs.loss, expected)


@torch.no_grad()
@pytest.mark.parametrize(("num_labels", "shape"), [(1, (2,)), (1, (2, 1)), (3, (2, 3))])
def test_regression(num_labels, shape):
    labels = torch.arange(2.0 * num_labels).reshape(shape)
    outputs = build(num_labels, problem_type="regression" if num_labels > 1 else None)(random_images(), labels=labels)
    torch.testing.assert_close(outputs.loss, (outputs.logits - labels.reshape(2, num_labels)).square().mean())


@pytest.mark.parametrize("value", [5, -1, -100, 17])
def test_label_that_is_no_class(value):
    with pytest.raises(ValueError, match=rf"must lie in 0 .. 4, got {value}\."):
        build()(random_images(), labels=torch.tensor([0, value]))


@pytest.mark.parametrize(
    ("fields", "labels", "message"),
    [
        ({}, torch.zeros(3, dtype=torch.int64), r"single_label_classification must have shape \(2,\), got \(3,\)"),
        ({}, torch.zeros(2, 5, dtype=torch.int64), "set problem_type"),
        ({}, torch.zeros(2), r"multi_label_classification must have shape \(2, 5\), got \(2,\)"),
        ({"problem_type": "regression"}, torch.zeros(2), r"regression must have shape \(2, 5\)"),
        ({"num_labels": 1}, torch.zeros(2, 2), r"shape \(2, 1\) or \(2,\), got \(2, 2\)"),
        ({"problem_type": "single_label_classification"}, torch.zeros(2), "must be integers"),
        ({"problem_type": "ranking"}, torch.zeros(2), "one of .*regression, got 'ranking'"),
    ],
)
def test_labels_that_do_not_fit(fields, labels, message):
    with pytest.raises(ValueError, match=message):
        build(**fields)(random_images(), labels=labels)


def test_bad_images():
    with pytest.raises(ValueError, match="specify pixel_values"):
        build()()
    with pytest.raises(ValueError, match="multiples of the patch size 16, got 50 x 64"):
        build()(torch.zeros(2, 3, 50, 64))
    with pytest.raises(ValueError, match="at least 1 label"):
        PixioForImageClassification(tiny_config(num_labels=0))


def test_linear_probe_trains_the_linear_layer_only():
    model = build(drop_path_rate=0.5)
    model.freeze_encoder()
    model.train()
    assert model.training
    assert not any(module.training for module in model.pixio.modules())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    losses = []
    for _ in range(20):
        loss = model(random_images(), labels=torch.tensor([1, 3])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"classifier.weight", "classifier.bias"}
    assert losses[-1] < 0.3 * losses[0]


def test_full_fine_tuning_reaches_every_weight():
    model = build().train()
    model(random_images(), labels=torch.tensor([1, 3])).loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert model.pixio.embeddings.cls_token.grad.abs().sum() > 0


def test_new_layer_starts_glorot_uniform():
    torch.manual_seed(0)
    model = PixioForImageClassification(tiny_config(hidden_size=256, num_labels=128))
    weight, bound = model.classifier.weight, math.sqrt(6 / (256 + 128))
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    torch.testing.assert_close(weight.std().item(), bound / math.sqrt(3), atol=0, rtol=0.02)
    assert (model.classifier.bias == 0).all()


@torch.no_grad()
def test_bfloat16():
    labels = torch.tensor([1, 3])
    outputs = build().to(torch.bfloat16)(random_images(), labels=labels)
    assert outputs.logits.dtype == torch.bfloat16
    assert outputs.loss.dtype == torch.float32
    exact = build()(random_images(), labels=labels)
    assert (outputs.logits.float() - exact.logits).abs().mean() < 0.1 * exact.logits.abs().mean()


def test_compiled_whole_with_labels():
    model, labels = build().train(), torch.tensor([1, 3])
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(random_images(), labels=labels)
    expected = model(random_images(), labels=labels)
    torch.testing.assert_close(compiled.logits, expected.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(compiled.loss, expected.loss, atol=1e-4, rtol=1e-4)
