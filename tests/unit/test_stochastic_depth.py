# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Stochastic depth that skips dropped samples against the plain form that computes and zeroes them."""

import pytest
import torch
from transformers.models.pixio import modeling_pixio as upstream

from pixio_hf import PixioForPreTraining, PixioModel
from pixio_hf.modeling_pixio import PixioLayer
from pixio_hf.stochastic_depth import add_kept_branch, draw_kept_samples
from tests.golden import load_case
from tests.tiny_models import block_noise, checkpoint_activations, random_images, randomize_weights, tiny_config

# Kept samples of the attention and of the MLP branch, out of a batch of 5.
DECISIONS = {
    "some": ([1.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0, 0.0]),
    "all_kept": ([1.0] * 5, [1.0] * 5),
    "all_dropped": ([0.0] * 5, [0.0] * 5),
    "only_attention": ([1.0, 1.0, 0.0, 1.0, 1.0], [0.0] * 5),
}


def decide(monkeypatch, *decisions: list[float]) -> None:
    """Make the next draws come out as given, for both forms: both keep where the uniform number is at least the rate."""
    queue = [torch.where(torch.tensor(keep).bool(), 0.99, 0.01) for keep in decisions]
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: queue.pop(0).reshape(shape))


def run_block(form, block: PixioLayer, tokens: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor | None]]:
    block.zero_grad()
    tokens = tokens.clone().requires_grad_()
    output = form(block, tokens)
    output.square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in block.named_parameters()}
    return output.detach(), {**gradients, "tokens": tokens.grad}


@pytest.mark.parametrize("decisions", DECISIONS.values(), ids=DECISIONS)
def test_equals_the_plain_form_with_the_same_decisions(monkeypatch, decisions):
    block = randomize_weights(PixioLayer(tiny_config(), drop_path_rate=0.4)).train()
    tokens = torch.randn(5, 7, 32, generator=torch.Generator().manual_seed(0))
    decide(monkeypatch, *decisions)
    expected, expected_gradients = run_block(lambda layer, x: upstream.PixioLayer.forward(layer, x), block, tokens)
    decide(monkeypatch, *decisions)
    output, gradients = run_block(lambda layer, x: layer(x), block, tokens)
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
    for name, wanted in expected_gradients.items():
        # Never None, not even where all was dropped: distributed training waits for every parameter's gradient.
        torch.testing.assert_close(
            gradients[name], wanted, atol=1e-3, rtol=1e-4, msg=lambda text, n=name: f"{n}: {text}"
        )
    dropped = ~torch.tensor(decisions).bool().any(dim=0)
    assert torch.equal(output[dropped], tokens[dropped])


@pytest.mark.parity
def test_recorded_decisions(monkeypatch):
    case = load_case("drop_path")
    decide(monkeypatch, case.tensors["keep"].tolist())
    values, rate = case.tensors["x"], case.config["drop_path"]
    kept = draw_kept_samples(len(values), rate)
    assert torch.equal(kept, case.tensors["keep"].nonzero().flatten())
    case.assert_close("y", add_kept_branch(torch.zeros_like(values), lambda _: values[kept], kept, rate))


def test_distribution():
    torch.manual_seed(0)
    counts = torch.zeros(8)
    draws = 4000
    for _ in range(draws):
        counts[draw_kept_samples(8, 0.3)] += 1
    # Six standard errors.
    assert (counts / draws - 0.7).abs().max() < 6 * (0.3 * 0.7 / draws) ** 0.5
    # Each sample for itself: the number kept has the variance of a binomial, which a fixed number would not have.
    sizes = torch.tensor([float(len(draw_kept_samples(8, 0.3))) for _ in range(draws)])
    assert abs(sizes.var().item() / (8 * 0.3 * 0.7) - 1) < 0.15


def test_dropped_samples_are_not_computed(monkeypatch):
    block = PixioLayer(tiny_config(), drop_path_rate=0.4).train()
    seen = []
    block.attention.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    block.mlp.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    decide(monkeypatch, *DECISIONS["some"])
    block(torch.randn(5, 7, 32))
    decide(monkeypatch, *DECISIONS["all_dropped"])
    block(torch.randn(5, 7, 32))
    block.eval()(torch.randn(5, 7, 32))
    assert seen == [2, 3, 1, 1, 5, 5]


def test_under_gradient_checkpointing():
    model = randomize_weights(PixioForPreTraining(tiny_config(drop_path_rate=0.5))).train()
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            checkpoint_activations(model)
        model.zero_grad()
        torch.manual_seed(3)
        model(random_images(6), noise=block_noise(6)).loss.backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=lambda text, n=name: f"{n}: {text}")


def test_bfloat16_autocast_keeps_the_residual_stream():
    block = randomize_weights(PixioLayer(tiny_config(), drop_path_rate=0.4)).train()
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        output = block(torch.randn(5, 7, 32))
    assert output.dtype == torch.float32
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


def test_whole_batch_where_it_is_needed():
    model = randomize_weights(PixioModel(tiny_config(drop_path_rate=0.5, attn_implementation="eager"))).train()
    images = random_images(6)
    for from_config in (False, True):
        model.config.output_attentions = from_config
        outputs = model(images, **({} if from_config else {"output_attentions": True}))
        assert [len(attention) for attention in outputs.attentions] == [6] * 4
    model.config.output_attentions = False
    masked = torch.ones(6, 3 + 16)
    masked[:3, -4:] = 0
    assert model(images, attention_mask=masked).last_hidden_state.shape == (6, 19, 32)


def test_compiles_without_graph_breaks():
    model = randomize_weights(PixioForPreTraining(tiny_config(num_hidden_layers=2, drop_path_rate=0.5))).train()
    torch._dynamo.reset()
    outputs = torch.compile(model, fullgraph=True, backend="aot_eager")(random_images(6), noise=block_noise(6))
    outputs.loss.backward()
    assert torch.isfinite(outputs.loss)
