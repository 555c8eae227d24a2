# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf reconstruct`: hide most of a photo's blocks and let a pre-trained model fill them in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .early_checks import plan_outputs, show_name
from .messages import plain_errors
from .options import Device, Dtype, ModelName, OutputFolder, Overwrite, Photos

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from pixio_hf.visualization.reconstruction import Reconstruction

    from .loading import LoadedModel

HIDDEN_GREY = 200


def reconstruct(
    photos: Photos,
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    mask_ratio: Annotated[
        float | None, typer.Option(metavar="R", help="Share of the blocks to hide, in [0, 1) [default: the model's].")
    ] = None,
    mask_grid_size: Annotated[
        int | None, typer.Option(metavar="N", help="Side of a hidden block, in patches [default: the model's].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the mask; every photo gets the same mask.")] = 0,
    size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Side of the square it is resized to [default: the model's native size]."),
    ] = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Hide most of a photo and let the model fill it in: original, masked and reconstructed side by side.

    For every PHOTO, writes NAME_reconstruction.png and prints the loss over the hidden pixels. The model needs a
    decoder: a pre-training checkpoint.

    \b
    Example:
      pixio-hf reconstruct cat.jpg --out results --mask-ratio 0.5 --seed 3
    """
    with plain_errors(model, extra="demo"):
        planned = plan_outputs(photos, out, ["_reconstruction.png"], overwrite)
        from tqdm import tqdm

        from pixio_hf.files import write_bytes
        from pixio_hf.visualization.reconstruction import draw_reconstruction

        from .photo_loop import finish, load_photo, process_photos

        loaded = load_reconstruction_model(model, device, dtype, mask_ratio, mask_grid_size, size)

        def process(photo: Path) -> None:
            result = reconstruct_photo(loaded, load_photo(photo), seed, size)
            write_bytes(planned[photo][0], draw_reconstruction(result))
            tqdm.write(
                f"{show_name(photo)}: loss {result.loss:.4f} over the hidden {result.hidden_share:.0%} of the pixels"
            )

        failures = process_photos(photos, process, "reconstruct")
    finish(failures, len(photos), out)


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

    from .loading import load_config, load_model
    from .photo_loop import check_side

    source = find_checkpoint(model_name)
    config = load_config(source)
    side: int = size or config.image_size  # pyright: ignore[reportAssignmentType]
    patch_size: int = config.patch_size  # pyright: ignore[reportAssignmentType]
    check_side(side, patch_size, "--size")
    mask_ratio = config.mask_ratio if mask_ratio is None else mask_ratio
    mask_grid_size = config.mask_grid_size if mask_grid_size is None else mask_grid_size
    num_kept_blocks(num_mask_blocks(side // patch_size, side // patch_size, mask_grid_size), mask_ratio)
    overrides = {"mask_ratio": mask_ratio, "mask_grid_size": mask_grid_size}
    return load_model(PixioForPreTraining, source, device, dtype, "pre-training decoder", **overrides)


def reconstruct_photo(
    loaded: "LoadedModel", photo: "np.ndarray", seed: int = 0, size: int | None = None
) -> "Reconstruction":
    """Mask and fill in a photo (3, H, W) uint8, resized to a square of `size` or of the model's native size.

    Raises:
        ValueError: a prediction that is not finite.
    """
    import numpy as np
    import torch

    from pixio_hf.masking import num_mask_blocks
    from pixio_hf.visualization.reconstruction import Reconstruction

    from .photo_loop import to_pixel_values

    config = loaded.model.config
    side = size or config.image_size
    grid = side // config.patch_size
    # Drawn on the CPU: the same seed hides the same blocks on every device.
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, num_mask_blocks(grid, grid, config.mask_grid_size), generator=generator)
    image_mean, image_std = loaded.processor.image_mean, loaded.processor.image_std
    with torch.inference_mode():
        pixel_values = to_pixel_values(loaded.processor, photo, (side, side)).to(loaded.device)
        outputs = loaded.model(pixel_values, noise=noise.to(loaded.device))
        if not outputs.logits.isfinite().all():
            raise ValueError("the model's reconstruction is not finite; try --dtype float32, or check the model.")
        reconstructed = _to_picture(loaded.model.reconstruct(outputs, pixel_values, image_mean, image_std))
        mean, std = (pixel_values.new_tensor(values)[:, None, None] for values in (image_mean, image_std))
        original = _to_picture((pixel_values * std + mean).clamp(0, 1))
    hidden = outputs.mask[0].reshape(grid, grid).bool().cpu().numpy()
    hidden = hidden.repeat(config.patch_size, axis=0).repeat(config.patch_size, axis=1)
    masked = np.where(hidden[:, :, None], np.uint8(HIDDEN_GREY), original)
    return Reconstruction(original, masked, reconstructed, float(outputs.loss), float(hidden.mean()))


def _to_picture(image: "Tensor") -> "np.ndarray":
    """(1, 3, H, W) in [0, 1] -> (H, W, 3) uint8."""
    return (image[0].float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()
