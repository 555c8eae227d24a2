# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Every kind of checkpoint as plain functions of its original state dict (docs/specification.md 1, 2, 4, 5).

Shares no code with the models on purpose: tests of conversion compare the two, so that a tensor under a wrong name shows.
"""

from collections.abc import Mapping
from math import isqrt
from typing import NamedTuple

from torch import Tensor, cat
from torch.nn import functional as F

State = Mapping[str, Tensor]

TRANSFORMER_EPS = 1e-6
PROJECTION_HEAD_EPS = 1e-5
BATCH_NORM_EPS = 1e-5


class BlockTokens(NamedTuple):
    """Tokens straight after one block, and after the final LayerNorm: patches (B, N, D), classes (B, K, D)."""

    patch: Tensor
    cls: Tensor
    patch_norm: Tensor
    cls_norm: Tensor


def encode(
    state: State, image: Tensor, num_heads: int, ids_keep: Tensor | None = None, prefix: str = ""
) -> list[BlockTokens]:
    """Run the encoder, on the patches of ids_keep (B, K) only where given: (B, 3, H, W) -> one BlockTokens per block."""
    batch_size = image.shape[0]
    weight = state[f"{prefix}patch_embed.proj.weight"]
    embedded = F.conv2d(image, weight, state[f"{prefix}patch_embed.proj.bias"], stride=weight.shape[-1])
    class_tokens, positions = state[f"{prefix}cls_token"], state[f"{prefix}pos_embed"]
    num_class_tokens = class_tokens.shape[1]
    patch_positions = resample_positions(positions[:, num_class_tokens:], (embedded.shape[-2], embedded.shape[-1]))
    patches = embedded.flatten(2).transpose(1, 2) + patch_positions
    if ids_keep is not None:
        patches = _pick(patches, ids_keep)
    classes = (class_tokens + positions[:, :num_class_tokens]).expand(batch_size, -1, -1)
    tokens = cat((classes, patches), dim=1)

    blocks = []
    for block in range(count_blocks(state, f"{prefix}blocks.")):
        tokens = apply_block(state, f"{prefix}blocks.{block}.", tokens, num_heads)
        normed = normalize(state, f"{prefix}norm", tokens, TRANSFORMER_EPS)
        k = num_class_tokens
        blocks.append(BlockTokens(tokens[:, k:], tokens[:, :k], normed[:, k:], normed[:, :k]))
    return blocks


def predict_patches(
    state: State, image: Tensor, num_heads: int, decoder_num_heads: int, noise: Tensor, mask_grid: int, ratio: float
) -> Tensor:
    """Predictions of the pre-training model: (B, 3, H, W), noise (B, number of mask blocks) -> (B, N, P*P*C).

    See docs/specification.md 2.
    """
    side = image.shape[-1] // state["patch_embed.proj.weight"].shape[-1]
    ids_keep, ids_restore = order_patches(noise, side, mask_grid, ratio)
    encoded = encode(state, image, num_heads, ids_keep)[-1]
    tokens = project(state, "decoder_embed", cat((encoded.cls_norm, encoded.patch_norm), dim=1))
    num_class_tokens = encoded.cls.shape[1]
    classes, visible = tokens[:, :num_class_tokens], tokens[:, num_class_tokens:]
    hidden = state["mask_token"].expand(len(image), side * side - visible.shape[1], -1)
    patches = _pick(cat((visible, hidden), dim=1), ids_restore)
    tokens = cat((classes, patches), dim=1) + state["decoder_pos_embed"]
    for block in range(count_blocks(state, "decoder_blocks.")):
        tokens = apply_block(state, f"decoder_blocks.{block}.", tokens, decoder_num_heads)
    tokens = normalize(state, "decoder_norm", tokens, TRANSFORMER_EPS)
    return project(state, "decoder_pred", tokens)[:, num_class_tokens:]


def order_patches(noise: Tensor, side: int, mask_grid: int, ratio: float) -> tuple[Tensor, Tensor]:
    """Kept patches in their order, and the inverse of the whole order: (B, K), (B, N) (docs/specification.md 2.2)."""
    blocks_per_side = side // mask_grid
    ids = noise.new_tensor(range(side * side)).long().reshape(blocks_per_side, mask_grid, blocks_per_side, mask_grid)
    patches_of_block = ids.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)  # (number of mask blocks, patches of each)
    order = patches_of_block[noise.argsort(dim=1)].flatten(1)
    num_kept_blocks = int(blocks_per_side**2 * (1 - ratio))
    return order[:, : num_kept_blocks * mask_grid**2], order.argsort(dim=1)


def project_tokens(state: State, image: Tensor, num_heads: int) -> Tensor:
    """All tokens of a distilled student after its projection head: (B, 3, H, W) -> (B, K + N, D_teacher).

    See docs/specification.md 4.1.
    """
    encoded = encode(state, image, num_heads)[-1]
    tokens = project(state, "last_proj.0", cat((encoded.cls_norm, encoded.patch_norm), dim=1))
    tokens = F.gelu(normalize(state, "last_proj.1", tokens, PROJECTION_HEAD_EPS))
    return project(state, "last_proj.3", tokens)


def predict_dense_logits(state: State, image: Tensor, num_heads: int) -> Tensor:
    """Logits of a depth or segmentation model, DPT or linear: (B, 3, H, W) -> (B, classes, H, W).

    See docs/specification.md 5.1-5.3.
    """
    blocks = encode(state, image, num_heads, prefix="encoder.")
    patch_size = state["encoder.patch_embed.proj.weight"].shape[-1]
    grid = (image.shape[-2] // patch_size, image.shape[-1] // patch_size)
    if "head.0.weight" in state:
        logits = _apply_linear_head(state, join_class_mean(blocks[-1], grid))
    else:
        quarter = len(blocks) // 4
        logits = _apply_dpt_head(state, [join_class_mean(blocks[quarter * tap - 1], grid) for tap in (1, 2, 3, 4)])
    return resize(logits, image.shape[-2:])


def join_class_mean(tokens: BlockTokens, grid: tuple[int, int]) -> Tensor:
    """Normalised patch tokens beside the mean normalised class token: (B, 2D, h, w)."""
    class_mean = tokens.cls_norm.mean(dim=1, keepdim=True).expand_as(tokens.patch_norm)
    return cat((tokens.patch_norm, class_mean), dim=2).transpose(1, 2).unflatten(2, grid)


def _apply_linear_head(state: State, features: Tensor) -> Tensor:
    statistics = (state["head.0.running_mean"], state["head.0.running_var"])
    normed = F.batch_norm(features, *statistics, state["head.0.weight"], state["head.0.bias"], eps=BATCH_NORM_EPS)
    return convolve(state, "head.1", normed)


def _apply_dpt_head(state: State, taps: list[Tensor]) -> Tensor:
    maps = [convolve(state, f"head.projects.{index}", tap) for index, tap in enumerate(taps)]
    for index, stride in ((0, 4), (1, 2)):
        name = f"head.resize_layers.{index}"
        maps[index] = F.conv_transpose2d(maps[index], state[f"{name}.weight"], state[f"{name}.bias"], stride=stride)
    maps[3] = convolve(state, "head.resize_layers.3", maps[3], stride=2)
    levels = [
        F.conv2d(feature, state[f"head.scratch.layer{level}_rn.weight"], padding=1)
        for level, feature in enumerate(maps, start=1)
    ]
    path = None
    for level in (4, 3, 2, 1):
        unit, lateral = f"head.scratch.refinenet{level}", levels[level - 1]
        path = lateral if path is None else path + apply_residual_unit(state, f"{unit}.resConfUnit1", lateral)
        path = apply_residual_unit(state, f"{unit}.resConfUnit2", path)
        size = levels[level - 2].shape[-2:] if level > 1 else [2 * extent for extent in lateral.shape[-2:]]
        path = convolve(state, f"{unit}.out_conv", resize(path, size))
    assert path is not None
    return convolve(state, "head.scratch.output_conv.2", F.relu(convolve(state, "head.scratch.output_conv.0", path)))


def apply_residual_unit(state: State, name: str, features: Tensor) -> Tensor:
    """Two convolutions of 3 x 3 around the identity: (B, C, H, W) -> (B, C, H, W)."""
    inner = F.relu(convolve(state, f"{name}.conv1", F.relu(features)))
    return features + convolve(state, f"{name}.conv2", inner)


def convolve(state: State, name: str, features: Tensor, stride: int = 1) -> Tensor:
    """Convolve with the weights of that name; the size stays at stride 1: (B, C, H, W) -> (B, C', H', W')."""
    weight = state[f"{name}.weight"]
    return F.conv2d(features, weight, state[f"{name}.bias"], stride=stride, padding=weight.shape[-1] // 2)


def resize(features: Tensor, size) -> Tensor:
    """Resize bilinearly with corners aligned: (B, C, H, W) -> (B, C, *size)."""
    return F.interpolate(features, size=tuple(size), mode="bilinear", align_corners=True)


def resample_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resample position rows, bicubic: (1, L0, D) -> (1, h*w, D), untouched on the native square grid.

    See docs/specification.md 1.4.
    """
    side = isqrt(positions.shape[1])
    if grid == (side, side):
        return positions
    square = positions.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resampled = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return resampled.flatten(2).transpose(1, 2)


def count_blocks(state: State, prefix: str) -> int:
    """Count the blocks whose names begin with the prefix."""
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in state if key.startswith(prefix))


def apply_block(state: State, prefix: str, tokens: Tensor, num_heads: int) -> Tensor:
    """Apply one pre-norm transformer block: (B, T, D) -> (B, T, D)."""
    tokens = tokens + attend(state, prefix, normalize(state, f"{prefix}norm1", tokens, TRANSFORMER_EPS), num_heads)
    hidden = project(state, f"{prefix}mlp.fc1", normalize(state, f"{prefix}norm2", tokens, TRANSFORMER_EPS))
    return tokens + project(state, f"{prefix}mlp.fc2", F.gelu(hidden))


def attend(state: State, prefix: str, tokens: Tensor, num_heads: int) -> Tensor:
    """Attend with all heads, scaled by the width of a head: (B, T, D) -> (B, T, D)."""
    batch_size, num_tokens, width = tokens.shape
    qkv = project(state, f"{prefix}attn.qkv", tokens)
    query, key, value = qkv.reshape(batch_size, num_tokens, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * (width // num_heads) ** -0.5
    mixed = scores.softmax(dim=-1) @ value
    return project(state, f"{prefix}attn.proj", mixed.transpose(1, 2).reshape(batch_size, num_tokens, width))


def normalize(state: State, name: str, tokens: Tensor, eps: float) -> Tensor:
    """Apply the LayerNorm of that name over the last dimension."""
    scale, shift = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.layer_norm(tokens, scale.shape, scale, shift, eps)


def project(state: State, name: str, tokens: Tensor) -> Tensor:
    """Apply the linear layer of that name to the last dimension."""
    return F.linear(tokens, state[f"{name}.weight"], state[f"{name}.bias"])


def _pick(patches: Tensor, ids: Tensor) -> Tensor:
    return patches.gather(1, ids[:, :, None].expand(-1, -1, patches.shape[-1]))
