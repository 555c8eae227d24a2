# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf depth`: metric depth of photos, in millimetres for programs and in colours for people."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pixio_hf.bundled import find_checkpoint
from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation
from pixio_hf_cli.result_files import depth_endings, show_name

from ..visualization.panels import Panel, depth_limits, draw_row, shrink_map, shrink_photo
from .files import plan_outputs, write_all, write_bytes, write_npy, write_png
from .loading import LoadedModel, load_config, load_model
from .photo_loop import Failures, check_side, load_photo, process_photos, scaled_size, to_pixel_values
from .training_note import describe_training

MAX_MILLIMETRES = 65535
ROWS_AT_ONCE = 512
MAX_WINDOWED_PIXELS = 24 * 10**6
"""Windows at a photo's own size need all of its pixels as floats, several times over: about 2 GB from here on."""


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

    Says on stderr what the PNG cannot hold, and where the model was trained on rendered images only.

    Raises:
        ValueError: anything wrong with the request as a whole; found before weights are loaded.
    """
    planned = plan_outputs(photos, out, depth_endings(npy), overwrite)
    loaded = load_depth_model(model_name, device, dtype, size, window)
    if note := describe_training(model_name):
        tqdm.write(note, file=sys.stderr)

    def process(photo: Path) -> None:
        pixels = load_photo(photo)
        depth = predict_depth(loaded, pixels, size)
        drawn = shrink_photo(pixels)
        del pixels  # of a large photo, every copy counts
        png_path, color_path, *npy_path = planned[photo]
        write_all(
            [
                *((path, partial(write_npy, values=depth)) for path in npy_path),
                (png_path, lambda path: write_png(path, to_millimetres(depth))),
                (color_path, lambda path: write_bytes(path, draw_depth(drawn, depth))),
            ]
        )
        if message := describe_unknown(depth):
            held = f"{npy_path[0].name} holds them as they are" if npy_path else "--npy also writes them as they are"
            tqdm.write(f"{show_name(photo)}: {message} in {show_name(png_path)}; {held}.", file=sys.stderr)

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

    Raises:
        ValueError: a photo too large for what is seen of it at once.
    """
    config = loaded.model.config
    height, width = photo.shape[-2:]
    seen_size = None
    if size is not None or config.window_size is None:
        seen_size = scaled_size(height, width, size or config.image_size, config.patch_size)
    elif height * width > MAX_WINDOWED_PIXELS:
        raise ValueError(
            f"a photo of {height} x {width} (height x width) is too large for windows at its own size, at most"
            f" {MAX_WINDOWED_PIXELS // 10**6} megapixels; pass --size, the short side to predict at."
        )
    pixel_values = to_pixel_values(loaded.processor, photo, seen_size).to(loaded.device)
    outputs = loaded.model(pixel_values)
    result = loaded.processor.post_process_depth_estimation(outputs, target_sizes=[(height, width)])
    return result[0]["predicted_depth"].cpu().numpy()


def to_millimetres(depth: np.ndarray) -> np.ndarray:
    """(H, W) metres -> (H, W) uint16 millimetres, rounded.

    0 means unknown: what is not finite, nearer than half a millimetre, or beyond 65.535 m, the most that 16 bits hold.
    """
    millimetres = np.zeros(depth.shape, np.uint16)
    for band in row_bands(depth):
        rounded = np.rint(1000 * depth[band].astype(np.float64))
        np.copyto(millimetres[band], rounded, casting="unsafe", where=fits_millimetres(rounded))
    return millimetres


def describe_unknown(depth: np.ndarray) -> str:
    """What of a depth (H, W) in metres `to_millimetres` cannot hold, in words; empty where it holds everything."""
    num_far = num_near = num_wrong = 0
    for band in row_bands(depth):
        rounded = np.rint(1000 * depth[band].astype(np.float64))
        lost = rounded[~fits_millimetres(rounded)]
        far = int((np.isfinite(lost) & (lost > 0)).sum())
        near = int((lost == 0).sum())
        num_far, num_near, num_wrong = num_far + far, num_near + near, num_wrong + lost.size - far - near
    reasons = [
        f"{count:,} {reason}"
        for count, reason in (
            (num_far, "beyond 65.535 m, the most that 16 bits hold"),
            (num_near, "nearer than half a millimetre"),
            (num_wrong, "not positive finite numbers: does --dtype float32 help?"),
        )
        if count
    ]
    if not reasons:
        return ""
    return f"{num_far + num_near + num_wrong:,} of {depth.size:,} pixels ({'; '.join(reasons)}) are 0 = unknown"


def fits_millimetres(rounded: np.ndarray) -> np.ndarray:
    """Where a whole number of millimetres fits into 16 bits beside 0, which means unknown; NaN does not."""
    return (rounded >= 1) & (rounded <= MAX_MILLIMETRES)


def row_bands(values: np.ndarray) -> list[slice]:
    """Slices of ROWS_AT_ONCE rows: a large map in double precision would take a gigabyte."""
    return [slice(top, top + ROWS_AT_ONCE) for top in range(0, len(values), ROWS_AT_ONCE)]


def draw_depth(photo: np.ndarray, depth: np.ndarray) -> bytes:
    """PNG with a photo (3, H, W) beside its depth (H, W), and the scale bar in metres; large ones are scaled down."""
    limits = depth_limits(depth)
    return draw_row(
        [
            Panel(np.moveaxis(shrink_photo(photo), 0, -1), "Photo"),
            Panel(shrink_map(depth), "Predicted depth", depth_range=limits),
        ]
    )
