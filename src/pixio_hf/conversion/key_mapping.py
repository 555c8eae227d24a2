# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""State dicts of the original code and of the Hub, bit for bit in both directions (SPEC 1.5, 2.3, 4.1, 5.2, 5.3).

The original keeps encoder weights bare, beside `decoder_*` weights in a pre-training checkpoint and `last_proj.*` in a
distilled one, and below `encoder.` in a dense model, whose other weights are `head.*`. On the Hub they are bare in an
encoder and below `pixio.` in any larger model. Query, key and value are one fused matrix in the original and three on
the Hub.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from .head_key_mapping import rename_head_key_from_reference, rename_head_key_to_reference

# (original, Hub): whole names of tensors and modules outside the blocks.
ENCODER_KEYS = (
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj.weight", "embeddings.patch_embeddings.projection.weight"),
    ("patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias"),
    ("norm.weight", "layernorm.weight"),
    ("norm.bias", "layernorm.bias"),
)
DECODER_KEYS = (
    ("mask_token", "decoder.mask_token"),
    ("decoder_pos_embed", "decoder.position_embeddings"),
    ("decoder_embed.weight", "decoder.embed.weight"),
    ("decoder_embed.bias", "decoder.embed.bias"),
    ("decoder_norm.weight", "decoder.norm.weight"),
    ("decoder_norm.bias", "decoder.norm.bias"),
    ("decoder_pred.weight", "decoder.predict.weight"),
    ("decoder_pred.bias", "decoder.predict.bias"),
)
# A distilled student's; indices 1 and 2 of the original's sequence are a LayerNorm and a GELU.
PROJECTION_KEYS = tuple(
    (f"last_proj.{index}.{kind}", f"projection.{module}.{kind}")
    for index, module in ((0, "dense_in"), (1, "norm"), (3, "dense_out"))
    for kind in ("weight", "bias")
)
# Modules inside a block of either; every one has a weight and a bias.
BLOCK_MODULES = (
    ("norm1", "norm1"),
    ("norm2", "norm2"),
    ("attn.proj", "attention.output.dense"),
    ("mlp.fc1", "mlp.fc1"),
    ("mlp.fc2", "mlp.fc2"),
)
FUSED_MODULE = "attn.qkv"
SPLIT_MODULES = ("attention.attention.query", "attention.attention.key", "attention.attention.value")

_REFERENCE_BLOCK = re.compile(r"(decoder_blocks|blocks)\.(\d+)\.(.+)\.(weight|bias)")
_HUB_BLOCK = re.compile(r"(decoder\.blocks|encoder\.layer)\.(\d+)\.(.+)\.(weight|bias)")
_HUB_STACKS = {"blocks": "encoder.layer", "decoder_blocks": "decoder.blocks"}
_REFERENCE_STACKS = {hub: reference for reference, hub in _HUB_STACKS.items()}
_HUB_KEYS = dict(ENCODER_KEYS + DECODER_KEYS + PROJECTION_KEYS)
_REFERENCE_KEYS = {hub: reference for reference, hub in _HUB_KEYS.items()}
_HUB_MODULES = dict(BLOCK_MODULES)
_REFERENCE_MODULES = {hub: reference for reference, hub in BLOCK_MODULES}


def reference_to_hub_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename an original state dict to the official Hub naming and split its fused query, key and value matrices.

    Takes encoders, pre-training models, distilled students and dense models with a DPT or linear head. The split
    tensors are views of the fused ones; nothing else is copied or changed.

    Raises:
        ValueError: names every key that is none of Pixio's, or a fused tensor that has no three equal parts.
    """
    is_dense = any(key.startswith("head.") for key in state)
    is_encoder = not is_dense and not any(_is_beside_encoder(key) for key in state)
    prefix = "" if is_encoder else "pixio."
    renamed: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state.items():
        if is_dense and not key.startswith(("encoder.", "head.")):
            unknown.append(key)
            continue
        if key.startswith("head."):
            renamed[rename_head_key_from_reference(key)] = tensor
            continue
        parts = _rename_trunk_tensor(key.removeprefix("encoder.") if is_dense else key, tensor)
        if not parts:
            unknown.append(key)
        for name, part in parts:
            renamed[name if name.startswith(("decoder.", "projection.")) else prefix + name] = part
    _raise_unknown(unknown, "an original Pixio state dict")
    return renamed


def hub_to_reference_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo reference_to_hub_state: official Hub naming -> original naming, with query, key and value fused again.

    Raises:
        ValueError: names every key that is none of Pixio's, or the part of a fused matrix that is missing.
    """
    prefix = "encoder." if any(key.startswith("head.") for key in state) else ""
    renamed: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state.items():
        if key.startswith("head."):
            renamed[rename_head_key_to_reference(key)] = tensor
            continue
        trunk_key = key.removeprefix("pixio.")
        block = _HUB_BLOCK.fullmatch(trunk_key)
        if trunk_key in _REFERENCE_KEYS:
            renamed[prefix + _REFERENCE_KEYS[trunk_key]] = tensor
        elif block and block[3] in _REFERENCE_MODULES:
            stack = _REFERENCE_STACKS[block[1]]
            renamed[f"{prefix}{stack}.{block[2]}.{_REFERENCE_MODULES[block[3]]}.{block[4]}"] = tensor
        elif block and block[3] in SPLIT_MODULES:
            start = key.removesuffix(f"{block[3]}.{block[4]}")
            fused_key = f"{prefix}{_REFERENCE_STACKS[block[1]]}.{block[2]}.{FUSED_MODULE}.{block[4]}"
            if fused_key not in renamed:
                renamed[fused_key] = fuse_parts(state, [f"{start}{module}.{block[4]}" for module in SPLIT_MODULES])
        else:
            unknown.append(key)
    _raise_unknown(unknown, "a Pixio state dict in the official Hub naming")
    return renamed


def _is_beside_encoder(key: str) -> bool:
    return key == "mask_token" or key.startswith(("decoder_", "last_proj."))


def _rename_trunk_tensor(key: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
    """Hub names and parts of one original tensor beside the heads: three of a fused one, none of an unknown one."""
    if key in _HUB_KEYS:
        return [(_HUB_KEYS[key], tensor)]
    block = _REFERENCE_BLOCK.fullmatch(key)
    if block is None or block[3] not in (*_HUB_MODULES, FUSED_MODULE):
        return []
    start = f"{_HUB_STACKS[block[1]]}.{block[2]}"
    if block[3] != FUSED_MODULE:
        return [(f"{start}.{_HUB_MODULES[block[3]]}.{block[4]}", tensor)]
    parts = zip(SPLIT_MODULES, split_fused(key, tensor), strict=True)
    return [(f"{start}.{module}.{block[4]}", part) for module, part in parts]


def split_fused(name: str, tensor: Tensor) -> tuple[Tensor, ...]:
    """Query, key and value of a fused matrix or bias: (3D, ...) -> three views (D, ...).

    Raises:
        ValueError: no three equal parts.
    """
    if tensor.shape[0] % 3:
        raise ValueError(
            f"{name!r} of shape {tuple(tensor.shape)} does not hold query, key and value: no three equal parts."
        )
    return tensor.chunk(3)


def fuse_parts(state: Mapping[str, Tensor], keys: Iterable[str]) -> Tensor:
    """Query, key and value as one tensor: three (D, ...) -> (3D, ...).

    Raises:
        ValueError: one is missing.
    """
    keys = list(keys)
    if missing := [key for key in keys if key not in state]:
        raise ValueError(f"The state dict lacks {', '.join(missing)}: query, key and value belong together.")
    return torch.cat([state[key] for key in keys])


def _raise_unknown(keys: list[str], naming: str) -> None:
    if keys:
        raise ValueError(f"Not the names of weights in {naming}: {', '.join(sorted(keys))}.")
