# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The numbers that curation chooses images by: size, colour-histogram entropy and reconstruction loss.

The original does not say how it computed them (docs/specification.md 3.5). These definitions are ours; a change of one
needs another DEFINITION, so that statistics of both are never mixed.
"""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from ...losses import masked_pixel_loss
from ...masking import num_mask_blocks
from ...modeling_pixio_pretraining import PixioForPreTraining
from ...photos import read_photo
from ...read_limits import check_num_pixels, open_encoded
from ..streaming.decoding import normalize_crops
from ..streaming.random_crop import resize_crop

DEFINITION = 1
_LARGE = 2**24  # pixels
_one_large_photo = threading.Lock()


class PhotoMeasures(NamedTuple):
    """Sides in pixels, upright; entropy in bits; the whole photo as (3, S, S) uint8 where one was asked for."""

    width: int
    height: int
    histogram_score: float
    image: Tensor | None


def measure_photo(image: bytes | PIL.Image.Image, image_size: int | None = None) -> PhotoMeasures:
    """Decode a photo and measure it; `image_size` asks for the whole photo, resized to a square.

    Large photos are measured one at a time, whatever the number of threads.

    Raises:
        ValueError: the photo is damaged, has more pixels than MAX_IMAGE_PIXELS, or holds floats.
    """
    opened = open_encoded(image) if isinstance(image, bytes) else image
    check_num_pixels(*opened.size)
    with _one_large_photo if opened.width * opened.height > _LARGE else nullcontext():
        photo = read_photo(opened)
        del opened
        if photo.dtype != np.uint8:
            raise ValueError("the photo holds floats; curation takes photos of integers.")
        score = histogram_entropy(photo)
        resized = None if image_size is None else resize_crop(torch.from_numpy(photo.copy()), image_size)
        return PhotoMeasures(photo.shape[2], photo.shape[1], score, resized)


def histogram_entropy(photo: np.ndarray) -> float:
    """Shannon entropy of the 256-bin histogram of a channel in bits, mean over the channels: (3, H, W) uint8 -> 0..8.

    Photographs have 7 to 7.7, a page of text 1 to 2: the paper's threshold of 4.5 (docs/specification.md 3.5) lies
    between. The entropy of the joint histogram of three channels would be 10 to 15 for photographs, so that 4.5 would
    drop next to nothing.
    """
    # PIL counts ten times faster than numpy.bincount, which widens every pixel to 64 bits.
    counts = PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(photo, 0, -1))).histogram()
    shares = np.asarray(counts, dtype=np.float64).reshape(3, 256) / (photo.shape[1] * photo.shape[2])
    bits = -shares * np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return float(bits.sum(axis=1).mean())


@torch.inference_mode()
def reconstruction_losses(model: PixioForPreTraining, images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Loss of a pre-training model for each image by itself, (B, 3, S, S) uint8 -> (B,) float32.

    The visible blocks come from the image's own seed, so the loss does not depend on other images. Pixels are
    normalised per patch where the model was trained so (docs/specification.md 2.5).
    """
    grid = images.shape[-1] // model.config.patch_size
    num_blocks = num_mask_blocks(grid, grid, model.config.mask_grid_size)
    noise = torch.stack([torch.rand(num_blocks, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    pixel_values = normalize_crops(images.to(model.device))
    outputs = model(pixel_values, noise=noise.to(model.device))
    target = model.target_patches(pixel_values)
    rows = zip(outputs.logits.split(1), target.split(1), outputs.mask.split(1), strict=True)
    return torch.stack([masked_pixel_loss(*row) for row in rows])
