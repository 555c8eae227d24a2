# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""torch.compile without graph breaks, forward and backward, gives what eager mode gives."""

import pytest
import torch

from pixio_hf import PixioForDepthEstimation, PixioForPreTraining
from tests.tiny_models import block_noise, random_images, randomize_weights, tiny_config


def build_and_feed(kind: str) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    # Two blocks (four for the taps of a DPT head) keep tracing short.
    if kind == "pretraining":
        model = PixioForPreTraining(tiny_config(num_hidden_layers=2, drop_path_rate=0.0))
        return randomize_weights(model).train(), {"pixel_values": random_images(), "noise": block_noise()}
    model = PixioForDepthEstimation(tiny_config(head_type=kind, num_hidden_layers=4 if kind == "dpt" else 2))
    labels = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0)) * 9 + 0.5
    return randomize_weights(model).train(), {"pixel_values": random_images(), "labels": labels}


def compare_with_eager(kind: str, backend: str) -> None:
    model, inputs = build_and_feed(kind)
    outputs = model(**inputs)
    outputs.loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend=backend)(**inputs)
    compiled.loss.backward()
    for field, wanted in outputs.items():
        torch.testing.assert_close(compiled[field], wanted, atol=1e-4, rtol=1e-4)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", ["pretraining", "dpt", "linear"])
def test_whole_graph_forward_and_backward(kind):
    compare_with_eager(kind, backend="aot_eager")


@pytest.mark.slow
def test_whole_graph_with_inductor():
    compare_with_eager("pretraining", backend="inductor")


@pytest.mark.slow
def test_drawn_noise_does_not_break_the_graph():
    model, inputs = build_and_feed("pretraining")
    torch._dynamo.reset()
    outputs = torch.compile(model, fullgraph=True, backend="aot_eager")(inputs["pixel_values"])
    outputs.loss.backward()
    assert torch.isfinite(outputs.loss)
    assert (outputs.mask.sum(dim=1) == 12).all()
