# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What examples/ablation/ablation.py compares: sizes of the models, and the changes from MAE to Pixio, for two settings."""

from typing import Any, NamedTuple

from pixio_hf.synthetic import SceneSet

MAE: dict[str, Any] = {"mask_grid_size": 1, "n_cls_tokens": 1}
BLOCKS = {**MAE, "mask_grid_size": 2}


class Setting(NamedTuple):
    """Sizes of all its models, what each variant changes in them, and the scenes that depth is learned from."""

    sizes: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    scenes: SceneSet


# What the models of both settings share.
SIZES: dict[str, Any] = {
    "decoder_hidden_size": 64,
    "neck_hidden_sizes": [16, 32, 32, 32],
    "fusion_hidden_size": 16,
    "attn_implementation": "eager",  # torch's fused attention is slow to differentiate on a CPU
}


def make_setting(
    sizes: dict[str, Any], scenes: SceneSet, *, shallow: int, deep: int, **more: dict[str, Any]
) -> Setting:
    """The ladder of the paper: each variant differs from the one before by one change.

    "random" is never trained. "mae_equal_flops" is MAE with as many FLOPs as "pixio", in more steps. `more` are further
    variants, with deep decoders.
    """
    mae = {**MAE, "decoder_num_hidden_layers": shallow}
    depth = {"decoder_num_hidden_layers": deep}
    ladder = {
        "random": mae,
        "mae": mae,
        "deep_decoder": {**MAE, **depth},
        "block_masks": {**BLOCKS, **depth},
        "pixio": {**BLOCKS, **depth, "n_cls_tokens": 8},
    }
    others = {name: {**changes, **depth} for name, changes in more.items()}
    return Setting(SIZES | sizes, ladder | others | {"mae_equal_flops": mae}, scenes)


SETTINGS = {
    # Rendered rooms of 64 x 64 pixels in patches of 8: an 8 x 8 grid.
    "rooms": make_setting(
        {
            "image_size": 64,
            "patch_size": 8,
            "hidden_size": 128,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "decoder_num_attention_heads": 2,
        },
        SceneSet("room", 1),
        shallow=1,
        deep=4,
    ),
    # Photographs and rendered scenes of 256 x 256 pixels in patches of 16: the 16 x 16 grid of the paper.
    "photographs": make_setting(
        {
            "image_size": 256,
            "patch_size": 16,
            "hidden_size": 192,
            "num_hidden_layers": 6,
            "num_attention_heads": 3,
            "decoder_num_attention_heads": 1,
        },
        SceneSet("mixed", 2),
        shallow=2,
        deep=8,
        pixio_released={"mask_grid_size": 4, "n_cls_tokens": 8},
    ),
}
