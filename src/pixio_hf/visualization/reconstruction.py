# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Masked images and what a pre-training model makes of them: for one photo, and for a batch during training."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..files import write_bytes
from ..modeling_pixio_pretraining import PixioForPreTraining, PixioForPreTrainingOutput
from ..patches import patchify, unpatchify
from .panels import Panel, draw_row


class Reconstruction(NamedTuple):
    """Pictures (H, W, 3) uint8 of one photo, the loss over its hidden pixels, and their share."""

    original: np.ndarray
    masked: np.ndarray
    reconstructed: np.ndarray
    loss: float
    hidden_share: float


def draw_reconstruction(result: Reconstruction) -> bytes:
    """PNG with the original, what the model sees, and its reconstruction."""
    return draw_row(
        [
            Panel(result.original, "Photo"),
            Panel(result.masked, f"What the model sees: {1 - result.hidden_share:.0%}"),
            Panel(result.reconstructed, "Reconstruction"),
        ],
        small_print=f"Loss over hidden pixels {result.loss:.3f}. Visible blocks are the photo's own; the mean and"
        " contrast of each hidden patch are taken from the photo where the model was trained on normalised patches.",
    )


def restore_aspect(result: Reconstruction, height: int, width: int) -> Reconstruction:
    """The square pictures of a photo of (height, width) with its aspect ratio, and about as many pixels as before."""
    side = result.original.shape[0]
    stretch = (width / height) ** 0.5
    size = max(1, round(side * stretch)), max(1, round(side / stretch))
    original, masked, reconstructed = (
        np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        for picture in (result.original, result.masked, result.reconstructed)
    )
    return result._replace(original=original, masked=masked, reconstructed=reconstructed)


@torch.no_grad()
def save_reconstruction_panel(
    model: PixioForPreTraining, pixel_values: Tensor, outputs: PixioForPreTrainingOutput, path: str | Path
) -> None:
    """Write a PNG with one row per image: original, what the encoder saw, reconstruction; (B, 3, H, W) images."""
    count = len(pixel_values)
    assert outputs.logits is not None
    assert outputs.mask is not None
    shown = PixioForPreTrainingOutput(logits=outputs.logits[:count], mask=outputs.mask[:count])
    mean, std = (pixel_values.new_tensor(v)[:, None, None] for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    originals = (pixel_values.float() * std + mean).clamp(0, 1)
    seen = mask_image(originals, outputs.mask[:count], model.config.patch_size)
    rows = torch.cat((originals, seen, model.reconstruct(shown, pixel_values)), dim=3)
    height, width = rows.shape[0] * rows.shape[2], rows.shape[3]
    picture = rows.permute(0, 2, 3, 1).reshape(height, width, 3).mul(255).round().to(torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture.cpu().numpy()).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def mask_image(images: Tensor, mask: Tensor, patch_size: int, fill: float = 0.5) -> Tensor:
    """Grey out masked patches: (B, C, H, W), (B, N) 1 = masked -> (B, C, H, W)."""
    patches = patchify(images, patch_size)
    patches = torch.where(mask[:, :, None].bool(), torch.full_like(patches, fill), patches)
    return unpatchify(patches, patch_size, *(side // patch_size for side in images.shape[-2:]))
