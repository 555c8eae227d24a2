# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""conversion_report.json: where a checkpoint came from, what was decided about it, and how it was verified.

It holds no date and no path, so that the same input gives the same file.
"""

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers
from tqdm.auto import tqdm

from ..configuration_pixio import PRESETS, PixioConfig
from ..files import hash_file
from .reading import StoredWeights
from .recognition import RecognizedModel
from .reconstruction_names import GEOMETRIC_PREFIXES
from .verification import list_names

REPORT_NAME = "conversion_report.json"
# Fields that shapes do not show, by kind; choose_config takes them from the training arguments, a preset or defaults.
FIELDS_NOT_IN_WEIGHTS = {
    "encoder": ("num_attention_heads",),
    "pretraining": (
        "num_attention_heads",
        "decoder_num_attention_heads",
        "mask_ratio",
        "mask_grid_size",
        "norm_pix_loss",
    ),
    "distilled": ("num_attention_heads",),
    "depth": ("num_attention_heads", "min_depth", "max_depth"),
    "segmentation": ("num_attention_heads", "semantic_loss_ignore_index"),
    "reconstruction": ("num_attention_heads", "view_num_attention_heads", "view_taps"),
}


def hash_source(path: Path) -> list[dict[str, Any]]:
    """Name, size in bytes and sha256 of a file, or of a folder's safetensors files; with a progress bar."""
    # Other entries than files, such as a named pipe, are never opened: reading one can wait for ever.
    files = [path] if path.is_file() else sorted(file for file in path.glob("*.safetensors") if file.is_file())
    sizes = [file.stat().st_size for file in files]
    with tqdm(total=sum(sizes), desc="hashing", unit="B", unit_scale=True, delay=0.5) as progress:
        return [
            {"name": file.name, "size": size, "sha256": hash_file(file, when_read=progress.update)}
            for file, size in zip(files, sizes, strict=True)
        ]


def build_report(
    weights: StoredWeights,
    model: RecognizedModel,
    *,
    files: list[dict[str, Any]],
    preset: str | None,
    overrides: Mapping[str, Any],
    num_tensors: int,
    total_size: int,
    verification: Mapping[str, Any],
    non_finite: list[str],
) -> dict[str, Any]:
    """The report as a JSON-ready mapping.

    Args:
        files: what hash_source returned.
        preset, overrides: as the user gave them.
        total_size: bytes of the written weights.
        verification: what was compared, how, and with which result.
        non_finite: names of tensors that hold NaN or infinity.
    """
    from .. import __version__  # here, because the package imports modules beside this one

    config = model.config
    return {
        "source": {
            "name": weights.path.name,
            "size": sum(file["size"] for file in files),
            "sha256": files[0]["sha256"] if len(files) == 1 else None,
            "files": files,
            "file_format": weights.file_format,
            "naming": model.naming,
            "prefix": model.prefix,
        },
        "kind": model.kind,
        "architecture": (config.architectures or [None])[0],
        "preset": preset or find_preset(config),
        "config": {
            "set_by_user": dict(overrides),
            "not_in_weights": {
                name: getattr(config, name) for name in FIELDS_NOT_IN_WEIGHTS[model.kind] if name not in overrides
            },
        },
        "dtype": str(config.dtype).removeprefix("torch."),
        "num_tensors": num_tensors,
        "num_parameters": model.num_parameters,
        "total_size": total_size,
        "non_finite_tensors": non_finite,
        "ignored_keys": sorted(model.ignored_keys),
        "training_state_left_out": sorted(weights.training_state),
        "warnings": list_warnings(weights, model, overrides, non_finite),
        "verification": dict(verification),
        "versions": {
            "pixio_hf": __version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "safetensors": safetensors.__version__,
            "python": platform.python_version(),
        },
    }


def list_warnings(
    weights: StoredWeights, model: RecognizedModel, overrides: Mapping[str, Any], non_finite: list[str]
) -> list[str]:
    """What a user should know before relying on the result: assumed fields, weights that were left out or are unusable."""
    warnings = []
    if non_finite:
        warnings.append(
            f"The model cannot be used as it is: NaN or infinity in {list_names(non_finite)}, as in the input."
        )
    is_metric = model.config.depth_estimation_type == "metric"
    if model.kind == "depth" and is_metric and "max_depth" not in overrides:
        warnings.append(
            f"The largest depth cannot be read from the weights; {model.config.max_depth:g} m is assumed, as for NYUv2."
            " For a model trained on KITTI convert with --set max_depth=80, or every depth comes out eight times too"
            " small."
        )
    if (weights.path / "config.json").is_file():
        warnings.append(
            "The input's own config.json was not read: fields that the weights do not show have their defaults unless set"
            " with --set."
        )
    geometric = list_geometric_tensors(weights, model)
    if geometric:
        num_parameters = sum(math.prod(weights.stored[name].shape) for name in geometric)
        warnings.append(
            f"Not converted: the encoders of known rays, depths and poses ({num_parameters:,} parameters), which a model of"
            " pictures alone never uses. Keep them with --set use_geometric_inputs=true."
        )
    if others := sorted(set(model.ignored_keys) - set(geometric)):
        warnings.append(f"Not converted, as they are no part of the {model.kind} model: {list_names(others)}.")
    return warnings


def list_geometric_tensors(weights: StoredWeights, model: RecognizedModel) -> list[str]:
    """Names of the tensors of a reconstruction model that were left out because they serve known rays, depths and poses."""
    starts = tuple(model.prefix + start for start in GEOMETRIC_PREFIXES)
    left_out = [name for name in model.ignored_keys if name in weights.stored and name.startswith(starts)]
    return left_out if model.kind == "reconstruction" else []


def find_preset(config: PixioConfig) -> str | None:
    """Name of the preset that has this encoder, if one has."""
    default_image_size = PixioConfig().image_size
    for name, fields in PRESETS.items():
        encoder = {key: fields[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
        encoder["image_size"] = fields.get("image_size", default_image_size)
        if all(getattr(config, key) == value for key, value in encoder.items()):
            return name
    return None


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write the report as JSON into a folder."""
    (folder / REPORT_NAME).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
