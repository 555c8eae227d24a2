# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf reconstruct`: hide most of a photo's blocks and let a pre-trained model fill them in."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from pixio_hf.bundled import find_checkpoint
from pixio_hf.configuration_pixio import PixioConfig
from pixio_hf.masking import num_kept_blocks, num_mask_blocks
from pixio_hf.modeling_pixio_pretraining import PixioForPreTraining
from pixio_hf_cli.result_files import RECONSTRUCTION_ENDINGS, show_name

from ..visualization.panels import Panel, draw_row
from .files import plan_outputs, write_bytes
from .loading import LoadedModel, load_config, load_model
from .photo_loop import Failures, check_side, load_photo, process_photos, to_pixel_values

HIDDEN_GREY = 200


class Reconstruction(NamedTuple):
    """Pictures (side, side, 3) uint8 and the loss over hidden pixels."""

    original: np.ndarray
    masked: np.ndarray
    reconstructed: np.ndarray
    loss: float
    hidden_share: float


def run_reconstruct(
    photos: Sequence[Path],
    out: Path,
    model_name: str,
    device: str = "auto",
    dtype: str = "float32",
    mask_ratio: float | None = None,
    mask_grid_size: int | None = None,
    seed: int = 0,
    size: int | None = None,
    overwrite: bool = False,
) -> Failures:
    """Write NAME_reconstruction.png per photo and print its loss; return photos that failed.

    Raises:
        ValueError: anything wrong with the request as a whole; found before weights are loaded.
    """
    planned = plan_outputs(photos, out, RECONSTRUCTION_ENDINGS, overwrite)
    loaded = load_reconstruction_model(model_name, device, dtype, mask_ratio, mask_grid_size, size)

    def process(photo: Path) -> None:
        result = reconstruct_photo(loaded, load_photo(photo), seed, size)
        write_bytes(planned[photo][0], draw_reconstruction(result))
        tqdm.write(
            f"{show_name(photo)}: loss {result.loss:.4f} over the hidden {result.hidden_share:.0%} of the pixels"
        )

    return process_photos(photos, process, "reconstruct")


def load_reconstruction_model(
    model_name: str,
    device: str,
    dtype: str,
    mask_ratio: float | None = None,
    mask_grid_size: int | None = None,
    size: int | None = None,
) -> LoadedModel:
    """Load a model with its decoder; the mask is checked against the picture before the weights are read."""
    source = find_checkpoint(model_name)
    config = load_config(source)
    overrides = {"mask_ratio": mask_ratio, "mask_grid_size": mask_grid_size}
    overrides = {name: value for name, value in overrides.items() if value is not None}
    side: int = size or config.image_size  # pyright: ignore[reportAssignmentType]
    check_side(side, config.patch_size, "--size")  # pyright: ignore[reportArgumentType]
    check_mask(config, side, **overrides)
    return load_model(PixioForPreTraining, source, device, dtype, "pre-training decoder", **overrides)


def check_mask(
    config: PixioConfig, side: int, mask_ratio: float | None = None, mask_grid_size: int | None = None
) -> None:
    """Raise ValueError unless blocks tile a square picture and at least one stays visible."""
    grid = side // config.patch_size  # pyright: ignore[reportOperatorIssue]
    num_blocks = num_mask_blocks(grid, grid, config.mask_grid_size if mask_grid_size is None else mask_grid_size)
    num_kept_blocks(num_blocks, config.mask_ratio if mask_ratio is None else mask_ratio)


@torch.inference_mode()
def reconstruct_photo(
    loaded: LoadedModel, photo: np.ndarray, seed: int = 0, size: int | None = None
) -> Reconstruction:
    """Mask and fill in a photo (3, H, W) uint8, resized to a square of `size` or of the model's native size.

    Raises:
        ValueError: a prediction that is not finite.
    """
    config = loaded.model.config
    side = size or config.image_size
    pixel_values = to_pixel_values(loaded.processor, photo, (side, side)).to(loaded.device)
    grid = side // config.patch_size
    # Drawn on the CPU: the same seed hides the same blocks on every device.
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, num_mask_blocks(grid, grid, config.mask_grid_size), generator=generator)
    outputs = loaded.model(pixel_values, noise=noise.to(loaded.device))
    if not outputs.logits.isfinite().all():
        raise ValueError("the model's reconstruction is not finite; try --dtype float32, or check the model.")
    image_mean, image_std = loaded.processor.image_mean, loaded.processor.image_std
    reconstructed = to_picture(loaded.model.reconstruct(outputs, pixel_values, image_mean, image_std))
    mean, std = (pixel_values.new_tensor(values)[:, None, None] for values in (image_mean, image_std))
    original = to_picture((pixel_values * std + mean).clamp(0, 1))
    hidden = outputs.mask[0].reshape(grid, grid).bool().cpu().numpy()
    hidden = hidden.repeat(config.patch_size, axis=0).repeat(config.patch_size, axis=1)
    masked = np.where(hidden[:, :, None], np.uint8(HIDDEN_GREY), original)
    return Reconstruction(original, masked, reconstructed, float(outputs.loss), float(hidden.mean()))


def to_picture(image: torch.Tensor) -> np.ndarray:
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return (image[0].float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def draw_reconstruction(result: Reconstruction) -> bytes:
    """PNG with the original, what the model sees, and what it makes of it."""
    return draw_row(
        [
            Panel(result.original, "Photo"),
            Panel(result.masked, f"What the model sees: {1 - result.hidden_share:.0%}"),
            Panel(result.reconstructed, "Reconstruction"),
        ],
        small_print=f"Loss over hidden pixels {result.loss:.3f}. Visible blocks are the photo's own; the mean and"
        " contrast of each hidden patch are taken from the photo where the model was trained on normalised patches.",
    )
