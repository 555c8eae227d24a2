# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioForPreTraining and patchify against golden vectors of the original (docs/specification.md 2)."""

import pytest
import torch
from torch import Tensor

from pixio_hf import PixioConfig, PixioForPreTraining
from pixio_hf.checkpoint_names import hub_to_memory_name, memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from pixio_hf.patches import patchify, unpatchify
from tests.golden import Case, load_case, read_manifest

pytestmark = pytest.mark.parity

PRETRAINING_CASES = [
    "pretrain_grid2_ratio75_normpix",
    "pretrain_grid2_ratio75_rawpix",
    "pretrain_grid1_ratio75_normpix",
    "pretrain_grid2_ratio50_normpix",
    "pretrain_grid1_ratio50_rawpix",
    "pretrain_grid1_ratio60_normpix",
    "pretrain_grid4_small",
]


def build_pretraining_model(case: Case) -> PixioForPreTraining:
    reference = case.config
    config = PixioConfig(
        hidden_size=reference["embed_dim"],
        num_hidden_layers=reference["depth"],
        num_attention_heads=reference["num_heads"],
        image_size=reference["img_size"],
        n_cls_tokens=reference["n_cls_tokens"],
        decoder_hidden_size=reference["decoder_embed_dim"],
        decoder_num_hidden_layers=reference["decoder_depth"],
        decoder_num_attention_heads=reference["decoder_num_heads"],
        mask_grid_size=reference["mask_grid"],
        mask_ratio=reference["mask_ratio"],
        norm_pix_loss=reference["norm_pix_loss"],
    )
    model = PixioForPreTraining(config)
    hub_state = reference_to_hub_state(case.state)
    model.load_state_dict({hub_to_memory_name(key): tensor for key, tensor in hub_state.items()})
    return model.eval()


def read_images(case: Case) -> Tensor:
    if "images" in case.tensors:
        return case.tensors["images"]
    return load_case("pretrain_images").tensors["images"]


def read_reference_gradients(model: PixioForPreTraining) -> dict[str, Tensor]:
    """Gradients under the original names: the mapping of weights holds for them too."""
    gradients = {
        memory_to_hub_name(name): parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return hub_to_reference_state(gradients)


def test_every_pretraining_case_is_listed():
    others = {"pretrain_decoder_state", "pretrain_images", "pretrain_edge_behaviour"}
    assert {name for name in read_manifest() if name.startswith("pretrain_")} - others == set(PRETRAINING_CASES)


@pytest.mark.parametrize("name", PRETRAINING_CASES)
def test_masks_predictions_loss_and_gradients(name):
    case = load_case(name)
    model = build_pretraining_model(case)
    images = read_images(case)
    outputs = model(images, noise=case.tensors["noise"])
    case.assert_close("mask", outputs.mask)
    assert torch.equal(outputs.ids_restore, case.tensors["ids_restore"])
    assert outputs.ids_restore.dtype == torch.int64
    assert int((outputs.mask == 0).sum(dim=1)[0]) == case.values["kept_patches"]
    if "pred" in case.tensors:
        case.assert_close("pred", outputs.logits)
    else:
        case.assert_close("pred_first48", outputs.logits[:, :, :48])
    case.assert_close("loss", outputs.loss)

    ids_keep = outputs.ids_restore.argsort(dim=1)[:, : case.values["kept_patches"]]
    case.assert_close("latent", model.pixio(images, ids_keep=ids_keep).last_hidden_state)

    expected_gradients = [key for key in case.tensors if key.startswith("grad.")]
    if expected_gradients:
        outputs.loss.backward()
        gradients = read_reference_gradients(model)
        for key in expected_gradients:
            case.assert_close(key, gradients[key.removeprefix("grad.")])


def test_some_cases_hold_gradients():
    assert sum("grad.cls_token" in load_case(name).tensors for name in PRETRAINING_CASES) >= 2


@pytest.mark.parametrize("name", ["pretrain_grid2_ratio75_normpix", "pretrain_grid4_small"])
def test_key_mapping_is_reversible_bit_for_bit(name):
    state = load_case(name).state
    back = hub_to_reference_state(reference_to_hub_state(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())


def test_patchify():
    case = load_case("patchify")
    patches = patchify(case.tensors["images"], 16)
    assert torch.equal(patches, case.tensors["target"])
    assert torch.equal(unpatchify(patches, 16, 2, 2), case.tensors["images"])
