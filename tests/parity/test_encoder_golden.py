# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""PixioModel against golden vectors of the original encoder (docs/specification.md 1)."""

import pytest
import torch

from pixio_hf import PixioConfig, PixioModel
from pixio_hf.checkpoint_names import hub_to_memory_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state
from pixio_hf.modeling_pixio import PixioLayer
from tests.golden import Case, load_case, read_manifest

pytestmark = pytest.mark.parity

ENCODER_CASES = [
    "encoder_native",
    "encoder_square_large",
    "encoder_wide",
    "encoder_tall",
    "encoder_same_count",
    "encoder_eps_probe",
]
# Golden depth -> (attribute of the tokens' kind, position of the tokens in the sequence).
VIEWS = ("patch_tokens", "cls_tokens", "patch_tokens_norm", "cls_tokens_norm")


def build_encoder(case: Case) -> PixioModel:
    reference = case.config
    config = PixioConfig(
        hidden_size=reference["embed_dim"],
        num_hidden_layers=reference["depth"],
        num_attention_heads=reference["num_heads"],
        image_size=reference["img_size"],
        n_cls_tokens=reference["n_cls_tokens"],
    )
    model = PixioModel(config)
    hub_state = reference_to_hub_state(case.state)
    model.load_state_dict({hub_to_memory_name(key): tensor for key, tensor in hub_state.items()})
    return model.eval()


def test_every_encoder_case_is_listed():
    named = {name for name in read_manifest() if name.startswith("encoder_")}
    assert named - {"encoder_state"} == set(ENCODER_CASES)


@pytest.mark.parametrize("name", ENCODER_CASES)
@torch.no_grad()
def test_tokens_of_every_block(name):
    case = load_case(name)
    model = build_encoder(case)
    outputs = model(case.tensors["image"], output_hidden_states=True)
    n_cls_tokens = model.config.n_cls_tokens
    compared = 0
    for key in case.tensors:
        block, _, view = key.partition(".")
        if view not in VIEWS:
            continue
        tokens = outputs.hidden_states[int(block.removeprefix("block")) + 1]
        tokens = model.layernorm(tokens) if view.endswith("norm") else tokens
        part = tokens[:, :n_cls_tokens] if view.startswith("cls") else tokens[:, n_cls_tokens:]
        case.assert_close(key, part)
        compared += 1
    assert compared >= 3
    torch.testing.assert_close(outputs.last_hidden_state, model.layernorm(outputs.hidden_states[-1]))
    torch.testing.assert_close(outputs.pooler_output, outputs.last_hidden_state[:, :n_cls_tokens].mean(dim=1))


@pytest.mark.parametrize("name", ["encoder_native", "encoder_eps_probe"])
def test_key_mapping_is_reversible_bit_for_bit(name):
    state = load_case(name).state
    back = hub_to_reference_state(reference_to_hub_state(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())


def test_drop_path_rates():
    case = load_case("drop_path")
    for num_hidden_layers, rate, expected in ((32, 0.4, "rates_depth32_max0.4"), (12, 0.1, "rates_depth12_max0.1")):
        config = PixioConfig(num_hidden_layers=num_hidden_layers, drop_path_rate=rate)
        case.assert_close(expected, torch.tensor(config.drop_path_rates(), dtype=torch.float64))


def test_drop_path_of_recorded_decisions(monkeypatch):
    case = load_case("drop_path")
    layer = PixioLayer(PixioConfig(hidden_size=8, num_attention_heads=2), drop_path_rate=0.4).train()
    keep = case.tensors["keep"]
    # A draw just above or below the rate decides for the recorded outcome: kept where draw + keep_prob >= 1.
    draws = torch.where(keep.bool(), 0.9, 0.1)
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: draws.reshape(shape))
    case.assert_close("y", layer.drop_path(case.tensors["x"]))
    layer.eval()
    assert torch.equal(layer.drop_path(case.tensors["x"]), case.tensors["x"])
