# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf depth`: metric depth of photos, in millimetres for programs and in colours for people."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pixio_hf.checkpoints.bundled import find_checkpoint
from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation

from .files import plan_outputs, write_bytes, write_npy, write_png
from .loading import LoadedModel, load_config, load_model
from .photo_loop import Failures, check_side, load_photo, process_photos, scaled_size, to_pixel_values
from .pictures import Panel, depth_limits, draw_row

MAX_MILLIMETRES = 65535


def run_depth(
    photos: Sequence[Path],
    out: Path,
    model_name: str,
    device: str = "auto",
    dtype: str = "float32",
    size: int | None = None,
    window: int | None = None,
    npy: bool = False,
    overwrite: bool = False,
) -> Failures:
    """Write NAME_depth.png, NAME_depth_color.png and on request NAME_depth.npy per photo; return photos that failed.

    Raises:
        ValueError: anything wrong with the request as a whole; found before weights are loaded.
    """
    endings = ["_depth.png", "_depth_color.png", *(["_depth.npy"] if npy else [])]
    planned = plan_outputs(photos, out, endings, overwrite)
    loaded = load_depth_model(model_name, device, dtype, size, window)

    def process(photo: Path) -> None:
        pixels = load_photo(photo)
        depth = predict_depth(loaded, pixels, size)
        millimetres_path, color_path, *npy_path = planned[photo]
        millimetres = to_millimetres(depth)
        write_png(millimetres_path, millimetres)
        write_bytes(color_path, draw_depth(pixels, depth))
        for path in npy_path:
            write_npy(path, depth)

    return process_photos(photos, process, "depth")


def load_depth_model(
    model_name: str, device: str, dtype: str, size: int | None = None, window: int | None = None
) -> LoadedModel:
    """Load a depth model, in windows of `window` pixels where given; sizes are checked before the weights are read."""
    source = find_checkpoint(model_name)
    config = load_config(source)
    overrides = {}
    if size is not None:
        check_side(size, config.patch_size, "--size")  # pyright: ignore[reportArgumentType]
    if window is not None:
        check_side(window, config.patch_size, "--window")  # pyright: ignore[reportArgumentType]
        overrides = {"window_size": window, "window_stride": None}
    return load_model(PixioForDepthEstimation, source, device, dtype, "depth head", **overrides)


@torch.inference_mode()
def predict_depth(loaded: LoadedModel, photo: np.ndarray, size: int | None = None) -> np.ndarray:
    """Depth of a photo (3, H, W) uint8 -> (H, W) float32 metres, at the photo's own resolution.

    The model sees the whole photo with its short side at `size` or its native size; one that predicts in windows sees
    the photo's own size unless `size` is given.
    """
    config = loaded.model.config
    height, width = photo.shape[-2:]
    seen_size = None
    if size is not None or config.window_size is None:
        seen_size = scaled_size(height, width, size or config.image_size, config.patch_size)
    pixel_values = to_pixel_values(loaded.processor, photo, seen_size).to(loaded.device)
    outputs = loaded.model(pixel_values)
    result = loaded.processor.post_process_depth_estimation(outputs, target_sizes=[(height, width)])
    return result[0]["predicted_depth"].cpu().numpy()


def to_millimetres(depth: np.ndarray) -> np.ndarray:
    """(H, W) metres -> (H, W) uint16 millimetres, rounded.

    Raises:
        ValueError: a depth is not finite, negative, or beyond 65.535 m, the most 16 bits hold.
    """
    millimetres = np.rint(1000 * depth.astype(np.float64))
    if not np.isfinite(millimetres).all() or millimetres.min() < 0:
        raise ValueError("the model predicted depths that are no positive finite numbers; try --dtype float32.")
    if millimetres.max() > MAX_MILLIMETRES:
        raise ValueError(
            f"the depth reaches {depth.max():.3f} m, but a 16-bit PNG in millimetres ends at 65.535 m. Nothing is"
            " clipped: predict such scenes in Python, with pipeline('depth-estimation')."
        )
    return millimetres.astype(np.uint16)


def draw_depth(photo: np.ndarray, depth: np.ndarray) -> bytes:
    """PNG with a photo (3, H, W) beside its depth (H, W), and the scale bar in metres."""
    limits = depth_limits(depth)
    return draw_row(
        [
            Panel(np.moveaxis(photo, 0, -1), "Photo"),
            Panel(depth, "Predicted depth", depth_range=limits),
        ]
    )
