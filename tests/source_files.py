# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""State dicts in the original's naming, of every kind and as small as can be, for the tests of the readers."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixio_hf import PixioConfig
from pixio_hf.checkpoint_names import memory_to_hub_name
from pixio_hf.conversion.key_mapping import hub_to_reference_state
from pixio_hf.conversion.reading import StoredWeights, read_weights
from pixio_hf.conversion.recognition import RecognizedModel, recognize_model
from pixio_hf.conversion.verification import MODEL_CLASSES

SIZES = {
    "hidden_size": 4,
    "num_hidden_layers": 2,
    "n_cls_tokens": 2,
    "image_size": 4,
    "patch_size": 2,
    "num_channels": 3,
    "mlp_ratio": 2,
    "decoder_hidden_size": 2,
    "decoder_num_hidden_layers": 1,
    "projection_size": 6,
    "neck_hidden_sizes": [1, 2, 3, 4],
    "fusion_hidden_size": 2,
    "head_type": "dpt",
    "num_labels": 1,
}
HEADS = {"num_attention_heads": 2, "decoder_num_attention_heads": 1}


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A file with the model that was recognised in it, and its tensors under the model's own names, not yet renamed."""

    weights: StoredWeights
    model: RecognizedModel
    tensors: Mapping[str, Tensor]


def open_checkpoint(path: str | Path, kind: str = "auto", prefix: str | None = None) -> OpenedCheckpoint:
    """Read, recognise and load, as every conversion begins."""
    weights = read_weights(path)
    model = recognize_model(weights, kind=kind, prefix=prefix, overrides=HEADS)
    loaded = weights.load()
    return OpenedCheckpoint(weights, model, {name: loaded[files[0]] for name, files in model.names.items()})


def meta_state(kind: str, **sizes: Any) -> dict[str, Tensor]:
    """Every weight of a model of one kind by its original name, without values."""
    is_dpt = kind in ("depth", "segmentation") and sizes.get("head_type", "dpt") == "dpt"
    config = PixioConfig(**{**SIZES, "num_hidden_layers": 4 if is_dpt else 2, **HEADS, **sizes})
    with torch.device("meta"):
        state = MODEL_CLASSES[kind](config).state_dict()
    return hub_to_reference_state({memory_to_hub_name(name): tensor for name, tensor in state.items()})


def random_state(kind: str = "encoder", **sizes: Any) -> dict[str, Tensor]:
    """Random weights of one kind: no two tensors are alike."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in meta_state(kind, **sizes).items():
        is_counter = name.endswith("num_batches_tracked")
        state[name] = torch.tensor(7) if is_counter else torch.randn(tensor.shape, generator=generator)
    return state


def training_file(state: dict[str, Tensor]) -> dict[str, Any]:
    """What the original's training scripts save around a state dict (docs/specification.md 3.6)."""
    moments = {index: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)} for index in range(2)}
    return {
        "model": state,
        "optimizer": {"state": moments, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.95), "params": [0, 1]}]},
        "epoch": 3,
        "scaler": {"scale": 65536.0},
        "args": argparse.Namespace(mask_ratio=0.5, mask_grid=1, norm_pix_loss=False, model="tiny", resume=None),
    }


def save(folder: Path, content: Any, name: str = "source.pth", **options) -> Path:
    """Write with torch.save: the file's path."""
    torch.save(content, folder / name, **options)
    return folder / name
