# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What differs between the plain vision transformers of transformers when they encode whole images."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

# model_type -> the final LayerNorm of its AutoModel class. Replacing it with an identity makes last_hidden_state the last
# block's output whatever a class's hidden_states mean.
FINAL_NORMS = {
    "pixio": "layernorm",
    "dinov2": "layernorm",
    "dinov2_with_registers": "layernorm",
    "dinov3_vit": "norm",
    "vit": "layernorm",
    "vit_mae": "layernorm",
}
# Never trained, or not used for whole images: a checkpoint may lack them.
_OPTIONAL_WEIGHTS = ("pooler.", "embeddings.mask_token")


def find_lacking_weights(missing_keys: Iterable[str]) -> list[str]:
    """Those of from_pretrained's missing keys that whole images need, in order."""
    return sorted(name for name in missing_keys if not name.startswith(_OPTIONAL_WEIGHTS))


def stop_masking(config: Any) -> None:
    """Have MAE, which hides patches in eval mode too, keep all of them; the other families do so anyway."""
    if config.model_type == "vit_mae":
        config.mask_ratio = 0.0


def encode_whole(model: Any, pixel_values: Tensor, **options: Any) -> Any:
    """Outputs of an encoder, after `stop_masking`, for images (B, 3, H, W) of any size, their patches in order."""
    config = model.config
    if config.model_type in ("vit", "vit_mae"):  # the others always fit their positions to the image
        options["interpolate_pos_encoding"] = True
    if config.model_type == "vit_mae":
        # Ascending noise: left to itself MAE shuffles the patches, even where none is masked.
        patch_size = square_side(config.patch_size)
        num_patches = (pixel_values.shape[-2] // patch_size) * (pixel_values.shape[-1] // patch_size)
        noise = torch.arange(num_patches, device=pixel_values.device, dtype=torch.float32)
        options["noise"] = noise.expand(len(pixel_values), -1)
    return model(pixel_values, **options)


def square_side(side: Any) -> int:
    """One number from a size that transformers' configurations give as a number or a pair.

    Raises:
        ValueError: two different sides.
    """
    sides = {side} if isinstance(side, int) else set(side)
    if len(sides) != 1:
        raise ValueError(f"Images and patches must be square, got {side}.")
    return sides.pop()
