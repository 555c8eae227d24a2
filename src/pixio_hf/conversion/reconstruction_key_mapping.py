# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""State dicts of MapAnything models with a Pixio encoder and ours, bit for bit in both directions.

MapAnything stores some tensors under several names: a training file holds all of them, a Hub folder the alphabetically
first, a bare state dict either. Its encoder blocks are wrapped for gradient checkpointing, which adds `inner` to their
names; both forms are read.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .key_mapping import (
    BLOCK_MODULES,
    FUSED_MODULE,
    SPLIT_MODULES,
    fuse_parts,
    hub_to_reference_state,
    reference_to_hub_state,
    split_fused,
)

# (original module, ours)
_DENSE_MODULES = (
    *((f"dense_head.0.input_process.{level}.0.0", f"dense_head.projections.{level}") for level in range(4)),
    # The third level keeps its size and has no weights.
    *((f"dense_head.0.input_process.{level}.0.1", f"dense_head.resamplers.{level}") for level in (0, 1, 3)),
    *((f"dense_head.0.input_process.{level}.1", f"dense_head.lateral_convs.{level}") for level in range(4)),
    # The original counts levels from 1, and the deepest has no first unit.
    *(
        (
            f"dense_head.0.scratch.refinenet{level + 1}.resConfUnit{unit}.conv{conv}",
            f"dense_head.fusions.{level}.residual_unit{unit}.conv{conv}",
        )
        for level in range(4)
        for unit in (1, 2)
        for conv in (1, 2)
        if level < 3 or unit == 2
    ),
    *(
        (f"dense_head.0.scratch.refinenet{level + 1}.out_conv", f"dense_head.fusions.{level}.out_conv")
        for level in range(4)
    ),
    ("dense_head.1.conv1", "dense_head.output_conv"),
    ("dense_head.1.conv2.0", "dense_head.predict.0"),
    ("dense_head.1.conv2.2", "dense_head.predict.2"),
)
_OTHER_MODULES = (
    ("fusion_norm_layer", "fusion_norm"),
    ("info_sharing.proj_embed", "view_transformer.projection"),
    ("info_sharing.norm", "view_transformer.norm"),
    ("pose_head.proj", "pose_head.projection"),
    *(
        (f"pose_head.res_conv.{unit}.res_conv{conv}", f"pose_head.residual_units.{unit}.conv{conv}")
        for unit in (0, 1)
        for conv in (1, 2, 3)
    ),
    ("pose_head.more_mlps.0", "pose_head.mlp.0"),
    ("pose_head.more_mlps.2", "pose_head.mlp.2"),
    ("pose_head.fc_t", "pose_head.translation"),
    ("pose_head.fc_rot", "pose_head.rotation"),
    ("scale_head.proj", "scale_head.projection"),
    ("scale_head.mlp.0.0", "scale_head.mlp.0"),
    ("scale_head.mlp.1.0", "scale_head.mlp.2"),
    ("scale_head.output_proj", "scale_head.predict"),
)
_DENSE_INPUTS = (("ray_dirs_encoder", "rays"), ("depth_encoder", "depth"))
_GLOBAL_INPUTS = (
    ("depth_scale_encoder", "depth_scale"),
    ("cam_rot_encoder", "rotation"),
    ("cam_trans_encoder", "translation"),
    ("cam_trans_scale_encoder", "translation_scale"),
)
_GEOMETRIC_MODULES = (
    *(
        (f"{original}.{module}", f"geometric_inputs.{ours}.{our_module}")
        for original, ours in _DENSE_INPUTS
        for module, our_module in (
            ("conv_in", "conv_in"),
            *(
                (f"encoder.{block}.{layer}", f"blocks.{block}.{layer}")
                for block in (0, 1)
                for layer in ("conv1", "conv2", "shortcut")
            ),
            ("encoder.2", "projection"),
            ("norm_layer", "norm"),
        )
    ),
    *(
        (f"{original}.{module}", f"geometric_inputs.{ours}.{our_module}")
        for original, ours in _GLOBAL_INPUTS
        for module, our_module in (
            ("encoder.0.0.0.0", "layers.0"),
            ("encoder.0.0.1", "layers.1"),
            ("encoder.0.1", "layers.2"),
            ("encoder.1", "projection"),
            ("norm_layer", "norm"),
        )
    ),
)
GEOMETRIC_PREFIXES = tuple(f"{original}." for original, _ in (*_DENSE_INPUTS, *_GLOBAL_INPUTS))
_SCALE_TOKEN = ("scale_token", "view_transformer.scale_token")
REFERENCE_MARK = "info_sharing.view_pos_table"
_TO_HUB = dict((*_DENSE_MODULES, *_OTHER_MODULES, *_GEOMETRIC_MODULES))
_TO_REFERENCE = {ours: original for original, ours in _TO_HUB.items()}
_BLOCK = re.compile(r"info_sharing\.self_attention_blocks\.(\d+)\.(.+)\.(weight|bias)")
_HUB_BLOCK = re.compile(r"view_transformer\.blocks\.(\d+)\.(.+)\.(weight|bias)")
_BLOCK_TO_HUB = dict(BLOCK_MODULES)
_BLOCK_TO_REFERENCE = {ours: original for original, ours in BLOCK_MODULES}


def is_reconstruction_state(names: Mapping[str, object]) -> bool:
    """Whether these are the tensor names of a MapAnything model."""
    return any(name.startswith("info_sharing.") for name in names)


def reconstruction_to_hub_state(state: Mapping[str, Tensor], *, geometric_inputs: bool = False) -> dict[str, Tensor]:
    """Names and tensors of PixioForReconstruction from those of a MapAnything model, in any of its three forms.

    Without `geometric_inputs` their encoders, which a model of pictures only never trains, are left out. The mark of the
    reference view, a fixed table, is compared with what it must be and left out too.

    Raises:
        ValueError: names of no MapAnything model with a Pixio encoder, several names of one tensor that disagree, or a
            table of another kind.
    """
    encoder: dict[str, Tensor] = {}
    renamed: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in merge_aliases(state).items():
        if name == REFERENCE_MARK:
            _check_reference_mark(tensor)
        elif name.startswith("encoder."):
            encoder[re.sub(r"^encoder\.(blocks\.\d+\.)inner\.", r"\1", name).removeprefix("encoder.")] = tensor
        elif name.startswith(GEOMETRIC_PREFIXES) and not geometric_inputs:
            continue
        elif parts := _rename_to_hub(name, tensor):
            renamed.update(parts)
        else:
            unknown.append(name)
    if unknown or not encoder:
        found = f"it holds {', '.join(sorted(unknown)[:5])}" if unknown else "it has no encoder"
        raise ValueError(f"Not a MapAnything model with a Pixio encoder: {found}.")
    return {**{f"pixio.{name}": tensor for name, tensor in reference_to_hub_state(encoder).items()}, **renamed}


def hub_to_reconstruction_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo reconstruction_to_hub_state: a training file's state dict with all of its names, `inner` included.

    Raises:
        ValueError: a name that is none of PixioForReconstruction's.
    """
    encoder = {name: tensor for name, tensor in state.items() if name.startswith("pixio.")}
    renamed = {
        re.sub(r"^(blocks\.\d+\.)", r"\1inner.", name): tensor
        for name, tensor in hub_to_reference_state(
            {name[len("pixio.") :]: part for name, part in encoder.items()}
        ).items()
    }
    renamed = {f"encoder.{name}": tensor for name, tensor in renamed.items()}
    for name in state.keys() - encoder.keys():
        renamed.update(_rename_to_reference(name, state))
    width = renamed["info_sharing.norm.weight"].shape[0]
    renamed[REFERENCE_MARK] = (torch.arange(width) % 2).to(renamed["info_sharing.norm.weight"])[None]
    return {alias: tensor for name, tensor in renamed.items() for alias in all_names(name)}


def merge_aliases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One name per tensor, the one that a Hub folder keeps.

    Raises:
        ValueError: names of one tensor hold different numbers.
    """
    merged: dict[str, Tensor] = {}
    first_names: dict[str, str] = {}
    for name, tensor in state.items():
        kept = canonical_name(name)
        if kept in merged and not torch.equal(merged[kept], tensor):
            raise ValueError(f"{first_names[kept]} and {name} are one tensor in MapAnything, but differ in this file.")
        merged.setdefault(kept, tensor)
        first_names.setdefault(kept, name)
    return merged


def canonical_name(name: str) -> str:
    """`dpt_feature_head.scratch.layer1_rn.weight` -> `dense_head.0.input_process.0.1.weight`."""
    name = re.sub(r"^dpt_feature_head\.", "dense_head.0.", name)
    name = re.sub(r"^dpt_regressor_head\.", "dense_head.1.", name)
    name = re.sub(r"^dense_head\.0\.scratch\.layer_rn\.(\d)\.", r"dense_head.0.input_process.\1.1.", name)
    return re.sub(
        r"^dense_head\.0\.scratch\.layer(\d)_rn\.",
        lambda match: f"dense_head.0.input_process.{int(match[1]) - 1}.1.",
        name,
    )


def all_names(name: str) -> list[str]:
    """All names of one tensor in a training file, from the one that a Hub folder keeps."""
    names = [name]
    if lateral := re.fullmatch(r"dense_head\.0\.input_process\.(\d)\.1\.(.+)", name):
        level = int(lateral[1])
        names.append(f"dense_head.0.scratch.layer{level + 1}_rn.{lateral[2]}")
        names.append(f"dense_head.0.scratch.layer_rn.{level}.{lateral[2]}")
    for index, alias in ((0, "dpt_feature_head."), (1, "dpt_regressor_head.")):
        prefix = f"dense_head.{index}."
        names += [alias + other.removeprefix(prefix) for other in names if other.startswith(prefix)]
    return names


def _rename_to_hub(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Our names and parts of one tensor beside the encoder; none where it is unknown."""
    if name == _SCALE_TOKEN[0]:
        return {_SCALE_TOKEN[1]: tensor}
    module, _, kind = name.rpartition(".")
    if module in _TO_HUB:
        return {f"{_TO_HUB[module]}.{kind}": tensor}
    block = _BLOCK.fullmatch(name)
    if block is None:
        return {}
    start = f"view_transformer.blocks.{block[1]}"
    if block[2] == FUSED_MODULE:
        parts = zip(SPLIT_MODULES, split_fused(name, tensor), strict=True)
        return {f"{start}.{module}.{block[3]}": part for module, part in parts}
    return {f"{start}.{_BLOCK_TO_HUB[block[2]]}.{block[3]}": tensor} if block[2] in _BLOCK_TO_HUB else {}


def _rename_to_reference(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The original name of one of our tensors beside the encoder; parts of a fused one give the whole."""
    if name == _SCALE_TOKEN[1]:
        return {_SCALE_TOKEN[0]: state[name]}
    module, _, kind = name.rpartition(".")
    if module in _TO_REFERENCE:
        return {f"{_TO_REFERENCE[module]}.{kind}": state[name]}
    block = _HUB_BLOCK.fullmatch(name)
    if block is None or block[2] not in (*_BLOCK_TO_REFERENCE, *SPLIT_MODULES):
        raise ValueError(f"{name!r} is not the name of a weight of PixioForReconstruction.")
    start = f"info_sharing.self_attention_blocks.{block[1]}"
    if block[2] in _BLOCK_TO_REFERENCE:
        return {f"{start}.{_BLOCK_TO_REFERENCE[block[2]]}.{block[3]}": state[name]}
    parts = [f"view_transformer.blocks.{block[1]}.{module}.{block[3]}" for module in SPLIT_MODULES]
    return {f"{start}.{FUSED_MODULE}.{block[3]}": fuse_parts(state, parts)}


def _check_reference_mark(table: Tensor) -> None:
    expected = torch.arange(table.shape[-1]) % 2
    if table.shape[0] != 1 or not torch.equal(table.flatten().float().cpu(), expected.float()):
        raise ValueError(
            f"{REFERENCE_MARK} is not the fixed table of zeros and ones that marks view 0: this model marks its views"
            " otherwise, and PixioForReconstruction could not reproduce it."
        )
