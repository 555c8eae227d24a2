# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf features`: the three main directions of the patch tokens of all photos, as colours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from pixio_hf.bundled import find_checkpoint
from pixio_hf.modeling_pixio import PixioModel
from pixio_hf_cli.result_files import FEATURE_ENDINGS

from ..visualization.panels import Panel, draw_row, shrink_photo
from .files import plan_outputs, write_bytes
from .loading import LoadedModel, load_config, load_model
from .photo_loop import Failures, check_side, load_photo, process_photos, scaled_size, to_pixel_values


def run_features(
    photos: Sequence[Path],
    out: Path,
    model_name: str,
    device: str = "auto",
    dtype: str = "float32",
    size: int = 448,
    overwrite: bool = False,
) -> Failures:
    """Write NAME_features.png per photo; return photos that failed.

    Raises:
        ValueError: anything wrong with the request as a whole; found before weights are loaded.
    """
    planned = plan_outputs(photos, out, FEATURE_ENDINGS, overwrite)
    loaded = load_feature_model(model_name, device, dtype, size)
    features: dict[Path, Tensor] = {}

    def encode(photo: Path) -> None:
        features[photo] = encode_photo(loaded, load_photo(photo), size)

    def write(photo: Path) -> None:
        pixels = load_photo(photo)
        write_bytes(planned[photo][0], draw_features(pixels, colors[photo]))

    failures = process_photos(photos, encode, "features")
    if features:
        colors = dict(zip(features, color_features(list(features.values())), strict=True))
        failures += process_photos(list(features), write, "pictures")
    return failures


def load_feature_model(model_name: str, device: str, dtype: str, size: int) -> LoadedModel:
    """Load an encoder; the size is checked before the weights are read."""
    source = find_checkpoint(model_name)
    check_side(size, load_config(source).patch_size, "--size")  # pyright: ignore[reportArgumentType]
    return load_model(PixioModel, source, device, dtype, "encoder")


@torch.inference_mode()
def encode_photo(loaded: LoadedModel, photo: np.ndarray, size: int) -> Tensor:
    """Normalised patch tokens of a photo (3, H, W) uint8 -> (h, w, D) float32 on the CPU.

    Raises:
        ValueError: features that are not finite, which would spoil the colours of all photos.
    """
    config = loaded.model.config
    height, width = photo.shape[-2:]
    seen_size = scaled_size(height, width, size, config.patch_size)
    tokens = loaded.model(to_pixel_values(loaded.processor, photo, seen_size).to(loaded.device)).last_hidden_state
    grid = (seen_size[0] // config.patch_size, seen_size[1] // config.patch_size)
    features = tokens[0, config.n_cls_tokens :].unflatten(0, grid).float().cpu()
    if not features.isfinite().all():
        raise ValueError("the model's features are not finite; try --dtype float32, or check the model.")
    return features


def color_features(features: Sequence[Tensor]) -> list[np.ndarray]:
    """Principal components of all tokens together as colours: (h, w, D) each -> (h, w, 3) uint8 each.

    Components are scaled to the range of all but the outermost 1 % of values on either side. Signs are fixed (the
    largest weight of a component is positive), so that equal input gives equal colours.
    """
    tokens = torch.cat([feature.flatten(0, 1) for feature in features]).double()
    centered = tokens - tokens.mean(dim=0)
    # Width times width, however many tokens there are.
    _, directions = torch.linalg.eigh(centered.T @ centered)
    directions = directions[:, -3:].flip(1)
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    components = (centered @ (directions * largest.sign())).numpy()
    low, high = np.percentile(components, [1, 99], axis=0)
    shades = np.clip((components - low) / np.maximum(high - low, 1e-9), 0, 1)
    colors = np.rint(255 * shades).astype(np.uint8)
    ends = np.cumsum([feature.shape[0] * feature.shape[1] for feature in features])[:-1]
    parts = np.split(colors, ends)
    return [part.reshape(*feature.shape[:2], 3) for part, feature in zip(parts, features, strict=True)]


def upscale_colors(colors: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, 3) uint8 -> (height, width, 3) uint8, smooth between patches."""
    return np.asarray(PIL.Image.fromarray(colors).resize((width, height), PIL.Image.Resampling.BICUBIC))


def draw_features(photo: np.ndarray, colors: np.ndarray) -> bytes:
    """PNG with a photo (3, H, W) beside the colours (h, w, 3) of its patches; a large one is scaled down."""
    photo = shrink_photo(photo)
    height, width = photo.shape[-2:]
    return draw_row(
        [
            Panel(np.moveaxis(photo, 0, -1), "Photo"),
            Panel(upscale_colors(colors, height, width), f"Features of {colors.shape[0]} x {colors.shape[1]} patches"),
        ]
    )
