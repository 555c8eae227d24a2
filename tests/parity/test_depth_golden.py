# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Dense heads, SiLog loss, windowed inference and depth metrics against the original implementation's numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from pixio_hf.heads import DPTHead, LinearHead, concat_class_mean, dpt_tap_blocks
from pixio_hf.losses import silog_loss, valid_depth_mask
from pixio_hf.metrics.depth import DEPTH_METRIC_NAMES, DepthMetrics, depth_metrics_per_image
from pixio_hf.sliding_window import predict_sliding_window, window_starts
from tests.golden import Case, load_case
from tests.reference_forward import encode

pytestmark = pytest.mark.parity


def head_state(case: Case) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in case.state.items() if key.startswith("head.")}


def build_head(case: Case) -> DPTHead | LinearHead:
    """Our head with the case's weights, loaded strictly through the key mapping."""
    hidden_size = case.config["encoder"]["embed_dim"]
    num_labels = case.config.get("nclass", 1)
    if "out_channels" in case.config or "crop_size" in case.config:
        sizes = case.config.get("out_channels", [8, 16, 32, 32])
        head: DPTHead | LinearHead = DPTHead(2 * hidden_size, sizes, case.config["features"], num_labels)
    else:
        head = LinearHead(2 * hidden_size, num_labels)
    renamed = reference_to_hub_state(head_state(case))
    head.load_state_dict({key.removeprefix("head."): tensor for key, tensor in renamed.items()}, strict=True)
    return head.eval()


def predict_logits(case: Case, head: DPTHead | LinearHead, image: Tensor) -> Tensor:
    encoder = {key.removeprefix("encoder."): t for key, t in case.state.items() if key.startswith("encoder.")}
    with torch.no_grad():
        blocks = encode(encoder, image, case.config["encoder"]["num_heads"])
        taps = dpt_tap_blocks(len(blocks)) if isinstance(head, DPTHead) else (len(blocks) - 1,)
        grid = (image.shape[-2] // 16, image.shape[-1] // 16)
        features = [concat_class_mean(blocks[tap].patch_norm, blocks[tap].cls_norm, grid) for tap in taps]
        return head(features, tuple(image.shape[-2:]))


@pytest.mark.parametrize("head_name", ["dpt", "linear"])
@pytest.mark.parametrize("shape", ["square", "nonsquare"])
def test_depth_head_matches(head_name: str, shape: str) -> None:
    case = load_case(f"depth_{head_name}_{shape}")
    logits = predict_logits(case, build_head(case), case.tensors[f"{shape}.image"])[:, 0]
    case.assert_close(f"{shape}.logit", logits)
    case.assert_close(f"{shape}.depth", logits.sigmoid())


@pytest.mark.parametrize("head_name", ["dpt", "linear"])
@pytest.mark.parametrize("shape", ["square", "nonsquare"])
def test_segmentation_head_matches(head_name: str, shape: str) -> None:
    case = load_case(f"seg_{head_name}_{shape}")
    case.assert_close(f"{shape}.logits", predict_logits(case, build_head(case), case.tensors[f"{shape}.image"]))


def test_linear_head_matches_in_training_mode() -> None:
    case = load_case("depth_linear_train")
    head = build_head(case).train()
    assert isinstance(head, LinearHead)
    logits = predict_logits(case, head, case.tensors["train.image"])[:, 0]
    case.assert_close("train.logit", logits)
    case.assert_close("train.depth", logits.sigmoid())
    norm = head.batch_norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    case.assert_close("train.running_mean_after", norm.running_mean)
    case.assert_close("train.running_var_after", norm.running_var)
    assert norm.num_batches_tracked.item() == case.tensors["train.num_batches_tracked_after"].item()


@pytest.mark.parametrize("name", ["depth_dpt_square", "depth_linear_square", "seg_dpt_square", "seg_linear_square"])
def test_head_weights_round_trip_bit_for_bit(name: str) -> None:
    case = load_case(name)
    original = head_state(case)
    exported = hub_to_reference_state({f"head.{k}": t for k, t in build_head(case).state_dict().items()})
    assert exported.keys() == original.keys()
    for key, tensor in original.items():
        assert torch.equal(exported[key], tensor), key


def test_sliding_depth_matches() -> None:
    case = load_case("sliding_depth")
    head, image, size = build_head(case), case.tensors["image"], case.config["crop_size"]
    assert window_starts(image.shape[-2], case.config["stride"]) == case.values["row_starts"]
    assert window_starts(image.shape[-1], case.config["stride"]) == case.values["col_starts"]
    batch_sizes = []

    def predict(windows: Tensor) -> Tensor:
        batch_sizes.append(len(windows))
        return predict_logits(case, head, windows)[:, 0].sigmoid()

    averaged = predict_sliding_window(predict, image, window_size=size, batch_size=5)
    case.assert_close("depth", averaged * case.config["max_depth"])
    assert batch_sizes == [5, 5, 2]


def test_sliding_segmentation_matches() -> None:
    case = load_case("sliding_seg")
    head, size = build_head(case), case.config["crop_size"]

    def predict(windows: Tensor) -> Tensor:
        return predict_logits(case, head, windows).softmax(dim=1)

    agreeing = total = 0
    for index in range(3):
        image = case.tensors[f"image{index}"]
        averaged = predict_sliding_window(predict, image, window_size=size)
        expected = case.tensors[f"pred{index}"]
        agreeing += int((averaged.argmax(dim=1) == expected).sum())
        total += expected.numel()
        if index == 0:
            ones = torch.ones_like(image[:, :1])
            pieces = [
                ((y, x), ones[..., y : y + size, x : x + size])
                for y in window_starts(image.shape[-2], 42)
                for x in window_starts(image.shape[-1], 42)
            ]
            coverage = torch.zeros_like(ones)
            for (y, x), piece in pieces:
                coverage[..., y : y + size, x : x + size] += piece
            case.assert_close("softmax_sum0", averaged * coverage)
    assert total == case.values["total_pixels"]
    assert agreeing / total >= 0.9995


def test_silog_loss_and_gradient_match() -> None:
    case = load_case("silog_loss")
    low, high = case.config["min_depth"], case.config["max_depth"]
    labels = torch.where(case.tensors["valid_mask"] > 0, case.tensors["target"], 0.0)
    assert torch.equal(valid_depth_mask(labels, low, high), case.tensors["mask"])
    prediction = case.tensors["pred"].clone().requires_grad_()
    loss = silog_loss(prediction, labels, low, high)
    loss.backward()
    assert prediction.grad is not None
    case.assert_close("loss", loss)
    case.assert_close("grad_pred", prediction.grad)


def test_nine_metrics_match_on_one_image() -> None:
    case = load_case("depth_metrics_single")
    metrics, used = depth_metrics_per_image(
        case.tensors["pred"].reshape(1, 20, 25), case.tensors["target"].reshape(1, 20, 25)
    )
    assert used.tolist() == [True]
    case.assert_close("metrics", metrics[0])
    in_float64 = [case.values["metrics_float64"][name] for name in case.values["metric_names"]]
    np.testing.assert_allclose(metrics[0].numpy(), in_float64, rtol=1e-6)


def test_evaluation_protocol_matches() -> None:
    case = load_case("depth_metrics_protocol")
    prediction, target, valid = (case.tensors[name] for name in ("pred", "target", "valid_mask"))
    per_image, used = depth_metrics_per_image(prediction, target, valid)
    assert used.long().tolist() == case.tensors["used"].tolist()
    case.assert_close("per_image", torch.where(used[:, None], per_image, -1.0))

    metric = DepthMetrics()
    labels = torch.where(valid > 0, target, 0.0)
    metric.add_batch(predictions=prediction[:2], references=labels[:2])
    metric.add_batch(predictions=prediction[2:], references=labels[2:])
    result = metric.compute()
    assert result is not None
    assert (result["num_images"], result["num_skipped"]) == (4, 1)
    case.assert_close("aggregate", torch.tensor([result[name] for name in DEPTH_METRIC_NAMES], dtype=torch.float64))
