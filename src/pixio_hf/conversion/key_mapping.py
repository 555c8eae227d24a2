# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""State dicts of the original code and of the Hub, bit for bit in both directions.

The original keeps encoder weights bare, beside `decoder_*` weights in a pre-training checkpoint and `last_proj.*` in a
distilled one, and below `encoder.` in a dense model, whose other weights are `head.*`, and in a reconstruction model. On
the Hub they are bare in an encoder and below `pixio.` in any larger model. Query, key and value are one fused matrix in
the original and three on the Hub. Names: docs/specification.md 1.5, 2.3, 4.1, 5.2, 5.3.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from .reconstruction_names import RECONSTRUCTION_MODULES, is_reconstruction

# original -> Hub: modules, and tensors that belong to none, outside the blocks.
ENCODER_MODULES = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
DECODER_MODULES = {
    "mask_token": "decoder.mask_token",
    "decoder_pos_embed": "decoder.position_embeddings",
    "decoder_embed": "decoder.embed",
    "decoder_norm": "decoder.norm",
    "decoder_pred": "decoder.predict",
}
# A distilled student's; index 2 of the original's sequence is a GELU.
PROJECTION_MODULES = {
    "last_proj.0": "projection.dense_in",
    "last_proj.1": "projection.norm",
    "last_proj.3": "projection.dense_out",
}
DPT_HEAD_MODULES = {
    **{f"head.projects.{level}": f"head.projections.{level}" for level in range(4)},
    # Index 2 is the level that keeps its size and has no weights.
    **{f"head.resize_layers.{level}": f"head.resamplers.{level}" for level in (0, 1, 3)},
    # The original counts levels from 1.
    **{f"head.scratch.layer{level + 1}_rn": f"head.lateral_convs.{level}" for level in range(4)},
    **{f"head.scratch.refinenet{level + 1}.out_conv": f"head.fusions.{level}.out_conv" for level in range(4)},
    **{
        f"head.scratch.refinenet{level + 1}.resConfUnit{unit}.conv{conv}": (
            f"head.fusions.{level}.residual_unit{unit}.conv{conv}"
        )
        for level in range(4)
        for unit in (1, 2)
        for conv in (1, 2)
    },
    # Index 1 is the rectifier between the two.
    **{f"head.scratch.output_conv.{index}": f"head.output_convs.{index}" for index in (0, 2)},
}
LINEAR_HEAD_MODULES = {"head.0": "head.batch_norm", "head.1": "head.projection"}
MODULES_BESIDE_ENCODER = {
    **DECODER_MODULES,
    **PROJECTION_MODULES,
    **DPT_HEAD_MODULES,
    **LINEAR_HEAD_MODULES,
    **RECONSTRUCTION_MODULES,
}
ENCODER_STACK = {"blocks": "encoder.layer"}
STACKS_BESIDE_ENCODER = {
    "decoder_blocks": "decoder.blocks",
    "info_sharing.self_attention_blocks": "view_transformer.blocks",
}
# Modules inside a block of any stack; `qkv` stands for three modules of the Hub.
BLOCK_MODULES = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.qkv": "attention.attention.qkv",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}

_PARTS = ("query", "key", "value")
_PART_OF_FUSED = re.compile(rf"(?<=\.attention\.attention\.)({'|'.join(_PARTS)})(?=\.)")
_KIND = re.compile(r"(.+)\.(weight|bias|running_mean|running_var|num_batches_tracked)")
_BLOCK = re.compile(r"(.+?)\.(\d+)\.(.+)")


def _reverse(table: Mapping[str, str]) -> dict[str, str]:
    return {ours: original for original, ours in table.items()}


# Tables of either direction: modules and stacks of the encoder, modules and stacks beside it, modules of a block.
_TO_HUB = (ENCODER_MODULES, ENCODER_STACK, MODULES_BESIDE_ENCODER, STACKS_BESIDE_ENCODER, BLOCK_MODULES)
_TO_REFERENCE = tuple(_reverse(table) for table in _TO_HUB)


def reference_to_hub_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename an original state dict to the official Hub naming and split its fused query, key and value matrices.

    Takes encoders, pre-training models, distilled students, dense models with a DPT or linear head, and reconstruction
    models with one name per tensor (reconstruction_names.canonical_name). The split tensors are views of the fused ones;
    nothing else is copied or changed.

    Raises:
        ValueError: names every key that is none of Pixio's, or a fused tensor that has no three equal parts.
    """
    below = "encoder." if any(key.startswith("head.") for key in state) or is_reconstruction(state) else ""
    is_encoder = not below and not any(_rename(key, None, "", _TO_HUB) for key in state)
    above = "" if is_encoder else "pixio."
    renamed: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state.items():
        name = _rename(key, below, above, _TO_HUB)
        if name is None:
            unknown.append(key)
        elif ".attention.attention.qkv." in name:
            parts = zip(_PARTS, _split_fused(key, tensor), strict=True)
            renamed.update({name.replace(".qkv.", f".{part}."): view for part, view in parts})
        else:
            renamed[name] = tensor
    _raise_unknown(unknown, "an original Pixio state dict")
    return renamed


def hub_to_reference_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo reference_to_hub_state: official Hub naming -> original naming, with query, key and value fused again.

    Raises:
        ValueError: names every key that is none of Pixio's, or the part of a fused matrix that is missing.
    """
    renamed: dict[str, Tensor] = {}
    unknown = []
    below = encoder_prefix(state)
    for key, tensor in state.items():
        name = hub_to_reference_name(key, below)
        if name is None:
            unknown.append(key)
        elif not _PART_OF_FUSED.search(key):
            renamed[name] = tensor
        elif name not in renamed:
            parts = [_PART_OF_FUSED.sub(part, key) for part in _PARTS]
            if missing := [part for part in parts if part not in state]:
                raise ValueError(f"The state dict lacks {', '.join(missing)}: query, key and value belong together.")
            renamed[name] = torch.cat([state[part] for part in parts])
    _raise_unknown(unknown, "a Pixio state dict in the official Hub naming")
    return renamed


def encoder_prefix(hub_names: Iterable[str]) -> str:
    """What the original puts before the encoder's names in a model with these Hub names."""
    return "encoder." if any(name.startswith(("head.", "view_transformer.")) for name in hub_names) else ""


def hub_to_reference_name(name: str, below: str) -> str | None:
    """Original name of a Hub tensor, of the fused one for a query, key or value; none where it is not Pixio's.

    `below` is what encoder_prefix says of the model.
    """
    fused = _PART_OF_FUSED.sub("qkv", name)
    return _rename(fused, "pixio." if fused.startswith("pixio.") else "", below, _TO_REFERENCE)


def _split_fused(name: str, tensor: Tensor) -> tuple[Tensor, ...]:
    """Query, key and value of a fused matrix or bias: (3D, ...) -> three views (D, ...).

    Raises:
        ValueError: no three equal parts.
    """
    if tensor.shape[0] % 3:
        raise ValueError(
            f"{name!r} of shape {tuple(tensor.shape)} does not hold query, key and value: no three equal parts."
        )
    return tensor.chunk(3)


def _rename(name: str, below: str | None, above: str, tables: tuple[Mapping[str, str], ...]) -> str | None:
    """The other name of a tensor, none where the tables have none.

    Names of the encoder begin with `below`, which becomes `above`; without it none counts as the encoder's.
    """
    modules, stacks, modules_beside, stacks_beside, block_modules = tables
    if below is not None and name.startswith(below):
        renamed = _look_up(name.removeprefix(below), modules, stacks, block_modules)
        if renamed is not None:
            return above + renamed
    return _look_up(name, modules_beside, stacks_beside, block_modules)


def _look_up(
    name: str, modules: Mapping[str, str], stacks: Mapping[str, str], block_modules: Mapping[str, str]
) -> str | None:
    if name in modules:
        return modules[name]
    tensor = _KIND.fullmatch(name)
    if tensor is None:
        return None
    if tensor[1] in modules:
        return f"{modules[tensor[1]]}.{tensor[2]}"
    block = _BLOCK.fullmatch(tensor[1])
    if block is None or block[1] not in stacks or block[3] not in block_modules:
        return None
    return f"{stacks[block[1]]}.{block[2]}.{block_modules[block[3]]}.{tensor[2]}"


def _raise_unknown(keys: list[str], naming: str) -> None:
    if keys:
        raise ValueError(f"Not the names of weights in {naming}: {', '.join(sorted(keys))}.")
