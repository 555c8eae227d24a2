# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Original state dicts to the Hub's names and back."""

import pytest
import torch
from torch import Tensor

from pixio_hf.checkpoint_names import hub_to_memory_name, memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state, reference_to_hub_state

BLOCK = {
    "norm1.weight": (4,),
    "norm1.bias": (4,),
    "attn.qkv.weight": (12, 4),
    "attn.qkv.bias": (12,),
    "attn.proj.weight": (4, 4),
    "attn.proj.bias": (4,),
    "norm2.weight": (4,),
    "norm2.bias": (4,),
    "mlp.fc1.weight": (16, 4),
    "mlp.fc1.bias": (16,),
    "mlp.fc2.weight": (4, 16),
    "mlp.fc2.bias": (4,),
}
TRUNK = {
    "cls_token": (1, 2, 4),
    "pos_embed": (1, 6, 4),
    "patch_embed.proj.weight": (4, 3, 2, 2),
    "patch_embed.proj.bias": (4,),
    **{f"blocks.{block}.{name}": shape for block in (0, 11) for name, shape in BLOCK.items()},
    "norm.weight": (4,),
    "norm.bias": (4,),
}
DECODER = {
    "mask_token": (1, 1, 4),
    "decoder_pos_embed": (1, 6, 4),
    "decoder_embed.weight": (4, 4),
    "decoder_embed.bias": (4,),
    **{f"decoder_blocks.0.{name}": shape for name, shape in BLOCK.items()},
    "decoder_norm.weight": (4,),
    "decoder_norm.bias": (4,),
    "decoder_pred.weight": (12, 4),
    "decoder_pred.bias": (12,),
}
PROJECTION = {
    f"last_proj.{index}.{kind}": shape
    for index, shapes in ((0, ((6, 4), (6,))), (1, ((6,), (6,))), (3, ((6, 6), (6,))))
    for kind, shape in zip(("weight", "bias"), shapes, strict=True)
}
HEAD = {"head.0.weight": (8,), "head.0.running_var": (8,), "head.1.weight": (1, 8, 1, 1), "head.1.bias": (1,)}
KINDS = {
    "encoder": TRUNK,
    "pretraining": {**TRUNK, **DECODER},
    "distilled": {**TRUNK, **PROJECTION},
    "depth": {**{f"encoder.{name}": shape for name, shape in TRUNK.items()}, **HEAD},
}
# What the official Hub calls every tensor of a block.
OFFICIAL_BLOCK = {
    f"{module}.{kind}"
    for module in (
        "norm1",
        "norm2",
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
        "mlp.fc1",
        "mlp.fc2",
    )
    for kind in ("weight", "bias")
}


def random_state(kind: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in KINDS[kind].items()}


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_bit_for_bit(kind):
    state = random_state(kind)
    back = hub_to_reference_state(reference_to_hub_state(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


def test_official_names_of_an_encoder():
    hub_state = reference_to_hub_state(random_state("encoder"))
    expected = {
        "embeddings.cls_token",
        "embeddings.position_embeddings",
        "embeddings.patch_embeddings.projection.weight",
        "embeddings.patch_embeddings.projection.bias",
        "layernorm.weight",
        "layernorm.bias",
    }
    expected |= {f"encoder.layer.{block}.{name}" for block in (0, 11) for name in OFFICIAL_BLOCK}
    assert set(hub_state) == expected


def test_names_of_larger_models():
    pretraining = reference_to_hub_state(random_state("pretraining"))
    assert {name.split(".")[0] for name in pretraining} == {"pixio", "decoder"}
    assert "decoder.blocks.0.norm1.weight" in pretraining
    assert "pixio.encoder.layer.11.mlp.fc2.bias" in pretraining
    distilled = reference_to_hub_state(random_state("distilled"))
    assert {name for name in distilled if not name.startswith("pixio.")} == {
        f"projection.{module}.{kind}" for module in ("dense_in", "norm", "dense_out") for kind in ("weight", "bias")
    }
    assert torch.equal(distilled["projection.dense_out.weight"], random_state("distilled")["last_proj.3.weight"])
    depth = reference_to_hub_state(random_state("depth"))
    assert {name.split(".")[0] for name in depth} == {"pixio", "head"}
    assert torch.equal(depth["head.batch_norm.running_var"], random_state("depth")["head.0.running_var"])


def test_fused_matrices_are_split_in_order():
    state = random_state("encoder")
    hub_state = reference_to_hub_state(state)
    for index, part in enumerate(("query", "key", "value")):
        rows = slice(4 * index, 4 * index + 4)
        for kind in ("weight", "bias"):
            expected = state[f"blocks.11.attn.qkv.{kind}"][rows]
            assert torch.equal(hub_state[f"encoder.layer.11.attention.attention.{part}.{kind}"], expected)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("encoder", "blocks.0.ls1.gamma"),
        ("encoder", "blocks.x.norm1.weight"),
        ("encoder", "encoder.cls_token"),
        ("pretraining", "decoder_extra.weight"),
        ("distilled", "last_proj.2.weight"),
        ("depth", "cls_token"),
        ("depth", "head.7.weight"),
    ],
)
def test_unknown_original_keys_are_named(kind, key):
    with pytest.raises(ValueError, match=key.replace(".", r"\.")):
        reference_to_hub_state({**random_state(kind), key: torch.zeros(3)})


@pytest.mark.parametrize(
    "key",
    [
        "encoder.layer.0.gamma.weight",
        "decoder.extra.bias",
        "blocks.0.norm1.weight",
        "head.x.bias",
        "projection.0.bias",
    ],
)
def test_unknown_hub_keys_are_named(key):
    with pytest.raises(ValueError, match=key.replace(".", r"\.")):
        hub_to_reference_state({**reference_to_hub_state(random_state("encoder")), key: torch.zeros(3)})


def test_incomplete_fused_matrices():
    hub_state = reference_to_hub_state(random_state("encoder"))
    del hub_state["encoder.layer.11.attention.attention.key.bias"]
    with pytest.raises(ValueError, match=r"lacks encoder\.layer\.11\.attention\.attention\.key\.bias"):
        hub_to_reference_state(hub_state)
    state = random_state("encoder")
    state["blocks.0.attn.qkv.bias"] = torch.zeros(13)
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.qkv\.bias.*three equal parts"):
        reference_to_hub_state(state)


@pytest.mark.parametrize("kind", KINDS)
def test_names_in_memory_and_back(kind):
    names = list(reference_to_hub_state(random_state(kind)))
    in_memory = [hub_to_memory_name(name) for name in names]
    assert [memory_to_hub_name(name) for name in in_memory] == names
    assert len(set(in_memory)) == len(names)
    assert not any(".norm1." in name and ".layers." in name for name in in_memory)
