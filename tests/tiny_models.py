# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Tiny configurations, random weights and checkpoints in every spelling, for the tests of the models."""

import re
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from pixio_hf import PixioConfig
from pixio_hf.checkpoint_names import memory_to_hub_name

Model = TypeVar("Model", bound=nn.Module)

SPELLINGS = ("official", "transformers_5_23", "in_memory")


def tiny_config(**overrides) -> PixioConfig:
    """Four blocks of width 32 on 64 x 64 pixels: a 4 x 4 patch grid of 2 x 2 mask blocks."""
    fields = {
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 64,
        "n_cls_tokens": 3,
        "mask_grid_size": 2,
        "decoder_hidden_size": 16,
        "decoder_num_hidden_layers": 2,
        "decoder_num_attention_heads": 2,
        "neck_hidden_sizes": [8, 8, 8, 8],
        "fusion_hidden_size": 8,
    }
    return PixioConfig(**{**fields, **overrides})


def tiny_view_config(**overrides) -> PixioConfig:
    """The same with four multi-view blocks of width 24 and small heads for reconstruction."""
    sizes = {
        "view_hidden_size": 24,
        "view_num_hidden_layers": 4,
        "view_num_attention_heads": 4,
        "view_taps": [1, 2],
        "reconstruction_neck_hidden_sizes": [8, 8, 12, 12],
        "reconstruction_fusion_hidden_size": 8,
        "pose_hidden_size": 16,
        "scale_hidden_size": 12,
    }
    return tiny_config(**{**sizes, **overrides})


@torch.no_grad()
def randomize_weights(model: Model, seed: int = 0) -> Model:
    """Fill every weight and buffer with random numbers: fresh LayerNorms are ones and zeros and hide swaps."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        is_scale = tensor.dim() == 1 and name.endswith("weight")
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        else:
            tensor.copy_(1 + 0.2 * noise if is_scale else 0.2 * noise)
    return model.eval()


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Compute activations again in the backward pass; transformers 5.22 renamed the method."""
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()


def random_images(batch_size: int = 2, height: int = 64, width: int = 64, seed: int = 1) -> Tensor:
    return torch.randn(batch_size, 3, height, width, generator=torch.Generator().manual_seed(seed))


def block_noise(batch_size: int = 2, num_blocks: int = 4, seed: int = 2) -> Tensor:
    return torch.rand(batch_size, num_blocks, generator=torch.Generator().manual_seed(seed))


def respell(name: str, spelling: str) -> str:
    """Name of an in-memory tensor in one of SPELLINGS."""
    if spelling == "in_memory":
        return name
    name = memory_to_hub_name(name)
    if spelling == "transformers_5_23":
        name = re.sub(r"\bmlp\.fc1\.", "intermediate.dense.", re.sub(r"\bmlp\.fc2\.", "output.dense.", name))
    return name


def write_checkpoint(folder: Path, model: nn.Module, spelling: str = "official") -> Path:
    """Write a model's configuration and weights without transformers' saving, in one of SPELLINGS."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
    weights = {respell(name, spelling): tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a saved model, from one file or from shards."""
    weights: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights.update(load_file(file))
    return weights


def assert_same_state(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Same names and bit-identical tensors."""
    assert actual.keys() == expected.keys()
    different = [name for name, tensor in expected.items() if not torch.equal(actual[name], tensor)]
    assert not different
