# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf depth`: metric depth of photos, in millimetres for programs and in colours for people."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .early_checks import plan_outputs, show_name
from .messages import plain_errors
from .options import Device, Dtype, ModelName, OutputFolder, Overwrite, Photos

if TYPE_CHECKING:
    import numpy as np

    from .loading import LoadedModel

MAX_WINDOWED_PIXELS = 24 * 10**6
"""Windows at a photo's own size hold all of its pixels as floats several times: about 2 GB at this size."""
SYNTHETIC_TAG = "synthetic-data"
"""Tag of the cards of checkpoints that were trained on rendered rooms only."""


def depth(
    photos: Photos,
    out: OutputFolder,
    model: ModelName = "pixio-tiny-depth",
    npy: Annotated[bool, typer.Option("--npy", help="Also write NAME_depth.npy: float32 metres.")] = False,
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Short side in pixels the model sees [default: its native size].")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Predict in overlapping N x N windows, at the photo's own size unless --size."),
    ] = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Metric depth: 16-bit PNG in millimetres and a colour picture with a scale bar in metres.

    For every PHOTO, writes NAME_depth.png (one number per pixel of the upright photo: millimetres, 0 = unknown) and
    NAME_depth_color.png (photo beside the map). Depth above 65.535 m does not fit into the 16-bit PNG: it is 0 there,
    with a message, and whole in NAME_depth.npy, which --npy adds.

    \b
    Example:
      pixio-hf depth kitchen.jpg hall.jpg --out results --npy
    """
    with plain_errors(model, extra="demo"):
        endings = ("_depth.png", "_depth_color.png", *(("_depth.npy",) if npy else ()))
        planned = plan_outputs(photos, out, endings, overwrite)
        from tqdm import tqdm

        from pixio_hf.depth_files import describe_unknown, write_depth_png, write_npy
        from pixio_hf.files import write_bytes
        from pixio_hf.visualization.panels import draw_depth, shrink_photo

        from .photo_loop import finish, load_photo, process_photos

        loaded = load_depth_model(model, device, dtype, size, window)
        if note := describe_training(model):
            tqdm.write(note, file=sys.stderr)

        def process(photo: Path) -> None:
            pixels = load_photo(photo)
            metres = predict_depth(loaded, pixels, size)
            drawn = shrink_photo(pixels)
            del pixels  # of a large photo, every copy counts
            png_path, color_path, *npy_path = planned[photo]
            write_all(
                [
                    *((path, lambda path: write_npy(path, metres)) for path in npy_path),
                    (png_path, lambda path: write_depth_png(path, metres)),
                    (color_path, lambda path: write_bytes(path, draw_depth(drawn, metres))),
                ]
            )
            if message := describe_unknown(metres):
                held = (
                    f"{npy_path[0].name} holds them as they are" if npy_path else "--npy also writes them as they are"
                )
                tqdm.write(f"{show_name(photo)}: {message} in {show_name(png_path)}; {held}.", file=sys.stderr)

        failures = process_photos(photos, process, "depth")
    finish(failures, len(photos), out)


def load_depth_model(
    model_name: str, device: str, dtype: str, size: int | None = None, window: int | None = None
) -> "LoadedModel":
    """Load a depth model, in windows of `window` pixels where given; sizes are checked before the weights are read."""
    from pixio_hf.bundled import find_checkpoint
    from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation

    from .loading import load_config, load_model
    from .photo_loop import check_side

    source = find_checkpoint(model_name)
    config = load_config(source)
    overrides = {}
    if size is not None:
        check_side(size, config.patch_size, "--size")  # pyright: ignore[reportArgumentType]
    if window is not None:
        check_side(window, config.patch_size, "--window")  # pyright: ignore[reportArgumentType]
        overrides = {"window_size": window, "window_stride": None}
    return load_model(PixioForDepthEstimation, source, device, dtype, "depth head", **overrides)


def describe_training(model_name: str) -> str:
    """One line if a checkpoint's card says that it was trained on rendered rooms only, else an empty string."""
    from huggingface_hub import ModelCard

    from pixio_hf.bundled import find_checkpoint

    card_path = Path(find_checkpoint(model_name)) / "README.md"
    if not card_path.is_file():
        return ""
    try:
        tags = ModelCard.load(card_path).data.get("tags") or []
    except (ValueError, OSError):
        return ""
    if SYNTHETIC_TAG not in tags:
        return ""
    return f"Note: {model_name} was trained on rendered rooms only; do not trust its metres in real photos."


def predict_depth(loaded: "LoadedModel", photo: "np.ndarray", size: int | None = None) -> "np.ndarray":
    """Depth of a photo (3, H, W) uint8 -> (H, W) float32 metres, at the photo's own resolution.

    The model sees the whole photo with its short side at `size` or its native size; one that predicts in windows sees
    the photo's own size unless `size` is given.

    Raises:
        ValueError: a photo that is too large to be predicted at once.
    """
    import torch

    from .photo_loop import scaled_size, to_pixel_values

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
    with torch.inference_mode():
        outputs = loaded.model(to_pixel_values(loaded.processor, photo, seen_size).to(loaded.device))
        result = loaded.processor.post_process_depth_estimation(outputs, target_sizes=[(height, width)])
    return result[0]["predicted_depth"].cpu().numpy()


def write_all(writers: Sequence[tuple[Path, Callable[[Path], None]]]) -> None:
    """Write several files, each with its own function: one that fails does not stop the others.

    Raises:
        ValueError: after all were tried, naming the files that could not be written.
    """
    problems = []
    for path, write in writers:
        try:
            write(path)
        except Exception as error:  # after any error the other files are still written
            problems.append(f"{show_name(path)} was not written: {error or type(error).__name__}")
    if problems:
        raise ValueError("; ".join(problems))
