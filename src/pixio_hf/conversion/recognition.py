# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which Pixio model a file's tensors are: below which prefix, in whose names, of which kind, and whether it is complete."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..checkpoint_names import hub_to_memory_name, memory_to_hub_name
from ..configuration_pixio import PixioConfig
from ..safetensors_files import StoredTensor
from .configuration import choose_config, raise_unknown, read_sizes
from .key_mapping import reference_to_hub_state
from .reading import StoredWeights, with_printable_errors
from .reconstruction_names import GEOMETRIC_PREFIXES, REFERENCE_MARK, canonical_name, check_reference_mark
from .verification import DENSE_KINDS, MODEL_CLASSES, check_model, list_names, same_bits

KINDS = tuple(MODEL_CLASSES)
MAX_NAME, MAX_ENCODERS = 500, 50

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_COUNTER = "num_batches_tracked"
_HEADS = {
    "dpt": re.compile(r"head\.(projects|scratch|projections|fusions)\."),
    "linear": re.compile(r"head\.(0|1|batch_norm|projection)\."),
}
# Names that show an encoder in the original's naming inside a larger model.
_ENCODER_NAME = re.compile(
    r"cls_token|pos_embed|(patch_embed\.proj|norm)\.(weight|bias)"
    r"|blocks\.\d+\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.(weight|bias)"
)
_ENCODER_MARKS = ("pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.weight")


@dataclass(frozen=True)
class RecognizedModel:
    """A complete Pixio model among a file's tensors, checked by names, shapes and types.

    Attributes:
        kind: one of KINDS.
        naming: "original" (docs/specification.md 1.5) or "hub" (the official Hub naming; other spellings become it).
        prefix: what stood before every name, such as "module." or, in a larger model's file, "encoder.model.".
        names: of `naming` without `prefix` -> names in the file; several only where MapAnything has several for a tensor.
        ignored_keys: tensors of the file that are no part of the model.
        config: of the model.
        num_parameters: of the model.
    """

    kind: str
    naming: str
    prefix: str
    names: Mapping[str, tuple[str, ...]]
    ignored_keys: tuple[str, ...]
    config: PixioConfig
    num_parameters: int

    @with_printable_errors
    def load(self, weights: StoredWeights) -> dict[str, Tensor]:
        """The model's tensors under official Hub names, as views of the mapped file.

        Raises:
            ValueError: the file is damaged, or several names of one tensor disagree.
        """
        loaded = weights.load()
        tensors: dict[str, Tensor] = {}
        try:
            for name, (first, *others) in self.names.items():
                tensors[name] = loaded[first]
                if different := [other for other in others if not same_bits(loaded[first], loaded[other])]:
                    raise ValueError(f"differs in {first} and {different[0]}, which are one tensor in MapAnything.")
            if REFERENCE_MARK in tensors:
                check_reference_mark(tensors.pop(REFERENCE_MARK))
        except ValueError as error:
            raise ValueError(f"{weights.path} {error}") from error
        return reference_to_hub_state(tensors) if self.naming == "original" else tensors


@with_printable_errors
def recognize_model(
    weights: StoredWeights,
    *,
    kind: str = "auto",
    prefix: str | None = None,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    config: PixioConfig | None = None,
) -> RecognizedModel:
    """Recognise the one complete Pixio model among a file's tensors, and its configuration.

    Args:
        kind: checked against what the file holds; "encoder" also takes the encoder out of a reconstruction model.
        prefix: what stands before the encoder's names where a file holds several models.
        preset, overrides: as for choose_config.
        config: the model's own configuration, where it is known; else it is chosen.

    Raises:
        ValueError: no model, several, an incomplete one, one of another kind than asked, shapes and types that do not
            fit, or whatever choose_config refuses.
    """
    overrides = dict(overrides or {})
    try:
        if kind not in ("auto", *KINDS):
            raise ValueError(f"cannot be read as {kind!r}: --kind is one of auto, {', '.join(KINDS)}.")
        prefix = _complete_prefix(weights.stored, prefix, kind)
        naming, names = _spell_names(weights.stored, prefix)
        found, head_type = _recognize_kind(names, naming)
        if found == "reconstruction" and naming == "original" and not overrides.get("use_geometric_inputs"):
            names = {name: files for name, files in names.items() if not name.startswith(GEOMETRIC_PREFIXES)}
        stored = {name: weights.stored[files[0]] for name, files in names.items() if name != REFERENCE_MARK}
        if empty := [name for name, tensor in stored.items() if 0 in tensor.shape]:
            raise ValueError(f"has {empty[0]} of shape {stored[empty[0]].shape}: a tensor without values.")
        sizes = read_sizes({name: tensor.shape for name, tensor in stored.items()}, naming, found, head_type)
    except ValueError as error:
        raise ValueError(f"{weights.path} {error}") from error
    if found in DENSE_KINDS:
        # One output channel means depth, more mean classes.
        found = "depth" if sizes.get("num_labels", 1) == 1 else "segmentation"
    unknown: list[str] = []
    if config is None:
        config, unknown = choose_config(weights, found, sizes, preset, overrides)
    try:
        num_parameters = check_model(found, config, stored, naming)
        _check_types(stored)
        _check_kind(found, kind, config)
    except ValueError as error:
        raise ValueError(f"{weights.path} {error}") from error
    raise_unknown(weights, config, unknown)
    used = {file for files in names.values() for file in files}
    ignored = tuple(name for name in weights.stored if name not in used) + weights.stray_tensors
    return RecognizedModel(found, naming, prefix, names, ignored, config, num_parameters)


def _complete_prefix(stored: Iterable[str], prefix: str | None, kind: str) -> str:
    """The prefix that was asked for, or what stands before the names of the model."""
    if len(longest := max(stored, key=len, default="")) > MAX_NAME:
        raise ValueError(f"has a tensor with a name of {len(longest)} characters; no model needs that.")
    if prefix is None:
        return _find_prefix(stored, kind)
    if prefix and not prefix.endswith("."):
        prefix += "."
    if not any(name.startswith(prefix) for name in stored):
        raise ValueError(f"has no tensor below the prefix {prefix!r}; it has {list_names(_group(stored))}.")
    return prefix


def _find_prefix(stored: Iterable[str], kind: str) -> str:
    """What is shared by all tensors, or stands before those of the one encoder of a larger model."""
    prefix, names = "", list(stored)
    while len(_get_tops(names)) == 1 and all("." in name for name in names):
        top = names[0].split(".")[0] + "."
        prefix, names = prefix + top, [name.removeprefix(top) for name in names]
    known = set(names)
    if {"cls_token", "embeddings.cls_token", "pixio.embeddings.cls_token"} & known:
        return prefix
    is_dense = _get_tops(names).keys() == {"encoder", "head"} and _find_head(names) is not None
    is_reconstruction = "info_sharing.norm.weight" in known and kind != "encoder"
    if (is_dense or is_reconstruction) and "encoder.cls_token" in known:
        return prefix
    candidates = [name.removesuffix("cls_token") for name in names if name.endswith(".cls_token")]
    marked = [start for start in candidates if all(f"{start}{mark}" in known for mark in _ENCODER_MARKS)]
    complete = [
        start
        for start in marked
        if len(marked) > MAX_ENCODERS  # hostile: looking into each would take forever
        or all(_ENCODER_NAME.fullmatch(name.removeprefix(start)) for name in names if name.startswith(start))
    ]
    if len(complete) > 1:
        raise ValueError(
            f"holds several encoders; say which with --prefix: {list_names(prefix + name for name in complete)}."
        )
    if candidates:
        return prefix + (complete or candidates)[0]
    raise ValueError(
        f"holds no Pixio encoder: none of its tensors is a cls_token; it has {list_names(_group(names))}."
    )


def _spell_names(stored: Iterable[str], prefix: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Whose names stand below a prefix, and for each the names in the file.

    The Hub's spellings all become the official one.
    """
    below = {name.removeprefix(prefix): name for name in stored if name.startswith(prefix)}
    spelled: defaultdict[str, list[str]] = defaultdict(list)
    if not any(re.match(r"(pixio\.)?embeddings\.", name) for name in below):
        for name, file_name in below.items():
            spelled[canonical_name(name)].append(file_name)
        return "original", {name: tuple(files) for name, files in spelled.items()}
    for name, file_name in below.items():
        official = memory_to_hub_name(hub_to_memory_name(name))
        if official in spelled:
            raise ValueError(f"has {official} twice, as {spelled[official][0]} and as {file_name}.")
        spelled[official].append(file_name)
    return "hub", {name: tuple(files) for name, files in spelled.items()}


def _recognize_kind(names: Iterable[str], naming: str) -> tuple[str, str | None]:
    """Kind and head type that fit the names; depth also means segmentation here, which has the same names."""
    names = list(names)
    below = {"original": "encoder", "hub": "pixio"}[naming]
    parts = {
        "pretraining": [name for name in names if name.startswith(("decoder_", "decoder.")) or name == "mask_token"],
        "distilled": [name for name in names if name.startswith(("last_proj.", "projection."))],
        "depth": [name for name in names if name.startswith("head.")] if below in _get_tops(names) else [],
        "reconstruction": [name for name in names if name.startswith(("info_sharing.", "view_transformer."))],
    }
    if parts["pretraining"] == ["mask_token"]:  # DINOv2 and iBOT have one in the encoder
        parts["pretraining"] = []
    kinds = [kind for kind, members in parts.items() if members]
    if len(kinds) > 1:
        examples = ", ".join(f"{parts[kind][0]} ({kind})" for kind in kinds)
        raise ValueError(f"holds weights of several kinds of model: {examples}. Save the one that you want alone.")
    if kinds != ["depth"]:
        return (kinds or ["encoder"])[0], None
    head_type = _find_head(names)
    if head_type is None:
        raise ValueError(f"has a head that is neither DPT nor linear: {list_names(parts['depth'])}.")
    return "depth", head_type


def _check_types(stored: Mapping[str, StoredTensor]) -> None:
    """All weights are of one plain floating-point type."""
    first = next(name for name in stored if not name.endswith(_COUNTER))
    for name, tensor in stored.items():
        if name.endswith(_COUNTER):
            if tensor.dtype != torch.int64:
                raise ValueError(f"has {name} as {tensor.dtype}; expected torch.int64.")
        elif tensor.dtype not in _FLOATS:
            raise ValueError(
                f"has {name} as {tensor.dtype}, which is no plain floating-point type. Convert it to one first."
            )
        elif tensor.dtype != stored[first].dtype:
            raise ValueError(
                f"mixes types: {first} is {stored[first].dtype}, {name} is {tensor.dtype}. Convert all to one of them"
                " first."
            )


def _check_kind(found: str, asked: str, config: PixioConfig) -> None:
    """The kind is the one that was asked for, and only who says so gets a model that looks like any ViT."""
    if asked not in ("auto", found):
        raise ValueError(f"is of kind {found!r}, not {asked!r}. Leave --kind out, or name another file.")
    if asked == "auto" and found != "distilled" and config.n_cls_tokens == 1:
        raise ValueError(
            "has a single class token, like any plain ViT or MAE; Pixio has 8. If you know that it is a Pixio model, "
            f"say so with --kind {found}."
        )


def _find_head(names: Iterable[str]) -> str | None:
    names = list(names)
    return next((head for head, pattern in _HEADS.items() if any(map(pattern.match, names))), None)


def _get_tops(names: Iterable[str]) -> dict[str, None]:
    """First parts of names, in order."""
    return dict.fromkeys(name.split(".")[0] for name in names)


def _group(names: Iterable[str]) -> list[str]:
    return [f"{top}.*" if any(name.startswith(f"{top}.") for name in names) else top for top in _get_tops(names)]
