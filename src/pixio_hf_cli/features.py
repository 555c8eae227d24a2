# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf features`: the three main directions of the patch tokens of all photos, as colours."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .early_checks import plan_outputs
from .messages import plain_errors
from .options import Device, Dtype, ModelName, OutputFolder, Overwrite, Photos

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .loading import LoadedModel


def features(
    photos: Photos,
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    size: Annotated[
        int, typer.Option(metavar="N", help="Short side in pixels the model sees; larger: a finer picture.")
    ] = 448,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Picture of the features: the three main directions of the patch tokens as red, green and blue.

    For every PHOTO, writes NAME_features.png. The directions are found over all photos of one call, so equal colours
    mean similar features across them.

    \b
    Example:
      pixio-hf features cat.jpg dog.jpg --out results --size 512
    """
    with plain_errors(model, extra="demo"):
        planned = plan_outputs(photos, out, ["_features.png"], overwrite)
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.files import write_bytes
        from pixio_hf.modeling_pixio import PixioModel
        from pixio_hf.visualization.features import color_features, draw_features

        from .loading import load_config, load_model
        from .photo_loop import check_side, finish, load_photo, process_photos

        source = find_checkpoint(model)
        check_side(size, load_config(source).patch_size, "--size")  # pyright: ignore[reportArgumentType]
        loaded = load_model(PixioModel, source, device, dtype, "encoder")
        encoded: dict[Path, Tensor] = {}

        def encode(photo: Path) -> None:
            encoded[photo] = encode_photo(loaded, load_photo(photo), size)

        def write(photo: Path) -> None:
            pixels = load_photo(photo)
            write_bytes(planned[photo][0], draw_features(pixels, colors[photo]))

        failures = process_photos(photos, encode, "features")
        if encoded:
            colors = dict(zip(encoded, color_features(list(encoded.values())), strict=True))
            failures += process_photos(list(encoded), write, "pictures")
    finish(failures, len(photos), out)


def encode_photo(loaded: "LoadedModel", photo: "np.ndarray", size: int) -> "Tensor":
    """Normalised patch tokens of a photo (3, H, W) uint8 -> (h, w, D) float32 on the CPU.

    Raises:
        ValueError: features that are not finite, which would spoil the colours of all photos.
    """
    import torch

    from .photo_loop import scaled_size, to_pixel_values

    config = loaded.model.config
    height, width = photo.shape[-2:]
    seen_size = scaled_size(height, width, size, config.patch_size)
    with torch.inference_mode():
        pixel_values = to_pixel_values(loaded.processor, photo, seen_size).to(loaded.device)
        tokens = loaded.model(pixel_values).last_hidden_state
        grid = (seen_size[0] // config.patch_size, seen_size[1] // config.patch_size)
        patch_tokens = tokens[0, config.n_cls_tokens :].unflatten(0, grid).float().cpu()
    if not patch_tokens.isfinite().all():
        raise ValueError("the model's features are not finite; try --dtype float32, or check the model.")
    return patch_tokens
