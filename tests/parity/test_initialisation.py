# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fresh weights and parameter counts against the statistics recorded from the original.

See docs/specification.md 1.2, 2.4, 2.6, 5.
"""

import math

import pytest
import torch
from torch import Tensor

from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioForPreTraining, PixioModel
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state
from tests.golden import load_case, read_manifest

pytestmark = pytest.mark.parity

ENCODERS = {
    "pixio_vitb16": "pixio-b16",
    "pixio_vitl16": "pixio-l16",
    "pixio_vith16": "pixio-h16",
    "pixio_vit1b16": "pixio-1b16",
    "pixio_vit5b16": "pixio-5b16",
}
HEADS = {"B": "pixio-b16", "L": "pixio-l16", "H": "pixio-h16", "1B": "pixio-1b16", "5B": "pixio-5b16"}


@pytest.fixture(scope="module")
def fresh_weights() -> dict[str, Tensor]:
    """A new pre-training model of H/16 widths with one block on either side, under the original names."""
    read_manifest()  # skips before the model is built where the golden vectors are absent
    torch.manual_seed(0)
    config = PixioConfig.preset("pixio-h16", num_hidden_layers=1, decoder_num_hidden_layers=1)
    state = PixioForPreTraining(config).state_dict()
    return hub_to_reference_state({memory_to_hub_name(name): tensor for name, tensor in state.items()})


def test_distributions_of_fresh_weights(fresh_weights):
    recorded = load_case("initialisation").values["parameters"]
    assert recorded.keys() <= fresh_weights.keys()
    for name, statistics in recorded.items():
        weight = fresh_weights[name].double()
        assert list(weight.shape) == statistics["shape"], name
        measured_std = statistics["measured_std"]
        if measured_std == 0:
            assert (weight == statistics["measured_mean"]).all(), name
            continue
        # Six standard errors of a mean and (bounded from above for all shapes) of a standard deviation.
        sampling_error = 6 / math.sqrt(weight.numel())
        assert abs(weight.mean()) < sampling_error * measured_std, name
        assert abs(weight.std() / measured_std - 1) < 2 * sampling_error, name
        if bound := statistics["theoretical_bound"]:
            assert weight.abs().max() <= bound * (1 + 1e-6), name
            assert weight.abs().max() > 0.99 * bound, name
            assert abs(weight.std() / statistics["theoretical_std"] - 1) < sampling_error, name
        else:
            # Normal tails, not cut at two deviations: about 5 % of all lie beyond.
            assert abs((weight.abs() > 2 * 0.02).double().mean() - 0.0455) < 2 * sampling_error, name


def test_parts_of_the_fused_matrix_differ(fresh_weights):
    query, key, value = fresh_weights["blocks.0.attn.qkv.weight"].chunk(3)
    assert not torch.equal(query, key)
    assert not torch.equal(key, value)


def count_parameters(model: torch.nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize(("recorded_name", "preset"), ENCODERS.items())
def test_parameter_counts_of_encoders(recorded_name, preset):
    expected = load_case("parameter_counts").values["encoder"][recorded_name]
    with torch.device("meta"):
        model = PixioModel(PixioConfig.preset(preset))
    assert sum(count_parameters(model).values()) == expected


@pytest.mark.parametrize("size", ["h", "1b", "5b"])
def test_parameter_counts_of_pretraining(size):
    recorded = load_case("parameter_counts").values["pretraining"]
    expected = next(counts for name, counts in recorded.items() if name.startswith(f"pixio_vit{size}16_"))
    with torch.device("meta"):
        counts = count_parameters(PixioForPreTraining(PixioConfig.preset(f"pixio-{size}16")))
    assert sum(counts.values()) == expected["total"]
    assert counts.pop("decoder.mask_token") == expected["mask_token"]
    decoder = sum(count for name, count in counts.items() if name.startswith("decoder."))
    assert decoder == expected["names_containing_decoder"]
    assert sum(counts.values()) - decoder == expected["rest_excluding_mask_token"]


@pytest.mark.parametrize("size", HEADS)
@pytest.mark.parametrize("head_type", ["dpt", "linear"])
def test_parameter_counts_of_heads(size, head_type):
    expected = load_case("parameter_counts").values["heads_with_default_widths"][size][f"{head_type}_depth"]
    with torch.device("meta"):
        head = PixioForDepthEstimation(PixioConfig.preset(HEADS[size], head_type=head_type)).head
    # The original counts the unused residual unit of the deepest fusion block, whose weights are buffers here.
    unused = sum(tensor.numel() for name, tensor in head.named_buffers() if name.startswith("fusions."))
    assert unused == (4 * 9 * 256**2 // 2 + 2 * 256 if head_type == "dpt" else 0)
    assert sum(count_parameters(head).values()) + unused == expected
