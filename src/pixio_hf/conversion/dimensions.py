# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Sizes of a Pixio model from the shapes of its weights, and the shapes that a model of such sizes has."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from .head_key_mapping import DPT_HEAD_RENAMES
from .key_mapping import hub_to_reference_state

Shape = tuple[int, ...]
DENSE_KINDS = ("depth", "segmentation")
_DPT_KERNELS = {"resize_layers.0": 4, "resize_layers.1": 2, "resize_layers.3": 3, "out_conv": 1, "output_conv.2": 1}


def original_shapes(shapes: Mapping[str, Shape], naming: str) -> dict[str, Shape]:
    """Shapes under the original's names (SPEC 1.5); query, key and value of the Hub's naming count as one matrix.

    Raises:
        ValueError: a query, key and value that do not fit each other.
    """
    if naming == "original":
        return dict(shapes)
    meta = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    try:
        return {name: tuple(tensor.shape) for name, tensor in hub_to_reference_state(meta).items()}
    except RuntimeError as error:
        raise ValueError(f"has a query, key and value of different widths ({error}).") from error


def read_sizes(shapes: Mapping[str, Shape], kind: str, head_type: str | None) -> dict[str, Any]:
    """Fields of PixioConfig that follow from the shapes of a complete model in the original's naming.

    Raises:
        ValueError: shapes that no Pixio model has. The message is the end of a sentence about the file.
    """
    trunk = "encoder." if kind in DENSE_KINDS else ""
    _, num_class_tokens, width = _get(shapes, f"{trunk}cls_token", 3)
    _, num_positions, _ = _get(shapes, f"{trunk}pos_embed", 3)
    _, num_channels, patch_size, _ = _get(shapes, f"{trunk}patch_embed.proj.weight", 4)
    grid_size = math.isqrt(max(num_positions - num_class_tokens, 0))
    if grid_size < 1 or grid_size**2 != num_positions - num_class_tokens:
        raise ValueError(
            f"has {num_positions} positions for {num_class_tokens} class tokens; what remains is no square grid of "
            "patches. It is another vision transformer, or damaged."
        )
    mlp_size, _ = _get(shapes, f"{trunk}blocks.0.mlp.fc1.weight", 2)
    if mlp_size % width:
        raise ValueError(f"has an MLP of {mlp_size} channels in a model of width {width}; expected a multiple.")
    sizes: dict[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": _count_blocks(shapes, f"{trunk}blocks."),
        "n_cls_tokens": num_class_tokens,
        "image_size": grid_size * patch_size,
        "patch_size": patch_size,
        "num_channels": num_channels,
        "mlp_ratio": mlp_size // width,
    }
    if kind == "pretraining":
        sizes["decoder_hidden_size"] = _get(shapes, "decoder_embed.weight", 2)[0]
        sizes["decoder_num_hidden_layers"] = _count_blocks(shapes, "decoder_blocks.")
    elif kind == "distilled":
        sizes["projection_size"] = _get(shapes, "last_proj.0.weight", 2)[0]
    elif head_type == "dpt":
        sizes["neck_hidden_sizes"] = [_get(shapes, f"head.projects.{level}.weight", 4)[0] for level in range(4)]
        sizes["fusion_hidden_size"] = _get(shapes, "head.scratch.layer1_rn.weight", 4)[0]
    if head_type is not None:
        sizes["head_type"] = head_type
        sizes["num_labels"] = _get(
            shapes, "head.scratch.output_conv.2.bias" if head_type == "dpt" else "head.1.bias", 1
        )[0]
    return sizes


def expected_shapes(sizes: Mapping[str, Any], kind: str) -> dict[str, Shape]:
    """The shape of every weight of a model, by its original name (SPEC 1.1, 1.5, 2.3, 4.1, 5.2, 5.3)."""
    width, num_class_tokens, patch_size = sizes["hidden_size"], sizes["n_cls_tokens"], sizes["patch_size"]
    num_positions = num_class_tokens + (sizes["image_size"] // patch_size) ** 2
    trunk: dict[str, Shape] = {
        "cls_token": (1, num_class_tokens, width),
        "pos_embed": (1, num_positions, width),
        "patch_embed.proj.weight": (width, sizes["num_channels"], patch_size, patch_size),
        "patch_embed.proj.bias": (width,),
        **_block_shapes("blocks", sizes["num_hidden_layers"], width, sizes["mlp_ratio"]),
        **_norm("norm", width),
    }
    if kind == "pretraining":
        decoder_width = sizes["decoder_hidden_size"]
        return {
            **trunk,
            "mask_token": (1, 1, decoder_width),
            "decoder_pos_embed": (1, num_positions, decoder_width),
            **_linear("decoder_embed", width, decoder_width),
            **_block_shapes("decoder_blocks", sizes["decoder_num_hidden_layers"], decoder_width, sizes["mlp_ratio"]),
            **_norm("decoder_norm", decoder_width),
            **_linear("decoder_pred", decoder_width, patch_size**2 * sizes["num_channels"]),
        }
    if kind == "distilled":
        target = sizes["projection_size"]
        projection = {**_linear("last_proj.0", width, target), **_norm("last_proj.1", target)}
        return {**trunk, **projection, **_linear("last_proj.3", target, target)}
    if kind in DENSE_KINDS:
        head = _dpt_shapes(sizes) if sizes["head_type"] == "dpt" else _linear_head_shapes(sizes)
        return {**{f"encoder.{name}": shape for name, shape in trunk.items()}, **head}
    return trunk


def _dpt_shapes(sizes: Mapping[str, Any]) -> dict[str, Shape]:
    necks, fused = sizes["neck_hidden_sizes"], sizes["fusion_hidden_size"]
    shapes: dict[str, Shape] = {}
    for module, _ in DPT_HEAD_RENAMES:
        name = module.removeprefix("head.").removeprefix("scratch.")
        kernel = next((size for end, size in _DPT_KERNELS.items() if name.endswith(end)), 3)
        inputs = outputs = fused
        if name.startswith("projects."):
            inputs, outputs, kernel = 2 * sizes["hidden_size"], necks[int(name[-1])], 1
        elif name.startswith("resize_layers."):
            inputs = outputs = necks[int(name[-1])]
        elif name.endswith("_rn"):
            inputs = necks[int(name.removeprefix("layer")[0]) - 1]
        elif name == "output_conv.2":
            outputs = sizes["num_labels"]
        shapes[f"{module}.weight"] = (outputs, inputs, kernel, kernel)
        if not name.endswith("_rn"):
            shapes[f"{module}.bias"] = (outputs,)
    return shapes


def _linear_head_shapes(sizes: Mapping[str, Any]) -> dict[str, Shape]:
    channels, num_labels = 2 * sizes["hidden_size"], sizes["num_labels"]
    return {
        **_norm("head.0", channels),
        "head.0.running_mean": (channels,),
        "head.0.running_var": (channels,),
        "head.0.num_batches_tracked": (),
        "head.1.weight": (num_labels, channels, 1, 1),
        "head.1.bias": (num_labels,),
    }


def _block_shapes(stack: str, num_blocks: int, width: int, mlp_ratio: int) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for block in range(num_blocks):
        start = f"{stack}.{block}"
        shapes |= {
            **_norm(f"{start}.norm1", width),
            **_linear(f"{start}.attn.qkv", width, 3 * width),
            **_linear(f"{start}.attn.proj", width, width),
            **_norm(f"{start}.norm2", width),
            **_linear(f"{start}.mlp.fc1", width, mlp_ratio * width),
            **_linear(f"{start}.mlp.fc2", mlp_ratio * width, width),
        }
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Shape]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, Shape]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _count_blocks(shapes: Mapping[str, Shape], start: str) -> int:
    return len({name.removeprefix(start).split(".")[0] for name in shapes if name.startswith(start)})


def _get(shapes: Mapping[str, Shape], name: str, num_axes: int) -> Shape:
    shape = shapes[name]
    if len(shape) != num_axes:
        raise ValueError(f"has {name} of shape {shape}; expected {num_axes} axes. It is another model, or damaged.")
    return shape
