# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The configuration of a checkpoint: sizes from its shapes, the rest from a preset, its training arguments or overrides."""

import math
import re
from collections.abc import Mapping
from typing import Any

from ..configuration_pixio import PRESETS, PixioConfig
from .key_mapping import encoder_prefix, hub_to_reference_name
from .reading import StoredWeights
from .verification import DENSE_KINDS, MODEL_CLASSES

Shape = tuple[int, ...]

# Field -> original name of a tensor without the encoder's prefix, its number of axes, and the one that is the size.
_ENCODER_SIZES = {
    "hidden_size": ("cls_token", 3, 2),
    "n_cls_tokens": ("cls_token", 3, 1),
    "num_channels": ("patch_embed.proj.weight", 4, 1),
    "patch_size": ("patch_embed.proj.weight", 4, 2),
}
# The same of what lies beside the encoder, by kind or type of head; from several tensors a list.
_SIZES_BESIDE_ENCODER = {
    "pretraining": {"decoder_hidden_size": ("decoder_embed.weight", 2, 0)},
    "distilled": {"projection_size": ("last_proj.0.weight", 2, 0)},
    "dpt": {
        "num_labels": ("head.scratch.output_conv.2.bias", 1, 0),
        "fusion_hidden_size": ("head.scratch.layer1_rn.weight", 4, 0),
        "neck_hidden_sizes": ([f"head.projects.{level}.weight" for level in range(4)], 4, 0),
    },
    "linear": {"num_labels": ("head.1.bias", 1, 0)},
    "reconstruction": {
        "view_hidden_size": ("info_sharing.norm.weight", 1, 0),
        "reconstruction_neck_hidden_sizes": (
            [f"dense_head.0.input_process.{level}.0.0.weight" for level in range(4)],
            4,
            0,
        ),
        "reconstruction_fusion_hidden_size": ("dense_head.0.input_process.0.1.weight", 4, 0),
        "pose_hidden_size": ("pose_head.proj.weight", 4, 0),
        "scale_hidden_size": ("scale_head.proj.weight", 2, 0),
        "geometric_dense_hidden_sizes": (
            [f"ray_dirs_encoder.{module}.weight" for module in ("conv_in", "encoder.0.conv1", "encoder.1.conv1")],
            4,
            0,
        ),
        "geometric_global_hidden_sizes": (
            [f"cam_rot_encoder.encoder.{module}.weight" for module in ("0.0.0.0", "0.0.1", "0.1")],
            2,
            0,
        ),
    },
}
_STACKS = {
    "pretraining": ("decoder_num_hidden_layers", "decoder_blocks.", "decoder"),
    "reconstruction": ("view_num_hidden_layers", "info_sharing.self_attention_blocks.", "multi-view"),
}
# (argument of the original's training script, ours): what shapes do not show (docs/specification.md 2.2, 2.5)
_TRAINING_ARGUMENTS = (
    ("mask_ratio", "mask_ratio"),
    ("mask_grid", "mask_grid_size"),
    ("norm_pix_loss", "norm_pix_loss"),
)
# What shapes do not show and all Pixio models have in common.
_FIXED_FIELDS = ("hidden_act", "layer_norm_eps")


def read_sizes(shapes: Mapping[str, Shape], naming: str, kind: str, head_type: str | None) -> dict[str, Any]:
    """Fields of PixioConfig that follow from shapes, by their names in `naming`.

    A field whose tensor is missing is left out.

    Raises:
        ValueError: shapes that no Pixio model has. The message is the end of a sentence about the file.
    """
    if naming == "hub":
        below = encoder_prefix(shapes)
        shapes = {hub_to_reference_name(name, below) or name: shape for name, shape in shapes.items()}
    encoder = "encoder." if kind in (*DENSE_KINDS, "reconstruction") else ""
    sizes: dict[str, Any] = {}
    for field, (name, num_axes, axis) in _ENCODER_SIZES.items():
        if encoder + name in shapes:
            sizes[field] = _get(shapes, encoder + name, num_axes)[axis]
    for field, (names, num_axes, axis) in _SIZES_BESIDE_ENCODER.get(head_type or kind, {}).items():
        several = [names] if isinstance(names, str) else names
        if all(name in shapes for name in several):
            found = [_get(shapes, name, num_axes)[axis] for name in several]
            sizes[field] = found[0] if isinstance(names, str) else found
    sizes["num_hidden_layers"] = _count_blocks(shapes, f"{encoder}blocks.", "encoder")
    if kind in _STACKS:
        field, start, noun = _STACKS[kind]
        sizes[field] = _count_blocks(shapes, start, noun)
    if kind == "reconstruction":
        sizes["use_geometric_inputs"] = "geometric_dense_hidden_sizes" in sizes
    if head_type is not None:
        sizes["head_type"] = head_type
    if f"{encoder}blocks.0.mlp.fc1.weight" in shapes and "hidden_size" in sizes:
        mlp_size, width = _get(shapes, f"{encoder}blocks.0.mlp.fc1.weight", 2)[0], sizes["hidden_size"]
        if mlp_size % width:
            raise ValueError(f"has an MLP of {mlp_size} channels in a model of width {width}; expected a multiple.")
        sizes["mlp_ratio"] = mlp_size // width
    grid_size = 1
    if f"{encoder}pos_embed" in shapes and "n_cls_tokens" in sizes:
        num_positions = _get(shapes, f"{encoder}pos_embed", 3)[1]
        num_patches = num_positions - sizes["n_cls_tokens"]
        grid_size = math.isqrt(max(num_patches, 0))
        if grid_size < 1 or grid_size**2 != num_patches:
            raise ValueError(
                f"has {num_positions} positions for {sizes['n_cls_tokens']} class tokens; what remains is no square grid"
                " of patches. It is another vision transformer, or damaged."
            )
    if "patch_size" in sizes:
        sizes["image_size"] = grid_size * sizes["patch_size"]
    return sizes


def choose_config(
    weights: StoredWeights,
    kind: str,
    sizes: Mapping[str, Any],
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[PixioConfig, list[str]]:
    """Configuration of a checkpoint, and the fields in it that nothing tells, which have a placeholder.

    Args:
        sizes: what read_sizes found.
        preset: name of the encoder's size; none finds the one of the same width and depth.
        overrides: fields of PixioConfig, which win over everything but the shapes.

    Raises:
        ValueError: unknown preset or field, or one that contradicts the shapes.
    """
    overrides = dict(overrides or {})
    sizes = dict(sizes)
    num_labels = sizes.get("num_labels") if kind == "segmentation" else sizes.pop("num_labels", None)
    if preset is None:
        preset = _find_preset(sizes)
    elif preset not in PRESETS:
        raise ValueError(f"Unknown preset {preset!r}; choose one of {', '.join(PRESETS)} (--preset).")
    else:
        _raise_contradictions(weights, sizes, PRESETS[preset], f"the preset {preset}")
    _raise_contradictions(weights, sizes, overrides, "what you set")
    standard = PixioConfig()
    for name in _FIXED_FIELDS:
        if overrides.get(name, value := getattr(standard, name)) != value:
            raise ValueError(
                f"{name} is {value} in every Pixio model, not {str(overrides[name])[:80]} (--set): the weights would load"
                " without an error and compute nonsense."
            )
    names = overrides.get("id2label")
    if names is not None and not isinstance(names, Mapping):
        raise ValueError(f'id2label must be an object such as {{"0": "floor"}}, not {str(names)[:80]}.')
    if names and "num_labels" in sizes and len(names) != num_labels:
        raise ValueError(f"{weights.path} has {num_labels} classes, but id2label names {len(names)}.")
    fields = {**_read_training_arguments(weights, kind), **sizes, **overrides}
    unknown = {name: value for name, value in _list_unknown(kind, preset, fields).items() if name not in fields}
    try:
        # The fields set all that an encoder's preset sets, so without one any preset will do; it checks the names.
        config = PixioConfig.preset(preset or "pixio-b16", **{**fields, **unknown})
    except ValueError as error:
        reason = " ".join(str(error).split())[:400]
        raise ValueError(f"{weights.path}: no configuration has these values (--set): {reason}") from error
    config.architectures = [MODEL_CLASSES[kind].__name__]
    return config, list(unknown)


def raise_unknown(weights: StoredWeights, config: PixioConfig, unknown: list[str]) -> None:
    """Refuse to guess: a wrong number of heads loads without an error and computes nonsense."""
    if not unknown:
        return
    parts = {
        "num_attention_heads": f"width {config.hidden_size} and {config.num_hidden_layers} blocks",
        "decoder_num_attention_heads": (
            f"a decoder of width {config.decoder_hidden_size} and {config.decoder_num_hidden_layers} blocks"
        ),
        "view_num_attention_heads": (
            f"a multi-view transformer of width {config.view_hidden_size} and {config.view_num_hidden_layers} blocks"
        ),
    }
    parts["view_taps"] = parts["view_num_attention_heads"]
    wanted = [f"`--set {name}={'[...,...]' if name == 'view_taps' else '...'}`" for name in unknown]
    raise ValueError(
        f"{weights.path}: no preset has {', or '.join(dict.fromkeys(parts[name] for name in unknown))}, and the number of"
        f" attention heads{' and the tapped blocks' if 'view_taps' in unknown else ''} cannot be read from weights. Give"
        f" it with {' and '.join(wanted)}."
    )


def _list_unknown(kind: str, preset: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that no shape shows and no known size of this kind tells, with values that any model can be built with."""
    known = PixioConfig.preset(preset) if preset else PixioConfig()

    def is_known(*sizes: str) -> bool:
        return all(fields.get(name, getattr(known, name)) == getattr(known, name) for name in sizes)

    unknown: dict[str, Any] = {} if preset else {"num_attention_heads": 1}
    if kind == "pretraining" and not is_known("decoder_hidden_size", "decoder_num_hidden_layers"):
        unknown["decoder_num_attention_heads"] = 1
    # The one released size is the default; view_taps of other depths are nobody's standard.
    if kind == "reconstruction" and not is_known("view_hidden_size", "view_num_hidden_layers"):
        unknown |= {"view_num_attention_heads": 1, "view_taps": [0, 1]}
    return unknown


def _find_preset(sizes: Mapping[str, Any]) -> str | None:
    """The preset of the same width and depth."""
    for name, fields in PRESETS.items():
        if all(fields[field] == sizes.get(field) for field in ("hidden_size", "num_hidden_layers")):
            return name
    return None


def _read_training_arguments(weights: StoredWeights, kind: str) -> dict[str, Any]:
    """Masking and target of a pre-training model, from the arguments of its training script."""
    arguments = weights.training_state.get("args")
    if kind != "pretraining" or not isinstance(arguments, Mapping):
        return {}
    return {ours: arguments[theirs] for theirs, ours in _TRAINING_ARGUMENTS if arguments.get(theirs) is not None}


def _raise_contradictions(
    weights: StoredWeights, sizes: Mapping[str, Any], fields: Mapping[str, Any], origin: str
) -> None:
    wrong = [
        f"{name} {value} (the weights say {sizes[name]})"
        for name, value in fields.items()
        if name in sizes and value != sizes[name]
    ]
    if wrong:
        raise ValueError(
            f"{weights.path} contradicts {origin}: {', '.join(wrong)}. Leave that out, or name another file."
        )


def _count_blocks(shapes: Mapping[str, Shape], start: str, noun: str) -> int:
    """Number of blocks of a stack, as far as their numbers go; one where there is none, whose weights are then missing."""
    pattern = re.compile(rf"{re.escape(start)}(\d{{1,6}})\.")
    blocks = {int(match[1]) for match in map(pattern.match, shapes) if match}
    last = max(blocks, default=0)
    # Unless they go so far that most blocks would be missing.
    if last >= 2 * len(blocks) + 1:
        raise ValueError(f"has {len(blocks)} {noun} blocks with numbers up to {last}: the others are missing.")
    return last + 1


def _get(shapes: Mapping[str, Shape], name: str, num_axes: int) -> Shape:
    shape = shapes[name]
    if len(shape) != num_axes:
        raise ValueError(f"has {name} of shape {shape}; expected {num_axes} axes. It is another model, or damaged.")
    return shape
