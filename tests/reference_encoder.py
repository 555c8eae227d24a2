# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The encoder of SPEC section 1 as one function of a reference state dict: independent of the package under test."""

from collections.abc import Mapping
from math import isqrt
from typing import NamedTuple

from torch import Tensor, cat
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-6


class BlockTokens(NamedTuple):
    """Tokens straight after one block, and after the final LayerNorm: patches (B, N, D), classes (B, K, D)."""

    patch: Tensor
    cls: Tensor
    patch_norm: Tensor
    cls_norm: Tensor


def encode(state: Mapping[str, Tensor], image: Tensor, num_heads: int) -> list[BlockTokens]:
    """Run the encoder with reference weights: (B, 3, H, W) -> one BlockTokens per block. Keys carry no prefix."""
    batch_size = image.shape[0]
    weight = state["patch_embed.proj.weight"]
    embedded = F.conv2d(image, weight, state["patch_embed.proj.bias"], stride=weight.shape[-1])
    height, width = embedded.shape[-2:]
    num_class_tokens = state["cls_token"].shape[1]
    class_positions = state["pos_embed"][:, :num_class_tokens]
    patch_positions = resample_positions(state["pos_embed"][:, num_class_tokens:], (height, width))
    patches = embedded.flatten(2).transpose(1, 2) + patch_positions
    classes = (state["cls_token"] + class_positions).expand(batch_size, -1, -1)
    tokens = cat((classes, patches), dim=1)

    blocks = []
    num_blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    for block in range(num_blocks):
        prefix = f"blocks.{block}."
        own = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        tokens = tokens + attend(own, normalize(own, "norm1", tokens), num_heads)
        hidden = F.gelu(project(own, "mlp.fc1", normalize(own, "norm2", tokens)))
        tokens = tokens + project(own, "mlp.fc2", hidden)
        normed = normalize(state, "norm", tokens)
        k = num_class_tokens
        blocks.append(BlockTokens(tokens[:, k:], tokens[:, :k], normed[:, k:], normed[:, :k]))
    return blocks


def resample_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resample position rows, bicubic: (1, L0, D) -> (1, h*w, D), untouched on the native square grid (SPEC 1.4)."""
    side = isqrt(positions.shape[1])
    if grid == (side, side):
        return positions
    square = positions.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resampled = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return resampled.flatten(2).transpose(1, 2)


def attend(weights: Mapping[str, Tensor], tokens: Tensor, num_heads: int) -> Tensor:
    batch_size, num_tokens, width = tokens.shape
    qkv = project(weights, "attn.qkv", tokens).reshape(batch_size, num_tokens, 3, num_heads, width // num_heads)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * (width // num_heads) ** -0.5
    mixed = scores.softmax(dim=-1) @ value
    return project(weights, "attn.proj", mixed.transpose(1, 2).reshape(batch_size, num_tokens, width))


def normalize(weights: Mapping[str, Tensor], name: str, tokens: Tensor) -> Tensor:
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return F.layer_norm(tokens, scale.shape, scale, shift, LAYER_NORM_EPS)


def project(weights: Mapping[str, Tensor], name: str, tokens: Tensor) -> Tensor:
    return F.linear(tokens, weights[f"{name}.weight"], weights[f"{name}.bias"])
