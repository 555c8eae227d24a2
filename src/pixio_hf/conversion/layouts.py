# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which Pixio model a file's tensor names spell, below which prefix, and whether it is complete."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..checkpoint_names import hub_to_memory_name, memory_to_hub_name
from ..safetensors_files import StoredTensor
from .dimensions import DENSE_KINDS, expected_shapes, original_shapes, read_sizes
from .key_mapping import reference_to_hub_state

KINDS = ("encoder", "pretraining", "distilled", *DENSE_KINDS)
_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_COUNTER = "num_batches_tracked"
_BLOCK = re.compile(r"(?:pixio\.|encoder\.)?(blocks|decoder_blocks|encoder\.layer|decoder\.blocks)\.(\d{1,6})\.")
_HEADS = {
    "dpt": re.compile(r"head\.(projects|scratch|projections|fusions)\."),
    "linear": re.compile(r"head\.(0|1|batch_norm|projection)\."),
}
# What tells an encoder in the original's naming inside a larger model.
_ENCODER_NAME = re.compile(
    r"cls_token|pos_embed|(patch_embed\.proj|norm)\.(weight|bias)"
    r"|blocks\.\d+\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.(weight|bias)"
)
_ENCODER_MARKS = ("pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.weight")
_NUM_NAMED = 5
MAX_NAME, MAX_ENCODERS = 500, 50


@dataclass(frozen=True)
class Layout:
    """A recognised model: `names` maps the names of its naming to those in the file; the rest of the file is ignored."""

    naming: str
    kind: str
    head_type: str | None
    prefix: str
    names: Mapping[str, str]
    ignored_keys: tuple[str, ...]


def recognize_layout(stored: Mapping[str, StoredTensor], kind: str = "auto", prefix: str | None = None) -> Layout:
    """Recognise the one complete Pixio model among a file's tensors.

    Raises:
        ValueError: none, several, an incomplete one, one of another kind than asked, or shapes and dtypes that do not
            fit. The message is the end of a sentence that begins with the file's name.
    """
    if len(longest := max(stored, key=len, default="")) > MAX_NAME:
        raise ValueError(f"has a tensor with a name of {len(longest)} characters; no model needs that.")
    if prefix is None:
        prefix = _find_prefix(stored)
    elif prefix and not prefix.endswith("."):
        prefix += "."
    names = {name.removeprefix(prefix): name for name in stored if name.startswith(prefix)}
    if not names:
        raise ValueError(f"has no tensor below the prefix {prefix!r}; it has {_list(_group(stored))}.")
    naming = "hub" if any(re.match(r"(pixio\.)?embeddings\.", name) for name in names) else "original"
    if naming == "hub":
        names = _respell(names)
    found, head_type = _recognize_kind(names, naming)
    _check_names(names, naming, found)
    ignored = tuple(name for name in stored if not name.startswith(prefix))
    _check_dtypes({name: stored[file_name].dtype for name, file_name in names.items()})
    if empty := [name for name, file_name in names.items() if 0 in stored[file_name].shape]:
        raise ValueError(f"has {empty[0]} of shape {stored[names[empty[0]]].shape}: a tensor without values.")
    shapes = {name: stored[file_name].shape for name, file_name in names.items()}
    sizes = read_sizes(original_shapes(shapes, naming), found, head_type)
    for name, shape in _spell_shapes(expected_shapes(sizes, found), naming).items():
        if shapes[name] != shape:
            raise ValueError(
                f"has {name} of shape {shapes[name]}, which does not fit its other weights: expected {shape}. It is "
                "another model, or damaged."
            )
    found = _settle_kind(found, kind, sizes)
    return Layout(naming, found, head_type, prefix, names, ignored)


def _find_prefix(stored: Iterable[str]) -> str:
    """What stands before the names of the model: shared by all tensors, or by the one encoder of a larger model."""
    prefix, names = "", list(stored)
    while len(_get_tops(names)) == 1 and all("." in name for name in names):
        top = names[0].split(".")[0] + "."
        prefix, names = prefix + top, [name.removeprefix(top) for name in names]
    if {"cls_token", "embeddings.cls_token", "pixio.embeddings.cls_token"} & set(names):
        return prefix
    is_dense = _get_tops(names).keys() == {"encoder", "head"} and _find_head(names) is not None
    if is_dense and "encoder.cls_token" in names:
        return prefix
    known = set(names)
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
            f"holds several encoders; say which with --prefix: {_list(prefix + name for name in complete)}."
        )
    if complete:
        return prefix + complete[0]
    if candidates:
        return prefix + candidates[0]
    raise ValueError(f"holds no Pixio encoder: none of its tensors is a cls_token; it has {_list(_group(names))}.")


def _recognize_kind(names: Iterable[str], naming: str) -> tuple[str, str | None]:
    """Kind and head type that names speak for; depth stands for segmentation too, which has the same names."""
    names = list(names)
    tops = _get_tops(names)
    parts = {
        "pretraining": [name for name in names if name.startswith(("decoder_", "decoder.")) or name == "mask_token"],
        "distilled": [name for name in names if name.startswith(("last_proj.", "projection."))],
        "depth": [name for name in names if name.startswith("head.")] if {"encoder", "pixio"} & tops.keys() else [],
    }
    if parts["pretraining"] == ["mask_token"]:  # DINOv2 and iBOT have one in the encoder
        parts["pretraining"] = []
    kinds = [kind for kind, members in parts.items() if members]
    if len(kinds) > 1:
        examples = ", ".join(f"{parts[kind][0]} ({kind})" for kind in kinds)
        raise ValueError(f"holds weights of several kinds of model: {examples}. Save the one that you want alone.")
    if not kinds:
        return "encoder", None
    if kinds != ["depth"]:
        return kinds[0], None
    head_type = _find_head(names)
    if head_type is None:
        raise ValueError(f"has a head that is neither DPT nor linear: {_list(parts['depth'])}.")
    return "depth", head_type


def _settle_kind(found: str, asked: str, sizes: Mapping[str, int]) -> str:
    """The kind that was asked for where the weights allow it; one output channel means depth, more mean classes."""
    if asked not in ("auto", *KINDS):
        raise ValueError(f"cannot be read as {asked!r}: --kind is one of auto, {', '.join(KINDS)}.")
    if found in DENSE_KINDS:
        found = "depth" if sizes["num_labels"] == 1 else "segmentation"
    if asked not in ("auto", found):
        raise ValueError(f"is of kind {found!r}, not {asked!r}. Leave --kind out, or name another file.")
    if asked == "auto" and found != "distilled" and sizes["n_cls_tokens"] == 1:
        raise ValueError(
            "has a single class token, like any plain ViT or MAE; Pixio has 8. If you know that it is a Pixio model, "
            f"say so with --kind {found}."
        )
    return found


def _check_names(names: Iterable[str], naming: str, kind: str) -> None:
    """Nothing is missing, and nothing is there that such a model does not have."""
    present = set(names)
    # Only the names of these shapes count, so any width serves.
    sizes: dict[str, Any] = defaultdict(lambda: 1, neck_hidden_sizes=[1] * 4, head_type=_find_head(present))
    stacks: dict[str, set[int]] = {"encoder": set(), "decoder": set()}
    for match in filter(None, map(_BLOCK.match, present)):
        stacks["decoder" if match[1].startswith("decoder") else "encoder"].add(int(match[2]))
    for stack, blocks in stacks.items():
        # As far as the numbers go, unless they go so far that most blocks would be missing.
        last = max(blocks, default=0)
        if last >= 2 * len(blocks) + 1:
            raise ValueError(f"has {len(blocks)} {stack} blocks with numbers up to {last}: the others are missing.")
        sizes["num_hidden_layers" if stack == "encoder" else "decoder_num_hidden_layers"] = last + 1
    expected = set(_spell_shapes(expected_shapes(sizes, kind), naming))
    unknown, missing = sorted(present - expected), sorted(expected - present)
    noun = "dense" if kind in DENSE_KINDS else kind
    if unknown:
        also = f", and lacks {len(missing)} that it has ({missing[0]})" if missing else ""
        raise ValueError(
            f"has {len(unknown)} names that no Pixio {noun} model has: {_list(unknown)}{also}. It is another model, or "
            "part of a larger one: then name what stands before its encoder's names with --prefix."
        )
    if missing:
        raise ValueError(
            f"lacks {len(missing)} of the {len(expected)} weights of a Pixio {noun} model: {_list(missing)}. It is "
            "incomplete; download or save it again."
        )


def _check_dtypes(dtypes: Mapping[str, torch.dtype]) -> None:
    first = next(name for name in dtypes if not name.endswith(_COUNTER))
    for name, dtype in dtypes.items():
        if name.endswith(_COUNTER):
            if dtype != torch.int64:
                raise ValueError(f"has {name} as {dtype}; expected torch.int64.")
        elif dtype not in _FLOATS:
            raise ValueError(f"has {name} as {dtype}, which is no plain floating-point type. Convert it to one first.")
        elif dtype != dtypes[first]:
            raise ValueError(
                f"mixes types: {first} is {dtypes[first]}, {name} is {dtype}. Convert all to one of them first."
            )


def _respell(names: Mapping[str, str]) -> dict[str, str]:
    """Official Hub names for any accepted spelling."""
    official: dict[str, str] = {}
    for name, file_name in names.items():
        respelled = memory_to_hub_name(hub_to_memory_name(name))
        if respelled in official:
            raise ValueError(f"has {respelled} twice, as {official[respelled]} and as {file_name}.")
        official[respelled] = file_name
    return official


def _spell_shapes(shapes: Mapping[str, tuple[int, ...]], naming: str) -> dict[str, tuple[int, ...]]:
    """Shapes by the original's names as shapes by the names of `naming`."""
    if naming == "original":
        return dict(shapes)
    meta = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return {name: tuple(tensor.shape) for name, tensor in reference_to_hub_state(meta).items()}


def _find_head(names: Iterable[str]) -> str | None:
    names = list(names)
    return next((head for head, pattern in _HEADS.items() if any(map(pattern.match, names))), None)


def _get_tops(names: Iterable[str]) -> dict[str, None]:
    """First parts of names, in order."""
    return dict.fromkeys(name.split(".")[0] for name in names)


def _group(names: Iterable[str]) -> list[str]:
    return [f"{top}.*" if any(name.startswith(f"{top}.") for name in names) else top for top in _get_tops(names)]


def _list(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + more
