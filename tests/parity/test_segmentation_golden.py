# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The whole PixioForSemanticSegmentation against golden vectors of the original segmentation models.

See docs/specification.md 6.
"""

import numpy as np
import pytest
import torch

from pixio_hf import PixioConfig, PixioForSemanticSegmentation
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.key_mapping import reference_to_hub_state
from tests.golden import Case, load_case

pytestmark = pytest.mark.parity

HEAD_CASES = ["seg_dpt_square", "seg_dpt_nonsquare", "seg_linear_square", "seg_linear_nonsquare"]


def build_segmentation_model(case: Case, **overrides) -> PixioForSemanticSegmentation:
    encoder, head = case.config["encoder"], {"head_type": "linear"}
    if "features" in case.config:
        sizes = case.config["out_channels"]
        head = {"head_type": "dpt", "neck_hidden_sizes": sizes, "fusion_hidden_size": case.config["features"]}
    config = PixioConfig(
        hidden_size=encoder["embed_dim"],
        num_hidden_layers=encoder["depth"],
        num_attention_heads=encoder["num_heads"],
        image_size=encoder["img_size"],
        n_cls_tokens=encoder["n_cls_tokens"],
        num_labels=case.config["nclass"],
        **head,
        **overrides,
    )
    model = PixioForSemanticSegmentation(config)
    hub_state = reference_to_hub_state(case.state)
    model.load_state_dict({hub_to_memory_name(key): tensor for key, tensor in hub_state.items()})
    return model.eval()


@pytest.mark.parametrize("name", HEAD_CASES)
@torch.no_grad()
def test_logits(name):
    case = load_case(name)
    view = name.rpartition("_")[2]
    case.assert_close(f"{view}.logits", build_segmentation_model(case)(case.tensors[f"{view}.image"]).logits)


@torch.no_grad()
def test_sliding_windows_classes_and_iou():
    case = load_case("sliding_seg")
    size, ignored, num_labels = case.config["crop_size"], case.config["ignore_label"], case.config["nclass"]
    model = build_segmentation_model(case, window_size=size, semantic_loss_ignore_index=ignored)
    agreeing, counts = 0, np.zeros((num_labels, num_labels), dtype=np.int64)
    for index in range(3):
        image, labels = case.tensors[f"image{index}"], case.tensors[f"mask{index}"]
        outputs = model(image, labels=labels)
        predicted = outputs.logits.argmax(dim=1)
        agreeing += int((predicted == case.tensors[f"pred{index}"]).sum())
        valid = labels != ignored
        pairs = labels[valid].long() * num_labels + predicted[valid]
        counts += torch.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels).numpy()
        right = outputs.logits.softmax(dim=1).gather(1, labels.long().clamp(max=num_labels - 1)[:, None])[:, 0]
        torch.testing.assert_close(outputs.loss, -right[valid].log().mean())
        if index == 0:
            summed = case.tensors["softmax_sum0"]
            probabilities = outputs.logits.softmax(dim=1)
            coverage = summed.sum(dim=1, keepdim=True)  # each window's probabilities sum to one
            case.assert_close("softmax_sum0", probabilities * coverage)
    assert agreeing / case.values["total_pixels"] >= 0.9995
    hits = counts.diagonal()
    iou = 100 * hits / (counts.sum(axis=0) + counts.sum(axis=1) - hits + 1e-6)
    np.testing.assert_allclose(iou, case.values["iou_percent"], atol=0.02)
    np.testing.assert_allclose(iou.mean(), case.values["miou_percent"], atol=0.02)
