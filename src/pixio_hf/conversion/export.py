# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Turn a saved model back into the original's .pth file, bit for bit.

Encoders and dense models become a bare mapping of tensors, as the released encoders are; pre-training models, distilled
students and reconstruction models become {"model": mapping}, as training code saves them (docs/specification.md 3.6).
"""

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor

from ..bundled import find_checkpoint, hub_id
from ..checkpoint_files import check_config, check_inside
from ..configuration_pixio import PixioConfig
from ..files import file_in_progress
from ..text_files import read_json_object
from .key_mapping import hub_to_reference_state
from .reading import read_weights
from .recognition import recognize_model
from .reconstruction_names import training_file_state
from .verification import MODEL_CLASSES, describe_non_finite, find_non_finite
from .writing import INDEX_NAME, check_free_space

KINDS_BELOW_MODEL = ("pretraining", "distilled", "reconstruction")
KINDS_OF_CLASSES = {"PixioBackbone": "encoder", **{cls.__name__: kind for kind, cls in MODEL_CLASSES.items()}}


def export_checkpoint(model: str | Path, output: str | Path, overwrite: bool = False) -> dict[str, Any]:
    """Write a folder, Hub id or bundled checkpoint as the original's .pth; returns what was written.

    Weights keep the type in which they are stored, whatever `dtype` the configuration names. The result has `kind`,
    `num_tensors`, `size` in bytes, `dtype`, and `warnings` about weights that are NaN or infinite.

    Memory: the fused query, key and value matrices are copies, about a quarter of the encoder's weights; everything else
    goes from the mapped safetensors files to the output.

    Raises:
        ValueError: not a complete Pixio model, a tensor that the original has no name for, or an output that exists.
    """
    target = Path(output).expanduser()
    if target.is_dir():
        raise ValueError(f"{target} is a folder; name the .pth file to write.")
    if target.exists() and not overwrite:
        raise ValueError(f"{target} exists already. Pass --overwrite to replace it, or choose another name.")
    folder = fetch_folder(str(model))
    kind, config = read_kind(folder)
    weights = read_weights(folder)
    source = recognize_model(weights, kind=kind, config=config)
    if source.naming != "hub" or source.ignored_keys:
        odd = ", ".join(source.ignored_keys[:4]) or "the original's names"
        raise ValueError(f"{model} is no folder that transformers or pixio_hf saved: it holds {odd}.")
    tensors = source.load(weights)
    check_free_space(target, sum(tensor.nbytes for tensor in tensors.values()))
    non_finite = find_non_finite(tensors)
    warnings = [f"{model}: {describe_non_finite(non_finite, len(tensors))}."] if non_finite else []
    state = {name: own_storage(tensor) for name, tensor in hub_to_reference_state(tensors).items()}
    if source.kind == "reconstruction":
        state = training_file_state(state)
    with file_in_progress(target, replace=overwrite) as partial, partial.open("wb") as file:
        # Opened here, because torch's own writer does not say why it failed.
        torch.save({"model": state} if source.kind in KINDS_BELOW_MODEL else state, file)
    return {
        "kind": source.kind,
        "num_tensors": len(state),
        "size": target.stat().st_size,
        "dtype": str(next(iter(state.values())).dtype).removeprefix("torch."),
        "warnings": warnings,
    }


def fetch_folder(model: str) -> Path:
    """Local folder of a model: a folder, a bundled one, or a download of configuration and weights from the Hub.

    Raises:
        ValueError: no such model, or a download that failed.
    """
    name = find_checkpoint(model)
    if not Path(name).is_dir():
        try:
            name = snapshot_download(hub_id(name), allow_patterns=["config.json", "*.safetensors", INDEX_NAME])
        except (HfHubHTTPError, OSError) as error:
            raise ValueError(f"{name} could not be downloaded from the Hub: {error}") from error
    return Path(name)


def read_kind(folder: Path) -> tuple[str, PixioConfig]:
    """Kind of the model that a folder's config.json names, "auto" where it names none; and the configuration.

    Raises:
        ValueError: no readable config.json, not a Pixio model, or one that the original does not have.
    """
    check_inside(folder, ["config.json"])
    path = folder / "config.json"
    config = check_config(read_json_object(path), str(path))
    name = next(iter(config.architectures or []), None)
    if name is not None and name not in KINDS_OF_CLASSES:
        raise ValueError(
            f"{folder} holds a {name}, which the original does not have. Save its encoder, `model.pixio`, and export that."
        )
    return KINDS_OF_CLASSES[name] if name else "auto", config


def own_storage(tensor: Tensor) -> Tensor:
    """The tensor in a storage of its own size, as torch.save writes whole storages; copied only if necessary."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()
