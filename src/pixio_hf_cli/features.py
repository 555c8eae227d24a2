# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf features`: the three main directions of the patch tokens of all photos, as colours."""

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
    SkipExisting,
)

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .loading import LoadedModel


def features(
    photos: Photos,
    out: OutputFolder = RESULTS_FOLDER,
    model: ModelName = "pixio-tiny",
    size: Annotated[
        int, typer.Option(metavar="N", help="Short side in pixels the model sees; larger: a finer picture.")
    ] = 448,
    batch_size: BatchSize = 1,
    num_workers: NumWorkers = 2,
    recursive: Recursive = False,
    allow_private: AllowPrivate = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
) -> None:
    """Picture of the features: the three main directions of the patch tokens as red, green and blue.

    For every photo, writes NAME_features.png, for every video NAME_features.mp4. The directions are found over all photos
    of one call (of thousands, over an even choice), so equal colours mean similar features across them.

    \b
    Example:
      pixio-hf features cat.jpg dog.jpg --out results --size 512
    """
    with plain_errors(model, extra="demo"):
        check_inputs(photos, overwrite, skip_existing)
        check_folder(out)
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.modeling_pixio import PixioModel

        from .features_task import PICTURE, VIDEO, color_jobs
        from .loading import identify_weights, load_config, load_model
        from .photo_fitting import check_side
        from .photo_loop import Outcome, begin, finish

        plan = begin(photos, out, [PICTURE], [VIDEO], recursive, overwrite, skip_existing)
        if not plan.jobs:
            finish(plan, Outcome())
            return
        source = find_checkpoint(model)
        check_side(size, load_config(source).patch_size, "--size")
        loaded = load_model(PixioModel, source, device, dtype, "encoder")
        settings = {**identify_weights(model), "dtype": dtype, "size": size}
        outcome = color_jobs(plan, loaded, size, batch_size, num_workers, allow_private, settings)
    finish(plan, outcome)


def encode_photo(loaded: "LoadedModel", photo: "np.ndarray", size: int) -> "Tensor":
    """Normalised patch tokens of one photo (3, H, W) uint8 -> (h, w, D) float32 on the CPU; see `encode_photos`."""
    return encode_photos(loaded, [photo], size)[0]


def encode_photos(loaded: "LoadedModel", photos: "Sequence[np.ndarray]", size: int) -> "list[Tensor]":
    """Normalised patch tokens of photos (3, H, W) uint8 -> (h, w, D) float32 on the CPU, all at once.

    Raises:
        ValueError: features that are not finite, which would spoil the colours of all photos, or photos that are seen at
            different sizes.
    """
    import torch

    from .photo_fitting import scaled_size, to_pixel_values

    config = loaded.model.config
    shapes = {photo.shape[-2:] for photo in photos}
    seen_sizes = {scaled_size(height, width, size, config.patch_size) for height, width in shapes}
    if len(seen_sizes) > 1:
        raise ValueError(f"photos of one batch must be seen at one size, got {sorted(seen_sizes)}.")
    (seen_size,) = seen_sizes
    with torch.inference_mode():
        pixel_values = to_pixel_values(loaded.processor, photos, seen_size).to(loaded.device)
        tokens = loaded.model(pixel_values).last_hidden_state
        grid = (seen_size[0] // config.patch_size, seen_size[1] // config.patch_size)
        patch_tokens = tokens[:, config.n_cls_tokens :].unflatten(1, grid).float().cpu()
    if not patch_tokens.isfinite().all():
        raise ValueError("the model's features are not finite; try --dtype float32, or check the model.")
    return list(patch_tokens)
