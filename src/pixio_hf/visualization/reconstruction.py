# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Masked images and what a pre-training model makes of them: for one photo, and for a batch during training."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from ..modeling_pixio_pretraining import PixioForPreTraining, PixioForPreTrainingOutput
from ..patches import patchify, unpatchify
from .panels import Panel, Row, draw_page, draw_row

PANEL_WIDTH = 6.5  # inches


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
def picture_reconstruction(
    model: PixioForPreTraining, pixel_values: Tensor, outputs: PixioForPreTrainingOutput
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Originals, what the encoder saw, and reconstructions of (B, 3, H, W) images: (B, H, W, 3) uint8 each."""
    assert outputs.logits is not None
    assert outputs.mask is not None
    mean, std = (pixel_values.new_tensor(v)[:, None, None] for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    originals = (pixel_values.float() * std + mean).clamp(0, 1)
    seen = mask_image(originals, outputs.mask, model.config.patch_size)
    columns = (originals, seen, model.reconstruct(outputs, pixel_values))
    originals, seen, rebuilt = (
        column.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).cpu().numpy() for column in columns
    )
    return originals, seen, rebuilt


def draw_training_images(
    model: PixioForPreTraining,
    pixel_values: Tensor,
    outputs: PixioForPreTrainingOutput,
    step: int,
    num_images: int = 6,
) -> bytes:
    """PNG with the first images of a training batch, a row each: original, what the encoder saw, reconstruction."""
    assert outputs.logits is not None
    assert outputs.mask is not None
    mask = outputs.mask[:num_images]
    shown = PixioForPreTrainingOutput(logits=outputs.logits[:num_images], mask=mask)
    pictures = picture_reconstruction(model, pixel_values[:num_images], shown)
    titles = ("Training image", f"What the model sees: {1 - mask.float().mean():.0%}", "Reconstruction")
    rows = [
        Row([Panel(picture, title if index == 0 else "") for picture, title in zip(row, titles, strict=True)])
        for index, row in enumerate(zip(*pictures, strict=True))
    ]
    small_print = "Visible blocks of a reconstruction are the image's own."
    if model.config.norm_pix_loss:
        small_print += " The mean and contrast of each hidden patch are taken from the image."
    return draw_page(rows, PANEL_WIDTH, f"Step {step}", small_print)


def mask_image(images: Tensor, mask: Tensor, patch_size: int, fill: float = 0.5) -> Tensor:
    """Grey out masked patches: (B, C, H, W), (B, N) 1 = masked -> (B, C, H, W)."""
    patches = patchify(images, patch_size)
    patches = torch.where(mask[:, :, None].bool(), torch.full_like(patches, fill), patches)
    return unpatchify(patches, patch_size, *(side // patch_size for side in images.shape[-2:]))
