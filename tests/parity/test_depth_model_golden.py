# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The whole PixioForDepthEstimation against golden vectors of the original depth models (docs/specification.md 5)."""

import pytest
import torch

from pixio_hf import PixioConfig, PixioForDepthEstimation
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from tests.golden import Case, load_case

pytestmark = pytest.mark.parity

HEAD_CASES = ["depth_dpt_square", "depth_dpt_nonsquare", "depth_linear_square", "depth_linear_nonsquare"]


def build_depth_model(case: Case, **overrides) -> PixioForDepthEstimation:
    encoder = case.config["encoder"]
    head = {"head_type": "linear"}
    if "out_channels" in case.config:
        head = {
            "head_type": "dpt",
            "neck_hidden_sizes": case.config["out_channels"],
            "fusion_hidden_size": case.config["features"],
        }
    config = PixioConfig(
        hidden_size=encoder["embed_dim"],
        num_hidden_layers=encoder["depth"],
        num_attention_heads=encoder["num_heads"],
        image_size=encoder["img_size"],
        n_cls_tokens=encoder["n_cls_tokens"],
        **head,
        **overrides,
    )
    model = PixioForDepthEstimation(config)
    hub_state = reference_to_hub_state(case.state)
    model.load_state_dict({hub_to_memory_name(key): tensor for key, tensor in hub_state.items()})
    return model.eval()


@pytest.mark.parametrize("name", HEAD_CASES)
@torch.no_grad()
def test_depth(name):
    case = load_case(name)
    view = name.rpartition("_")[2]
    model = build_depth_model(case)
    images = case.tensors[f"{view}.image"]
    logits, _ = model.predict_logits(images)
    case.assert_close(f"{view}.logit", logits[:, 0])
    predicted_depth = model(images).predicted_depth
    case.assert_close(f"{view}.depth", predicted_depth / model.config.max_depth)


def test_tapped_blocks():
    case = load_case("depth_dpt_square")
    assert list(build_depth_model(case).tapped_blocks) == case.config["tapped_blocks"]


def test_linear_head_in_training_mode():
    case = load_case("depth_linear_train")
    model = build_depth_model(case).train()
    predicted_depth = model(case.tensors["train.image"]).predicted_depth
    case.assert_close("train.depth", predicted_depth / model.config.max_depth)
    batch_norm = model.head.batch_norm
    case.assert_close("train.running_mean_after", batch_norm.running_mean)
    case.assert_close("train.running_var_after", batch_norm.running_var)
    assert batch_norm.num_batches_tracked == case.tensors["train.num_batches_tracked_after"]


@torch.no_grad()
def test_sliding_window_depth():
    case = load_case("sliding_depth")
    model = build_depth_model(case, window_size=case.config["crop_size"], max_depth=case.config["max_depth"])
    case.assert_close("depth", model(case.tensors["image"]).predicted_depth)


@pytest.mark.parametrize("name", ["depth_dpt_square", "depth_linear_square", "seg_dpt_square", "seg_linear_square"])
def test_key_mapping_is_reversible_bit_for_bit(name):
    state = load_case(name).state
    back = hub_to_reference_state(reference_to_hub_state(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())
