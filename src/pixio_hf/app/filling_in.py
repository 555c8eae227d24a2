# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the tab "Reconstruction" answers: blocks of a photo hidden, and what a model makes of the rest."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..masking import num_mask_blocks, random_block_mask
from ..visualization.reconstruction import Reconstruction
from .photo_uploads import read_upload
from .settings import LoadedModel
from .shelf import ModelShelf

HIDDEN_GREY, LINE_GREY = 178, 140
SHOWN_SIDE = 512
"""Longest side in pixels of the pictures, which are small at a model's native size."""


@dataclass(frozen=True, eq=False)
class MaskedPhoto:
    """A photo as a model sees it and which of its blocks are hidden.

    Args:
        pixel_values: normalised (1, 3, S, S).
        hidden: (n, n) bool, a block each.
        block: side of a block in patches.
        model_name: as it was chosen, since the mask can be changed later.
    """

    pixel_values: Tensor
    hidden: np.ndarray
    block: int
    model_name: str | None


def block_sizes(grid: int) -> list[int]:
    """Sides of a block, in patches, that tile a grid of so many patches and leave at least two blocks a side."""
    return [side for side in range(1, grid // 2 + 1) if grid % side == 0]


def mask_photo(
    shelf: ModelShelf, path: str, model_name: str | None, ratio: float, block: int, seed: int
) -> MaskedPhoto:
    """Hide a share of an uploaded photo's blocks at random; the photo is resized to the model's native square.

    Raises:
        ValueError: a photo or model that cannot be read, or blocks that do not tile the model's patches.
    """
    upload = read_upload(path)
    loaded = shelf.get("reconstruction", model_name)
    config = loaded.model.config
    side = config.image_size
    fitted = nearest_block(side // config.patch_size, block)
    pixel_values = loaded.processor(
        upload.pixels,
        input_data_format="channels_first",
        return_tensors="pt",
        size={"height": side, "width": side},
        keep_aspect_ratio=False,
    )["pixel_values"]
    return MaskedPhoto(pixel_values, draw_blocks(side // config.patch_size, fitted, ratio, seed), fitted, model_name)


def nearest_block(grid: int, block: int) -> int:
    """The side of a block that tiles a grid of patches and is nearest to the one that was asked for."""
    return min(block_sizes(grid) or [1], key=lambda side: abs(side - block))


def draw_blocks(grid: int, block: int, ratio: float, seed: int) -> np.ndarray:
    """Which blocks are hidden, (n, n) bool: random, the same for the same seed, at least one left to see.

    The blocks are those that `pixio-hf reconstruct` hides with the same seed, share and block size.
    """
    num_blocks = num_mask_blocks(grid, grid, block)
    ratio = min(ratio, 1 - 1 / num_blocks)
    noise = torch.rand(1, num_blocks, generator=torch.Generator().manual_seed(int(seed)))
    mask = random_block_mask(noise, grid, grid, block, ratio).mask
    return mask.reshape(grid, grid)[::block, ::block].bool().numpy()


def toggle_block(masked: MaskedPhoto, x: float, y: float) -> MaskedPhoto:
    """The same with the block at a point of the shown picture hidden if it was visible, and the other way round.

    Raises:
        ValueError: the last visible block.
    """
    count = len(masked.hidden)
    row, column = (min(max(int(place * count / shown_side(masked)), 0), count - 1) for place in (y, x))
    hidden = masked.hidden.copy()
    hidden[row, column] = not hidden[row, column]
    if hidden.all():
        raise ValueError("This is the last block to see; the model needs at least one. Show another one first.")
    return replace(masked, hidden=hidden)


def shown_side(masked: MaskedPhoto) -> int:
    """Side in pixels of the pictures: the model's, times a whole number."""
    side = masked.pixel_values.shape[-1]
    return side * max(1, math.ceil(SHOWN_SIDE / side))


def fill_in(shelf: ModelShelf, masked: MaskedPhoto) -> Reconstruction:
    """Predict the hidden blocks. With nothing hidden the photo comes back as it is, with a loss of 0.

    Raises:
        ValueError: a prediction that is not finite.
    """
    loaded = shelf.get("reconstruction", masked.model_name)
    config = loaded.model.config
    patches = np.repeat(np.repeat(masked.hidden, masked.block, axis=0), masked.block, axis=1)
    pixel_values = masked.pixel_values.to(loaded.device)
    mean, std = (pixel_values.new_tensor(values)[:, None, None] for values in _statistics(loaded))
    original = _to_picture((pixel_values * std + mean).clamp(0, 1))
    filled, loss = original, 0.0
    if patches.any():
        with torch.inference_mode():
            mask = torch.from_numpy(patches).flatten()[None].to(loaded.device)
            outputs = loaded.model(pixel_values, bool_masked_pos=mask)
            if not outputs.logits.isfinite().all():
                raise ValueError("The model's answer is not finite; check the model.")
            filled = _to_picture(loaded.model.reconstruct(outputs, pixel_values, *_statistics(loaded)))
            loss = float(outputs.loss)
    pixels = np.repeat(np.repeat(patches, config.patch_size, axis=0), config.patch_size, axis=1)
    seen = np.where(pixels[:, :, None], np.uint8(HIDDEN_GREY), original)
    return Reconstruction(original, seen, filled, loss, float(patches.mean()))


def draw_pictures(masked: MaskedPhoto, result: Reconstruction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photo, what the model sees with lines between its hidden blocks, and its answer; each (side, side, 3) uint8."""
    times = shown_side(masked) // masked.pixel_values.shape[-1]
    photo, seen, filled = (
        np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
        for picture in (result.original, result.masked, result.reconstructed)
    )
    side, count = len(seen), len(masked.hidden)
    for row, column in np.argwhere(masked.hidden):
        top, left = row * side // count, column * side // count
        bottom, right = (row + 1) * side // count, (column + 1) * side // count
        seen[top:bottom, left] = seen[top, left:right] = LINE_GREY
        seen[top:bottom, right - 1] = seen[bottom - 1, left:right] = LINE_GREY
    return photo, seen, filled


def describe_reconstruction(result: Reconstruction) -> str:
    """The loss in words."""
    if not result.hidden_share:
        return "Nothing is hidden. **Click blocks of the middle picture to hide them.**"
    return (
        f"**{result.hidden_share:.0%} hidden**, loss over the hidden pixels {result.loss:.3f} (lower is better)."
        " Visible blocks are the photo's own; mean and contrast of each hidden patch are taken from the photo where the"
        " model was trained on normalised patches."
    )


def _statistics(loaded: LoadedModel) -> tuple[list[float], list[float]]:
    return loaded.processor.image_mean, loaded.processor.image_std


def _to_picture(image: Tensor) -> np.ndarray:
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return (image[0].float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()
