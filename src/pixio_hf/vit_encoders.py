# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Plain vision transformers of transformers behind one interface: whole images in, tokens of chosen blocks out.

Teachers of a distillation and the encoders of a comparison are wrapped alike. What differs between the families is here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoModel
from transformers.utils.constants import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    IMAGENET_STANDARD_MEAN,
    IMAGENET_STANDARD_STD,
)
from transformers.utils.hub import cached_file

from .bundled import find_checkpoint

# model_type -> the final LayerNorm of its AutoModel class.
FINAL_NORMS = {
    "pixio": "layernorm",
    "dinov2": "layernorm",
    "dinov2_with_registers": "layernorm",
    "dinov3_vit": "norm",
    "vit": "layernorm",
    "vit_mae": "layernorm",
}
FAMILIES = tuple(FINAL_NORMS)
# Never trained, or not used for whole images: a checkpoint may lack them.
_OPTIONAL_WEIGHTS = ("pooler.", "embeddings.mask_token")
# Normalisation of published checkpoints, for copies without an image processor. All others: ImageNet's.
_OTHER_NORMALIZATIONS = {"vit": (IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD)}
STATED = "its image processor"


@dataclass(frozen=True)
class BlockTokens:
    """Tokens of one block: class_tokens (B, K, D), patch_tokens (B, N, D) in raster order."""

    class_tokens: Tensor
    patch_tokens: Tensor


class VitEncoder(nn.Module):
    """Encoder of any of FAMILIES, seeing whole images: (B, 3, H, W) -> class and patch tokens of the asked blocks.

    Class tokens are Pixio's n_cls_tokens, or the CLS token of the others. Register tokens are left out: they are scratch
    space of that ViT, neither class nor patch. Positions are interpolated to the image wherever a family has positions to
    interpolate (DINOv3's are rotations that fit any size).
    """

    def __init__(self, model: Any, has_final_norm: bool = True):
        """Take over an encoder as its AutoModel class builds it; ViT's pooler is not used and is removed.

        Args:
            has_final_norm: whether tokens pass the final LayerNorm, that of the last block for every block; else it is
                removed from the model.

        Raises:
            ValueError: not one of FAMILIES, or patches that are not square.
        """
        super().__init__()
        config = model.config
        check_family(config.model_type)
        final_norm = FINAL_NORMS[config.model_type]
        if not hasattr(model, final_norm):
            raise ValueError(
                f"A {type(model).__name__} is no bare encoder: it has no {final_norm}. Pass what AutoModel returns."
            )
        if not has_final_norm:
            setattr(model, final_norm, nn.Identity())
        if getattr(model, "pooler", None) is not None:
            model.pooler = None
        if config.model_type == "vit_mae":  # it hides patches in eval mode too
            config.mask_ratio = 0.0
        self.model = model
        self.final_norm_name = final_norm
        self.model_type: str = config.model_type
        self.hidden_size: int = config.hidden_size
        self.num_hidden_layers: int = config.num_hidden_layers
        self.patch_size = square_side(config.patch_size)
        self.num_class_tokens: int = getattr(config, "n_cls_tokens", 1)
        self.num_registers: int = getattr(config, "num_register_tokens", 0)

    def forward(self, pixel_values: Tensor, blocks: Sequence[int]) -> list[BlockTokens]:
        """Encode images and return the tokens of `blocks`, counted from 0.

        Raises:
            ValueError: sides that are no multiple of the patch size; most families would crop the image silently.
        """
        if pixel_values.ndim != 4:
            raise ValueError(f"pixel_values must be (B, 3, H, W), got {tuple(pixel_values.shape)}.")
        height, width = pixel_values.shape[-2:]
        patch_size = self.patch_size
        if min(height, width) < patch_size or height % patch_size or width % patch_size:
            raise ValueError(
                f"Image sides must be multiples of the patch size {patch_size}, got {height} x {width} pixels."
            )
        if list(blocks) == [self.num_hidden_layers - 1]:  # no other block's tokens are kept in memory
            states = [self._encode(pixel_values).last_hidden_state]
        else:
            hidden_states = self._encode(pixel_values, output_hidden_states=True).hidden_states
            final_norm = self.model.get_submodule(self.final_norm_name)
            states = [final_norm(hidden_states[block + 1]) for block in blocks]  # [0] is the embedding
        first_patch = self.num_class_tokens + self.num_registers
        return [BlockTokens(tokens[:, : self.num_class_tokens], tokens[:, first_patch:]) for tokens in states]

    def _encode(self, pixel_values: Tensor, **options: Any) -> Any:
        if self.model_type in ("vit", "vit_mae"):  # the others always fit their positions to the image
            options["interpolate_pos_encoding"] = True
        if self.model_type == "vit_mae":
            # Ascending noise, because MAE shuffles the patches even if none is masked.
            num_patches = (pixel_values.shape[-2] // self.patch_size) * (pixel_values.shape[-1] // self.patch_size)
            noise = torch.arange(num_patches, device=pixel_values.device, dtype=torch.float32)
            options["noise"] = noise.expand(len(pixel_values), -1)
        return self.model(pixel_values, **options)


class Normalization(NamedTuple):
    """Mean and standard deviation that a model's images are normalised with, and where the numbers are from."""

    mean: list[float]
    std: list[float]
    source: str
    """STATED, or "default of" its family."""


def check_family(model_type: str, name: str = "This model") -> None:
    """Raise ValueError, listing the known ones, for a model type that is not one of FAMILIES."""
    if model_type not in FAMILIES:
        raise ValueError(f"{name} is of type {model_type!r}; known are {', '.join(FAMILIES)}.")


def read_config(name: str) -> Any:
    """Configuration of a checkpoint: folder, Hub id or bundled name.

    Raises:
        ValueError: there is none, or it is not of one of FAMILIES.
    """
    source = find_checkpoint(name)
    try:
        config = AutoConfig.from_pretrained(source)
    except OSError as error:
        raise ValueError(f"The model {name!r} cannot be read: {error}") from error
    check_family(config.model_type, f"The model {name!r}")
    return config


def load_model(name: str, config: Any) -> Any:
    """The bare encoder of a checkpoint (folder, Hub id or bundled name), in float32, as its AutoModel class.

    Raises:
        ValueError: not found, or a checkpoint that would leave weights random.
    """
    source = find_checkpoint(name)
    try:
        model, info = AutoModel.from_pretrained(source, config=config, dtype=torch.float32, output_loading_info=True)
    except OSError as error:
        raise ValueError(f"The weights of {name!r} cannot be read: {error}") from error
    if missing := sorted(key for key in info["missing_keys"] if not key.startswith(_OPTIONAL_WEIGHTS)):
        raise ValueError(f"The model {name!r} lacks weights: {', '.join(missing[:4])}. Is its checkpoint complete?")
    return model


def find_normalization(name: str, model_type: str) -> Normalization:
    """Normalisation that a checkpoint's image processor asks for, or its family's where it has none.

    Raises:
        ValueError: there is an image processor, but it cannot be read.
    """
    source = find_checkpoint(name)
    try:
        if cached_file(source, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False) is None:
            mean, std = _OTHER_NORMALIZATIONS.get(model_type, (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
            return Normalization(list(mean), list(std), f"default of {model_type}")
        processor = AutoImageProcessor.from_pretrained(source)
    except OSError as error:
        raise ValueError(f"The image processor of {name!r} cannot be read: {error}") from error
    if not processor.do_normalize:
        return Normalization([0.0] * 3, [1.0] * 3, STATED)
    return Normalization(list(processor.image_mean), list(processor.image_std), STATED)


def square_side(side: Any) -> int:
    """One number from a size that transformers' configurations give as a number or a pair.

    Raises:
        ValueError: two different sides.
    """
    sides = {side} if isinstance(side, int) else set(side)
    if len(sides) != 1:
        raise ValueError(f"Images and patches must be square, got {side}.")
    return sides.pop()
