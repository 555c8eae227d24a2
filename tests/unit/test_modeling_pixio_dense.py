# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForDepthEstimation: metres, labels, windows, frozen encoders, bad input."""

import pytest
import torch

from pixio_hf import PixioConfig, PixioForDepthEstimation
from pixio_hf.losses import silog_loss
from tests.tiny_models import checkpoint_activations, random_images, randomize_weights, tiny_config


def build(**overrides) -> PixioForDepthEstimation:
    return randomize_weights(PixioForDepthEstimation(tiny_config(**overrides)))


@pytest.fixture(scope="module", params=["dpt", "linear"])
def model(request) -> PixioForDepthEstimation:
    return build(head_type=request.param)


@torch.no_grad()
def test_depth_in_metres_at_input_resolution(model):
    images = random_images(2, 48, 80)
    outputs = model(images)
    assert outputs.predicted_depth.shape == (2, 48, 80)
    assert outputs.loss is None
    assert outputs.hidden_states is None
    assert outputs.attentions is None
    logits, _ = model.predict_logits(images)
    torch.testing.assert_close(outputs.predicted_depth, 10.0 * torch.sigmoid(logits[:, 0]))
    assert outputs.predicted_depth.min() > 0
    assert outputs.predicted_depth.max() < 10
    assert outputs.predicted_depth.std() > 1e-3
    as_tuple = model(images, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert torch.equal(as_tuple[0], outputs.predicted_depth)


@torch.no_grad()
def test_maximum_depth_scales_the_prediction():
    near, far = build(max_depth=10.0), build(max_depth=80.0)
    images = random_images()
    torch.testing.assert_close(far(images).predicted_depth, 8 * near(images).predicted_depth)


@torch.no_grad()
def test_loss_ignores_invalid_labels(model):
    images = random_images()
    labels = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(5)) * 9 + 0.5
    invalid = torch.rand(2, 64, 64) < 0.3
    outputs = model(images, labels=labels)
    assert outputs.loss.dim() == 0
    torch.testing.assert_close(outputs.loss, silog_loss(outputs.predicted_depth, labels, 1e-3, 10.0))
    difference = (labels.log() - outputs.predicted_depth.log())[~invalid]
    expected = (difference.square().mean() - 0.5 * difference.mean().square()).sqrt()
    for value in (0.0, float("nan"), 10.5, -1.0, float("inf")):
        loss = model(images, labels=labels.masked_fill(invalid, value)).loss
        torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)


def test_batch_without_valid_labels_gives_zero_loss_and_zero_gradients():
    for head_type in ("dpt", "linear"):
        model = build(head_type=head_type).train()
        for value in (0.0, float("nan"), 99.0):
            model.zero_grad()
            loss = model(random_images(), labels=torch.full((2, 64, 64), value)).loss
            loss.backward()
            assert loss.item() == 0
            gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
            assert len(gradients) > 20
            assert all(bool((gradient == 0).all()) for gradient in gradients)


@pytest.mark.parametrize("shape", [(2, 32, 32), (1, 64, 64), (2, 1, 64, 64), (2, 64, 63)])
def test_labels_of_the_wrong_size(model, shape):
    with pytest.raises(ValueError, match=r"labels must have shape \(2, 64, 64\)"):
        model(random_images(), labels=torch.ones(shape))


def test_bad_images(model):
    with pytest.raises(ValueError, match=r"got \(2, 4, 64, 64\)"):
        model(torch.zeros(2, 4, 64, 64))
    with pytest.raises(ValueError, match="multiples of the patch size 16, got 50 x 64"):
        model(torch.zeros(2, 3, 50, 64))
    with pytest.raises(ValueError, match="specify pixel_values"):
        model()


@torch.no_grad()
def test_windows_equal_averaging_by_hand():
    model = build(window_size=64, window_stride=32)
    whole = build(window_size=None)
    images = random_images(2, 64, 96)
    left = whole(images[..., :64]).predicted_depth
    middle = whole(images[..., 32:96]).predicted_depth
    right = whole(torch.nn.functional.pad(images[..., 64:], (0, 32))).predicted_depth
    lower = whole(torch.nn.functional.pad(images[:, :, 32:, :64], (0, 0, 0, 32))).predicted_depth
    depth = model(images).predicted_depth
    assert depth.shape == (2, 64, 96)
    # The first rows are covered by the upper windows only, the first columns by the left ones.
    torch.testing.assert_close(depth[:, :32, :32], left[:, :32, :32])
    torch.testing.assert_close(depth[:, :32, 32:64], (left[:, :32, 32:] + middle[:, :32, :32]) / 2)
    torch.testing.assert_close(depth[:, :32, 64:], (middle[:, :32, 32:] + right[:, :32, :32]) / 2)
    torch.testing.assert_close(depth[:, 32:, :32], (left[:, 32:, :32] + lower[:, :32, :32]) / 2)


@torch.no_grad()
def test_windows_take_any_size_in_eval_mode_only():
    model = build(window_size=64)
    assert model(random_images(1, 50, 71)).predicted_depth.shape == (1, 50, 71)
    with pytest.raises(ValueError, match="multiples of the patch size"):
        model.train()(random_images(1, 50, 71))
    with pytest.raises(ValueError, match="do not exist for windowed prediction"):
        model.eval()(random_images(), output_hidden_states=True)


@torch.no_grad()
def test_hidden_states_and_attentions(model):
    model.set_attn_implementation("eager")
    outputs = model(random_images(), output_hidden_states=True, output_attentions=True)
    model.set_attn_implementation("sdpa")
    assert [state.shape for state in outputs.hidden_states] == [(2, 3 + 16, 32)] * 5
    assert [attention.shape for attention in outputs.attentions] == [(2, 4, 19, 19)] * 4
    some = model(random_images(), output_hidden_states=[0, -1]).hidden_states
    assert [state is None for state in some] == [False, True, True, True, False]
    torch.testing.assert_close(some[-1], outputs.hidden_states[-1])
    torch.testing.assert_close(model(random_images()).predicted_depth, outputs.predicted_depth)


def test_frozen_encoder_stays_in_eval_mode(model):
    model = build(head_type=model.config.head_type, drop_path_rate=0.5)
    model.freeze_encoder()
    model.train()
    assert model.training
    assert model.head.training
    assert not any(module.training for module in model.pixio.modules())
    model(random_images(), labels=torch.full((2, 64, 64), 3.0)).loss.backward()
    assert all(parameter.grad is None for parameter in model.pixio.parameters())
    assert all(parameter.grad is not None for parameter in model.head.parameters())
    assert not model.eval().head.training


def test_not_frozen_the_encoder_trains():
    model = build().train()
    assert all(module.training for module in model.pixio.modules())
    model(random_images(), labels=torch.full((2, 64, 64), 3.0)).loss.backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []


def test_gradient_checkpointing_gives_the_same_gradients():
    model = build().train()
    labels = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0)) * 9 + 0.5

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model(random_images(), labels=labels).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    expected = gradients()
    checkpoint_activations(model)
    for actual, wanted in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(actual, wanted)


@torch.no_grad()
def test_tapped_blocks():
    assert build(num_hidden_layers=8).tapped_blocks == (1, 3, 5, 7)
    assert build(head_type="linear", num_hidden_layers=8).tapped_blocks == (7,)
    with pytest.raises(ValueError, match="num_hidden_layers=3"):
        PixioForDepthEstimation(tiny_config(num_hidden_layers=3))


def test_trainer_must_not_rescale_the_loss():
    assert PixioForDepthEstimation.accepts_loss_kwargs is False


@torch.no_grad()
def test_bfloat16():
    model = build().to(torch.bfloat16)
    outputs = model(random_images(), labels=torch.full((2, 64, 64), 3.0))
    assert outputs.predicted_depth.dtype == torch.float32  # a bfloat16 cannot tell 5.00 from 5.01 metres
    assert outputs.loss.dtype == torch.float32
    assert torch.isfinite(outputs.loss)
    expected = build()(random_images()).predicted_depth
    assert (outputs.predicted_depth - expected).abs().mean() < 0.25


def test_head_of_a_full_size_configuration_is_fresh_but_usable():
    torch.manual_seed(0)
    config = PixioConfig.preset("pixio-tiny")
    depth = PixioForDepthEstimation(config).eval()(random_images(1, 128, 128)).predicted_depth
    assert depth.shape == (1, 128, 128)
    assert torch.isfinite(depth).all()
