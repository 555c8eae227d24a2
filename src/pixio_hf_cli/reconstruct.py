# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf reconstruct`: hide most of a photo's blocks and let a pre-trained model fill them in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .early_checks import check_folder, check_inputs
from .messages import plain_errors
from .options import (
    RESULTS_FOLDER,
    AllowPrivate,
    BatchSize,
    Device,
    Dtype,
    ModelName,
    NumWorkers,
    OutputFolder,
    Overwrite,
    Photos,
    Recursive,
    Seed,
    SkipExisting,
)

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pixio_hf.visualization.reconstruction import Reconstruction

    from .loading import LoadedModel

HIDDEN_GREY = 200


def reconstruct(
    photos: Photos,
    out: OutputFolder = RESULTS_FOLDER,
    model: ModelName = "pixio-tiny",
    mask_ratio: Annotated[
        float | None, typer.Option(metavar="R", help="Share of the blocks to hide, in [0, 1) [default: the model's].")
    ] = None,
    mask_grid_size: Annotated[
        int | None, typer.Option(metavar="N", help="Side of a hidden block, in patches [default: the model's].")
    ] = None,
    seed: Seed = 0,
    size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Side of the square it is resized to [default: the model's native size]."),
    ] = None,
    batch_size: BatchSize = 1,
    num_workers: NumWorkers = 2,
    recursive: Recursive = False,
    allow_private: AllowPrivate = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
) -> None:
    """Hide most of a photo and let the model fill it in: original, masked and reconstructed side by side.

    For every photo, writes NAME_reconstruction.png and prints the loss over the hidden pixels; every photo gets the same
    mask. For every video, writes NAME_reconstruction.mp4. The model needs a decoder: a pre-training checkpoint.

    \b
    Example:
      pixio-hf reconstruct cat.jpg --out results --mask-ratio 0.5 --seed 3
    """
    with plain_errors(model, extra="demo"):
        check_inputs(photos, overwrite, skip_existing)
        check_folder(out)
        from .loading import identify_weights
        from .photo_loop import Outcome, begin, finish, process_jobs
        from .reconstruct_task import PICTURE, VIDEO, ReconstructTask

        plan = begin(photos, out, [PICTURE], [VIDEO], recursive, overwrite, skip_existing)
        if not plan.jobs:
            finish(plan, Outcome())
            return
        loaded = load_reconstruction_model(model, device, dtype, mask_ratio, mask_grid_size, size)
        settings = {
            **identify_weights(model),
            "dtype": dtype,
            "mask_ratio": mask_ratio,
            "mask_grid_size": mask_grid_size,
        }
        task = ReconstructTask(loaded, seed, size, batch_size, allow_private, settings)
        outcome = process_jobs(plan.jobs, task, batch_size, num_workers)
    finish(plan, outcome)


def load_reconstruction_model(
    model_name: str,
    device: str,
    dtype: str,
    mask_ratio: float | None = None,
    mask_grid_size: int | None = None,
    size: int | None = None,
) -> "LoadedModel":
    """Load a model with its decoder; the mask is checked against the picture before the weights are read."""
    from pixio_hf.bundled import find_checkpoint
    from pixio_hf.masking import num_kept_blocks, num_mask_blocks
    from pixio_hf.modeling_pixio_pretraining import PixioForPreTraining
    from pixio_hf.vit_encoders import square_side

    from .loading import load_config, load_model
    from .photo_fitting import check_side

    source = find_checkpoint(model_name)
    config = load_config(source)
    side, patch_size = size or square_side(config.image_size), square_side(config.patch_size)
    check_side(side, patch_size, "--size")
    mask_ratio = config.mask_ratio if mask_ratio is None else mask_ratio
    mask_grid_size = config.mask_grid_size if mask_grid_size is None else mask_grid_size
    num_kept_blocks(num_mask_blocks(side // patch_size, side // patch_size, mask_grid_size), mask_ratio)
    overrides = {"mask_ratio": mask_ratio, "mask_grid_size": mask_grid_size}
    return load_model(PixioForPreTraining, source, device, dtype, "pre-training decoder", **overrides)


def reconstruct_photo(
    loaded: "LoadedModel", photo: "np.ndarray", seed: int = 0, size: int | None = None
) -> "Reconstruction":
    """Mask and fill in one photo (3, H, W) uint8; see `reconstruct_photos`."""
    return reconstruct_photos(loaded, [photo], seed, size)[0]


def reconstruct_photos(
    loaded: "LoadedModel", photos: "Sequence[np.ndarray]", seed: int = 0, size: int | None = None
) -> "list[Reconstruction]":
    """Mask and fill in photos (3, H, W) uint8, resized to squares of `size` or of the model's native size, all at once.

    Raises:
        ValueError: a prediction that is not finite.
    """
    import numpy as np
    import torch

    from pixio_hf.losses import masked_pixel_loss
    from pixio_hf.masking import num_mask_blocks
    from pixio_hf.visualization.reconstruction import Reconstruction

    from .photo_fitting import to_pixel_values

    config = loaded.model.config
    side = size or config.image_size
    grid = side // config.patch_size
    # Drawn on the CPU: the same seed hides the same blocks on every device.
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, num_mask_blocks(grid, grid, config.mask_grid_size), generator=generator)
    image_mean, image_std = loaded.processor.image_mean, loaded.processor.image_std
    with torch.inference_mode():
        pixel_values = to_pixel_values(loaded.processor, photos, (side, side)).to(loaded.device)
        outputs = loaded.model(pixel_values, noise=noise.expand(len(photos), -1).to(loaded.device), return_loss=False)
        if not outputs.logits.isfinite().all():
            raise ValueError("the model's reconstruction is not finite; try --dtype float32, or check the model.")
        targets = loaded.model.target_patches(pixel_values)
        parts = (part.split(1) for part in (outputs.logits, targets, outputs.mask))
        losses = [float(masked_pixel_loss(*part)) for part in zip(*parts, strict=True)]
        reconstructed = _to_pictures(loaded.model.reconstruct(outputs, pixel_values, image_mean, image_std))
        mean, std = (pixel_values.new_tensor(values)[:, None, None] for values in (image_mean, image_std))
        originals = _to_pictures((pixel_values * std + mean).clamp(0, 1))
    hidden = outputs.mask[0].reshape(grid, grid).bool().cpu().numpy()
    hidden = hidden.repeat(config.patch_size, axis=0).repeat(config.patch_size, axis=1)
    masked = np.where(hidden[:, :, None], np.uint8(HIDDEN_GREY), originals)
    pictures = zip(originals, masked, reconstructed, losses, strict=True)
    return [Reconstruction(*each, float(hidden.mean())) for each in pictures]


def _to_pictures(images: "Tensor") -> "np.ndarray":
    """(B, 3, H, W) in [0, 1] -> (B, H, W, 3) uint8."""
    return (images.float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
