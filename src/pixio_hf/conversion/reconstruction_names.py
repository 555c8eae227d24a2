# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Names of MapAnything models with a Pixio encoder: ours beside them, and the several that one tensor has there.

A training file holds a tensor under all of its names, a Hub folder under the alphabetically first, a bare state dict
either way. The encoder's blocks are wrapped for gradient checkpointing, which adds `inner` to their names; both forms are
read. See docs/specification_reconstruction.md 10.
"""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

_DENSE_INPUTS = {"ray_dirs_encoder": "rays", "depth_encoder": "depth"}
_GLOBAL_INPUTS = {
    "depth_scale_encoder": "depth_scale",
    "cam_rot_encoder": "rotation",
    "cam_trans_encoder": "translation",
    "cam_trans_scale_encoder": "translation_scale",
}
# Encoders of what may be known beside the pictures: a model of pictures only never trains them.
GEOMETRIC_PREFIXES = tuple(f"{original}." for original in (*_DENSE_INPUTS, *_GLOBAL_INPUTS))
# A fixed table of zeros and ones that our model computes.
REFERENCE_MARK = "info_sharing.view_pos_table"
# original module -> ours, and the one tensor that belongs to none
RECONSTRUCTION_MODULES = {
    "scale_token": "view_transformer.scale_token",
    "fusion_norm_layer": "fusion_norm",
    "info_sharing.proj_embed": "view_transformer.projection",
    "info_sharing.norm": "view_transformer.norm",
    **{f"dense_head.0.input_process.{level}.0.0": f"dense_head.projections.{level}" for level in range(4)},
    # The third level keeps its size and has no weights.
    **{f"dense_head.0.input_process.{level}.0.1": f"dense_head.resamplers.{level}" for level in (0, 1, 3)},
    **{f"dense_head.0.input_process.{level}.1": f"dense_head.lateral_convs.{level}" for level in range(4)},
    # The original counts levels from 1, and the deepest has no first unit.
    **{
        f"dense_head.0.scratch.refinenet{level + 1}.resConfUnit{unit}.conv{conv}": (
            f"dense_head.fusions.{level}.residual_unit{unit}.conv{conv}"
        )
        for level in range(4)
        for unit in (1, 2)
        for conv in (1, 2)
        if level < 3 or unit == 2
    },
    **{
        f"dense_head.0.scratch.refinenet{level + 1}.out_conv": f"dense_head.fusions.{level}.out_conv"
        for level in range(4)
    },
    "dense_head.1.conv1": "dense_head.output_conv",
    "dense_head.1.conv2.0": "dense_head.predict.0",
    "dense_head.1.conv2.2": "dense_head.predict.2",
    "pose_head.proj": "pose_head.projection",
    **{
        f"pose_head.res_conv.{unit}.res_conv{conv}": f"pose_head.residual_units.{unit}.conv{conv}"
        for unit in (0, 1)
        for conv in (1, 2, 3)
    },
    "pose_head.more_mlps.0": "pose_head.mlp.0",
    "pose_head.more_mlps.2": "pose_head.mlp.2",
    "pose_head.fc_t": "pose_head.translation",
    "pose_head.fc_rot": "pose_head.rotation",
    "scale_head.proj": "scale_head.projection",
    "scale_head.mlp.0.0": "scale_head.mlp.0",
    "scale_head.mlp.1.0": "scale_head.mlp.2",
    "scale_head.output_proj": "scale_head.predict",
    **{
        f"{original}.{module}": f"geometric_inputs.{ours}.{our_module}"
        for original, ours in _DENSE_INPUTS.items()
        for module, our_module in {
            "conv_in": "conv_in",
            **{
                f"encoder.{block}.{layer}": f"blocks.{block}.{layer}"
                for block in (0, 1)
                for layer in ("conv1", "conv2", "shortcut")
            },
            "encoder.2": "projection",
            "norm_layer": "norm",
        }.items()
    },
    **{
        f"{original}.{module}": f"geometric_inputs.{ours}.{our_module}"
        for original, ours in _GLOBAL_INPUTS.items()
        for module, our_module in {
            "encoder.0.0.0.0": "linears.0",
            "encoder.0.0.1": "linears.1",
            "encoder.0.1": "linears.2",
            "encoder.1": "projection",
            "norm_layer": "norm",
        }.items()
    },
}


def is_reconstruction(names: Iterable[str]) -> bool:
    """Whether these are the tensor names of a MapAnything model."""
    return any(name.startswith("info_sharing.") for name in names)


def canonical_name(name: str) -> str:
    """The one name of a tensor by which key_mapping knows it: a Hub folder's, without the `inner` of wrapped blocks.

    `dpt_feature_head.scratch.layer1_rn.weight` -> `dense_head.0.input_process.0.1.weight`.
    """
    name = re.sub(r"^((?:encoder\.)?blocks\.\d+\.)inner\.", r"\1", name)
    name = re.sub(r"^dpt_feature_head\.", "dense_head.0.", name)
    name = re.sub(r"^dpt_regressor_head\.", "dense_head.1.", name)
    name = re.sub(r"^dense_head\.0\.scratch\.layer_rn\.(\d)\.", r"dense_head.0.input_process.\1.1.", name)
    return re.sub(
        r"^dense_head\.0\.scratch\.layer([1-9])_rn\.",
        lambda match: f"dense_head.0.input_process.{int(match[1]) - 1}.1.",
        name,
    )


def training_file_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a training file from one with canonical names: all names of each tensor, and the mark of view 0."""
    weight = state["info_sharing.norm.weight"]
    marked = {**state, REFERENCE_MARK: make_reference_mark(weight.shape[0]).to(weight)}
    return {alias: tensor for name, tensor in marked.items() for alias in all_names(name)}


def all_names(name: str) -> list[str]:
    """All names of one tensor in a training file, from its canonical one."""
    names = [re.sub(r"^(encoder\.blocks\.\d+\.)", r"\1inner.", name)]
    if lateral := re.fullmatch(r"dense_head\.0\.input_process\.(\d)\.1\.(.+)", name):
        level = int(lateral[1])
        names.append(f"dense_head.0.scratch.layer{level + 1}_rn.{lateral[2]}")
        names.append(f"dense_head.0.scratch.layer_rn.{level}.{lateral[2]}")
    for index, alias in ((0, "dpt_feature_head."), (1, "dpt_regressor_head.")):
        prefix = f"dense_head.{index}."
        names += [alias + other.removeprefix(prefix) for other in names if other.startswith(prefix)]
    return names


def make_reference_mark(width: int) -> Tensor:
    """What the original adds to the tokens of view 0: zeros and ones in turn, (1, width)."""
    return torch.arange(width)[None] % 2


def check_reference_mark(table: Tensor) -> None:
    """Refuse a mark of the reference view that is not ours; ValueError with the end of a sentence about the file."""
    expected = make_reference_mark(table.shape[-1]).float()
    if table.shape != expected.shape or not torch.equal(table.float(), expected):
        raise ValueError(
            f"has another {REFERENCE_MARK} than the fixed table of zeros and ones that marks view 0: this model marks its"
            " views otherwise, and PixioForReconstruction could not reproduce it."
        )
