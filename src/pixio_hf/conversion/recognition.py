# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The configuration of a checkpoint: sizes from its shapes, the rest from a preset, its training arguments or overrides."""

from collections.abc import Mapping
from typing import Any

from ..configuration_pixio import PRESETS, PixioConfig
from .dimensions import original_shapes, read_sizes
from .reading import SourceCheckpoint

ARCHITECTURES = {
    "encoder": "PixioModel",
    "pretraining": "PixioForPreTraining",
    "distilled": "PixioForDistillation",
    "depth": "PixioForDepthEstimation",
    "segmentation": "PixioForSemanticSegmentation",
}
# (argument of the original's training script, ours): what shapes do not show (SPEC 2.2, 2.5)
_TRAINING_ARGUMENTS = (
    ("mask_ratio", "mask_ratio"),
    ("mask_grid", "mask_grid_size"),
    ("norm_pix_loss", "norm_pix_loss"),
)


def recognize_config(
    source: SourceCheckpoint, preset: str | None = None, overrides: Mapping[str, Any] | None = None
) -> PixioConfig:
    """Configuration of a checkpoint; `overrides` are fields of PixioConfig, and win over everything but the shapes.

    The number of attention heads cannot be read from weights: it comes from the preset of the same width and depth, or
    from `overrides`.

    Raises:
        ValueError: unknown preset or field, one that contradicts the shapes, or a number of heads that nothing tells.
    """
    overrides = dict(overrides or {})
    shapes: dict[str, tuple[int, ...]] = {name: tuple(tensor.shape) for name, tensor in source.tensors.items()}
    sizes = read_sizes(original_shapes(shapes, source.naming), source.kind, source.head_type)
    num_labels = sizes.pop("num_labels", None)
    if source.kind == "segmentation":
        sizes["num_labels"] = num_labels
    if preset is None:
        preset = _find_preset(sizes)
    elif preset not in PRESETS:
        raise ValueError(f"Unknown preset {preset!r}; choose one of {', '.join(PRESETS)} (--preset).")
    else:
        _raise_contradictions(source, sizes, PRESETS[preset], f"the preset {preset}")
    _raise_contradictions(source, sizes, overrides, "what you set")
    names = overrides.get("id2label")
    if names is not None and not isinstance(names, Mapping):
        raise ValueError(f'id2label must be an object such as {{"0": "floor"}}, not {str(names)[:80]}.')
    if names and "num_labels" in sizes and len(names) != num_labels:
        raise ValueError(f"{source.path} has {num_labels} classes, but id2label names {len(names)}.")
    fields = {**_read_training_arguments(source), **sizes, **overrides}
    _raise_unknown_heads(source, preset, fields)
    return _build(source, preset, fields)


def _build(source: SourceCheckpoint, preset: str | None, fields: Mapping[str, Any]) -> PixioConfig:
    try:
        # The fields name all that a preset of an encoder does, so that without one any serves; it checks their names.
        config = PixioConfig.preset(preset or "pixio-b16", **fields)
    except ValueError as error:
        reason = " ".join(str(error).split())[:400]
        raise ValueError(f"{source.path}: no configuration has these values (--set): {reason}") from error
    config.architectures = [ARCHITECTURES[source.kind]]
    return config


def _find_preset(sizes: Mapping[str, Any]) -> str | None:
    """The preset of the same width and depth."""
    size = (sizes["hidden_size"], sizes["num_hidden_layers"])
    matches = [
        name for name, fields in PRESETS.items() if (fields["hidden_size"], fields["num_hidden_layers"]) == size
    ]
    return matches[0] if matches else None


def _raise_unknown_heads(source: SourceCheckpoint, preset: str | None, fields: Mapping[str, Any]) -> None:
    """Refuse to guess: a wrong number of heads loads without an error and computes nonsense."""
    known = PixioConfig.preset(preset) if preset else PixioConfig()
    unknown = {}
    if preset is None:
        unknown["num_attention_heads"] = f"width {fields['hidden_size']} and {fields['num_hidden_layers']} blocks"
    decoder_size = ("decoder_hidden_size", "decoder_num_hidden_layers")
    if source.kind == "pretraining" and any(fields[name] != getattr(known, name) for name in decoder_size):
        unknown["decoder_num_attention_heads"] = "a decoder of width {} and {} blocks".format(
            *(fields[name] for name in decoder_size)
        )
    unknown = {name: size for name, size in unknown.items() if name not in fields}
    if unknown:
        raise ValueError(
            f"{source.path}: no preset has {', or '.join(unknown.values())}, and the number of attention heads cannot be "
            f"read from weights. Give it with {' and '.join(f'`--set {name}=...`' for name in unknown)}."
        )


def _read_training_arguments(source: SourceCheckpoint) -> dict[str, Any]:
    """Masking and target of a pre-training model, as its training script was told."""
    arguments = source.training_state.get("args")
    if source.kind != "pretraining" or not isinstance(arguments, Mapping):
        return {}
    return {ours: arguments[theirs] for theirs, ours in _TRAINING_ARGUMENTS if arguments.get(theirs) is not None}


def _raise_contradictions(
    source: SourceCheckpoint, sizes: Mapping[str, Any], fields: Mapping[str, Any], origin: str
) -> None:
    wrong = [
        f"{name} {value} (the weights say {sizes[name]})"
        for name, value in fields.items()
        if name in sizes and value != sizes[name]
    ]
    if wrong:
        raise ValueError(
            f"{source.path} contradicts {origin}: {', '.join(wrong)}. Leave that out, or name another file."
        )
