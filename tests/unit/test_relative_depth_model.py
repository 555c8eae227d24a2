# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForDepthEstimation of relative depth: never negative, trained in any precision, saved with its type."""

import pytest
import torch

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioImageProcessor
from pixio_hf.losses import relative_depth_loss
from tests.tiny_models import random_images, randomize_weights, tiny_config


def build(**overrides) -> PixioForDepthEstimation:
    torch.manual_seed(0)
    return PixioForDepthEstimation(tiny_config(depth_estimation_type="relative", **overrides))


def slope() -> torch.Tensor:
    """Labels (2, 64, 64) that are near at the bottom, with sky at the top and a hole."""
    labels = torch.linspace(9, 1, 64)[None, :, None].expand(2, 64, 64).clone()
    labels[:, :6] = float("inf")
    labels[0, 30:40, 10:20] = 0
    return labels


def test_the_type_is_checked_and_saved(tmp_path):
    assert PixioConfig().depth_estimation_type == "metric"
    with pytest.raises(ValueError, match="depth_estimation_type must be one of metric, relative"):
        PixioConfig(depth_estimation_type="inverse")
    with pytest.raises(ValueError, match="depth_loss_trim"):
        PixioConfig(depth_loss_trim=1.0)
    with pytest.raises(ValueError, match="no common scale"):
        PixioConfig(depth_estimation_type="relative", window_size=256)
    build(depth_loss_trim=0.1).save_pretrained(tmp_path)
    loaded = PixioForDepthEstimation.from_pretrained(tmp_path)
    assert (loaded.config.depth_estimation_type, loaded.config.depth_loss_trim) == ("relative", 0.1)


@torch.no_grad()
@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_inverse_depth_is_never_negative(head_type):
    model, images = randomize_weights(build(head_type=head_type)).eval(), random_images()
    outputs = model(images, labels=slope())
    logits, _ = model.predict_logits(images)
    assert torch.equal(outputs.predicted_depth, logits[:, 0].clamp(min=0))
    torch.testing.assert_close(outputs.loss, relative_depth_loss(outputs.predicted_depth, slope()))
    trimming = PixioForDepthEstimation(tiny_config(head_type=head_type, depth_estimation_type="relative"))
    trimming.load_state_dict(model.state_dict())
    trimming.config.depth_loss_trim = 0.1
    trimmed = trimming.eval()(images, labels=slope()).loss
    torch.testing.assert_close(trimmed, relative_depth_loss(outputs.predicted_depth, slope(), trim=0.1))
    # A photo of another size, as the pipeline shows it.
    (photo,) = PixioImageProcessor().post_process_depth_estimation(outputs, [(30, 50), (20, 20)])[:1]
    assert photo["predicted_depth"].shape == (30, 50)


@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_new_heads_see_everything_at_some_distance(head_type):
    model = build(head_type=head_type)
    assert (model(random_images()).predicted_depth > 0).float().mean() > 0.9


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_lowers_the_loss(dtype):
    model, images, labels = build().train(), random_images(), slope()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            loss = model(images, labels=labels).loss
        assert loss.dtype == torch.float32
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_a_batch_without_labels_trains_nothing():
    model = build().train()
    loss = model(random_images(), labels=torch.zeros(2, 64, 64)).loss
    loss.backward()
    assert loss.item() == 0
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(gradients) > 20
    assert all(bool((gradient == 0).all()) for gradient in gradients)
