# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states, attentions, pickling and checkpointing: what a forward pass returns, and what it leaves on a model."""

import copy
import io
import multiprocessing
import pickle

import pytest
import torch
from torch import nn

from pixio_hf import PixioBackbone, PixioForDistillation, PixioForPreTraining, PixioModel
from tests.tiny_models import block_noise, random_images, randomize_weights, tiny_config
from tests.unit.test_loading_types import CLASSES


def build(model_class: type, **fields) -> nn.Module:
    return randomize_weights(model_class(tiny_config(projection_size=8, num_labels=3, **fields)))


def predict(model: nn.Module, **options):
    if isinstance(model, PixioForPreTraining):
        options["noise"] = block_noise()
    return model(random_images(), **options)


def main_output(model: nn.Module, **options) -> torch.Tensor:
    outputs = predict(model, **options)
    for name in ("last_hidden_state", "predicted_depth", "logits", "projected_hidden_states"):
        if name in outputs:
            return outputs[name]
    return outputs.feature_maps[-1]


def predict_in_process(model: nn.Module, results) -> None:
    results.put(main_output(model).detach().numpy())


@pytest.mark.parametrize("model_class", CLASSES)
def test_attentions_are_those_of_eager_attention(model_class):
    model = build(model_class)
    model.set_attn_implementation("sdpa")
    fused = predict(model, output_attentions=True).attentions
    model.set_attn_implementation("eager")
    for attention, expected in zip(fused, predict(model, output_attentions=True).attentions, strict=True):
        torch.testing.assert_close(attention, expected)
    for model.config.output_attentions in (False, True):
        options = {} if model.config.output_attentions else {"output_attentions": True}
        attentions = predict(model, **options).attentions
        assert len(attentions) == 4
        for attention in attentions:
            assert attention.shape[:2] == (2, 4)
            torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:-1]))
    assert predict(model, output_attentions=False).attentions is None
    model.set_attn_implementation("sdpa")
    assert len(predict(model).attentions) == 4  # the configuration still asks for them


@pytest.mark.parametrize("model_class", CLASSES)
def test_attentions_in_training_with_stochastic_depth_and_checkpointing(model_class):
    model = build(model_class, drop_path_rate=0.5)
    model.set_attn_implementation("eager")
    expected = predict(model, output_attentions=True).attentions[0]
    model.gradient_checkpointing_enable()
    outputs = predict(model.train(), output_attentions=True, output_hidden_states=True)
    assert len(outputs.attentions) == 4
    assert len(outputs.hidden_states) == 5
    torch.testing.assert_close(outputs.attentions[0], expected)


@torch.no_grad()
def test_selected_hidden_states():
    model = build(PixioModel)
    every = predict(model, output_hidden_states=True).hidden_states
    assert len(every) == 5
    torch.testing.assert_close(model.layernorm(every[-1]), predict(model).last_hidden_state)
    some = predict(model, output_hidden_states=[0, -1]).hidden_states
    assert [state is None for state in some] == [False, True, True, True, False]
    assert torch.equal(some[4], every[4])
    assert predict(model).hidden_states is None
    assert len(predict(model, return_dict=False)) == 2


@pytest.mark.parametrize("model_class", CLASSES)
def test_pickled_and_copied_after_use(model_class):
    model = build(model_class)
    model.set_attn_implementation("eager")
    model.gradient_checkpointing_enable()
    model.enable_input_require_grads()
    predict(model.train(), output_hidden_states=True, output_attentions=True)
    model.eval()
    expected = main_output(model)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (torch.load(file, weights_only=False), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert torch.equal(main_output(other), expected)
    model.gradient_checkpointing_disable()
    model.disable_input_require_grads()
    assert torch.equal(main_output(pickle.loads(pickle.dumps(model))), expected)


def test_loaded_model_is_pickled_after_use(tmp_path):
    build(PixioBackbone).save_pretrained(tmp_path)
    model = PixioBackbone.from_pretrained(tmp_path)
    expected = main_output(model)
    assert torch.equal(main_output(pickle.loads(pickle.dumps(model))), expected)


@pytest.mark.slow
def test_spawned_process_gets_a_used_model():
    model = build(PixioForDistillation)
    expected = main_output(model).detach()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=predict_in_process, args=(model, results))
    process.start()
    received = torch.from_numpy(results.get(timeout=120))
    process.join()
    torch.testing.assert_close(received, expected)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("frozen", ["embeddings", "embeddings and two blocks", "nothing"])
def test_checkpointing_behind_frozen_weights_gives_the_plain_gradients(reentrant, frozen):
    gradients = []
    for checkpointing in (False, True):
        model = build(PixioForPreTraining).train()
        if frozen != "nothing":
            model.pixio.embeddings.requires_grad_(False)
        if "blocks" in frozen:
            model.pixio.layers[:2].requires_grad_(False)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
        predict(model).loss.backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad})
    assert all(gradient is not None for gradient in gradients[1].values())
    torch.testing.assert_close(gradients[0], gradients[1])
