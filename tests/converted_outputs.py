# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Outputs of a converted folder beside those of reference_forward on the original weights: a wrong name shows."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel

from pixio_hf import PixioConfig
from pixio_hf.conversion.verification import DENSE_KINDS, MODEL_CLASSES
from pixio_hf.quiet_loading import quiet_loading
from tests import reference_forward

# Largest difference of two float32 forwards, as a share of the largest output; rounding in 32 blocks stays below 1e-5.
TOLERANCE = 2e-4


def assert_same_outputs(folder: Path, kind: str, state: Mapping[str, Tensor]) -> None:
    """Open a folder through AutoModel, and its own class where it is more than an encoder; compare on one random image.

    `state` are the weights under the original's names, in float32.
    """
    config = PixioConfig.from_pretrained(folder)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, config.num_channels, config.image_size, config.image_size, generator=generator)
    noise = torch.rand(1, config.patch_grid_size**2, generator=generator)
    with torch.inference_mode(), quiet_loading():
        prefix = "encoder." if kind in DENSE_KINDS else ""
        tokens = reference_forward.encode(state, image, config.num_attention_heads, prefix=prefix)[-1]
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        _assert_close(model(image).last_hidden_state, torch.cat((tokens.cls_norm, tokens.patch_norm), dim=1))
        if kind != "encoder":
            run, run_reference = _task_outputs(kind, config, state, image, noise)
            model = MODEL_CLASSES[kind].from_pretrained(folder, dtype=torch.float32).eval()
            _assert_close(run(model), run_reference())


def _task_outputs(
    kind: str, config: PixioConfig, state: Mapping[str, Tensor], image: Tensor, noise: Tensor
) -> tuple[Callable[[Any], Tensor], Callable[[], Tensor]]:
    """How our model computes the output of a task, and how the reference does."""
    heads = config.num_attention_heads
    if kind == "pretraining":
        # Half the patches, one by one: fits every size, whatever the configuration says about masks.
        mask_grid, ratio, decoder_heads = 1, 0.5, config.decoder_num_attention_heads

        def predict_patches(model: Any) -> Tensor:
            model.config.mask_grid_size, model.config.mask_ratio = mask_grid, ratio
            return model(image, noise=noise).logits

        return predict_patches, lambda: reference_forward.predict_patches(
            state, image, heads, decoder_heads, noise, mask_grid, ratio
        )
    if kind == "distilled":
        return (
            lambda model: model(image).projected_hidden_states,
            lambda: reference_forward.project_tokens(state, image, heads),
        )
    # Before the sigmoid, which would hide differences where it saturates.
    return (
        lambda model: model.predict_logits(image)[0],
        lambda: reference_forward.predict_dense_logits(state, image, heads),
    )


def _assert_close(actual: Tensor, expected: Tensor) -> None:
    assert actual.isfinite().all()
    difference, largest = (actual - expected).abs().max().item(), expected.abs().max().item()
    assert difference <= TOLERANCE * max(largest, 1.0), f"outputs differ by {difference:.3g} of {largest:.3g}"
