# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Losses: numbers by hand, ignored pixels, gradients where mathematics leaves them open, bad input."""

import math

import pytest
import torch
from torch import Tensor

from pixio_hf.losses import masked_pixel_loss, silog_loss, valid_depth_mask


def backpropagate(prediction: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    prediction = prediction.clone().requires_grad_()
    loss = silog_loss(prediction, labels, 1e-3, 10.0)
    loss.backward()
    assert prediction.grad is not None
    return loss.detach(), prediction.grad


def test_pixel_loss_averages_over_removed_patches_of_the_whole_batch() -> None:
    pred = torch.zeros(2, 3, 4)
    target = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[..., None].expand(2, 3, 4)
    mask = torch.tensor([[1, 0, 0], [0, 1, 1]])
    expected = (1 + 25 + 36) / 3
    for cast in (mask.float(), mask.bool()):
        assert masked_pixel_loss(pred, target, cast).item() == pytest.approx(expected, rel=1e-6)


def test_pixel_loss_ignores_kept_patches_in_the_gradient() -> None:
    pred = torch.randn(1, 4, 5, requires_grad=True)
    masked_pixel_loss(pred, torch.zeros(1, 4, 5), torch.tensor([[0.0, 1.0, 0.0, 1.0]])).backward()
    assert pred.grad is not None
    assert pred.grad[0, [0, 2]].abs().sum() == 0
    torch.testing.assert_close(pred.grad[0, [1, 3]], 2 * pred.detach()[0, [1, 3]] / 5 / 2)


def test_pixel_loss_is_float32_and_zero_without_removed_patches() -> None:
    pred = torch.full((1, 2, 768), 1.0, dtype=torch.bfloat16)
    target = torch.full((1, 2, 768), 1.001)
    loss = masked_pixel_loss(pred, target, torch.ones(1, 2))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1e-6, rel=1e-3)
    assert masked_pixel_loss(pred, target, torch.zeros(1, 2)).item() == 0.0


def test_pixel_loss_rejects_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match="must both be"):
        masked_pixel_loss(torch.zeros(1, 2, 3), torch.zeros(1, 1, 3), torch.ones(1, 2))
    with pytest.raises(ValueError, match="mask must be"):
        masked_pixel_loss(torch.zeros(2, 2, 3), torch.zeros(2, 2, 3), torch.ones(1, 2))


def test_valid_depths_include_both_limits_and_no_missing_pixel() -> None:
    labels = torch.tensor([0.0, float("nan"), float("inf"), -1.0, 0.0009, 0.001, 5.0, 10.0, 10.001])
    assert valid_depth_mask(labels, 1e-3, 10.0).tolist() == [False] * 5 + [True] * 3 + [False]
    assert not valid_depth_mask(torch.zeros(1), 0.0, 10.0).any()
    for limits in ((-1.0, 10.0), (2.0, 1.0), (0.1, math.inf), (0.1, math.nan)):
        with pytest.raises(ValueError, match="Depth limits"):
            valid_depth_mask(labels, *limits)


def test_silog_of_two_pixels_by_hand() -> None:
    prediction = torch.tensor([[[1.0, 2.0, 3.0]]])
    labels = torch.tensor([[[2.0, 2.0, 0.0]]])
    d = math.log(2.0)
    expected = math.sqrt(d * d / 2 - 0.5 * (d / 2) ** 2)
    assert silog_loss(prediction, labels, 1e-3, 10.0).item() == pytest.approx(expected, rel=1e-6)


def test_silog_clamps_the_prediction_from_below() -> None:
    loss, gradient = backpropagate(torch.tensor([[[-5.0, 1.0]]]), torch.tensor([[[1.0, 1.0]]]))
    d = math.log(1000.0)
    assert loss.item() == pytest.approx(math.sqrt(d * d / 2 - 0.5 * (d / 2) ** 2), rel=1e-6)
    assert gradient[0, 0, 0] == 0
    assert gradient[0, 0, 1] != 0


@pytest.mark.parametrize("missing", [0.0, float("nan"), 11.0, 1e-4])
def test_silog_never_sees_ignored_pixels(missing: float) -> None:
    labels = torch.full((2, 3, 4), 2.0)
    labels[1] = missing
    prediction = torch.rand(2, 3, 4) + 0.5
    broken = prediction.clone()
    broken[1] = torch.tensor([float("nan"), float("inf"), 0.0, -1.0])
    loss, gradient = backpropagate(broken, labels)
    alone, gradient_alone = backpropagate(prediction[:1], labels[:1])
    torch.testing.assert_close(loss, alone)
    torch.testing.assert_close(gradient[:1], gradient_alone)
    assert gradient[1].abs().sum() == 0


def test_silog_of_an_empty_batch_is_zero_with_zero_gradient() -> None:
    loss, gradient = backpropagate(torch.rand(2, 3, 4), torch.zeros(2, 3, 4))
    assert loss.item() == 0.0
    assert torch.equal(gradient, torch.zeros(2, 3, 4))


def test_silog_of_a_perfect_prediction_is_zero_with_finite_gradient() -> None:
    depth = torch.rand(2, 3, 4) + 1.0
    loss, gradient = backpropagate(depth, depth)
    assert loss.item() == 0.0
    assert torch.equal(gradient, torch.zeros(2, 3, 4))


def test_silog_gradient_agrees_with_finite_differences() -> None:
    torch.manual_seed(0)
    prediction, labels = torch.rand(1, 2, 2) + 1.0, torch.rand(1, 2, 2) + 1.0
    _, gradient = backpropagate(prediction, labels)
    step = 1e-2
    for index in range(4):
        shift = torch.zeros(4).index_fill(0, torch.tensor([index]), step).reshape(1, 2, 2)
        rise = silog_loss(prediction + shift, labels, 1e-3, 10) - silog_loss(prediction - shift, labels, 1e-3, 10)
        assert gradient.flatten()[index].item() == pytest.approx(rise.item() / (2 * step), rel=2e-2, abs=1e-4)


def test_silog_shows_a_diverged_prediction() -> None:
    prediction = torch.tensor([[[float("nan"), 1.0]]])
    assert silog_loss(prediction, torch.ones(1, 1, 2), 1e-3, 10.0).isnan()


def test_silog_takes_low_precision_and_refuses_broadcasting() -> None:
    prediction = torch.rand(1, 4, 4) + 1.0
    labels = torch.full((1, 4, 4), 2.0)
    low = silog_loss(prediction.bfloat16(), labels, 1e-3, 10.0)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, silog_loss(prediction.bfloat16().float(), labels, 1e-3, 10.0))
    with pytest.raises(ValueError, match="same shape"):
        silog_loss(prediction[:, None], labels, 1e-3, 10.0)


def test_losses_compile_without_graph_breaks() -> None:
    prediction, labels = torch.rand(1, 4, 4) + 1.0, torch.full((1, 4, 4), 2.0)
    compiled = torch.compile(silog_loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(prediction, labels, 1e-3, 10.0), silog_loss(prediction, labels, 1e-3, 10.0))
