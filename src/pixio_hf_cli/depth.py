# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf depth`: metric depth of photos and videos, in millimetres for programs, in colours for people, in 3D."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .early_checks import check_folder, check_inputs, require_extra
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
    ShortSide,
    SkipExisting,
)

if TYPE_CHECKING:
    import numpy as np

    from .loading import LoadedModel
    from .result_plan import ResultPlan

MAX_WINDOWED_PIXELS = 24 * 10**6
"""Windows at a photo's own size hold all of its pixels as floats several times: about 2 GB at this size."""


def depth(
    photos: Photos,
    out: OutputFolder = RESULTS_FOLDER,
    model: ModelName = "pixio-tiny-depth",
    color: Annotated[
        bool,
        typer.Option("--color/--no-color", help="Of photos, draw NAME_depth_color.png; it takes most of the time."),
    ] = True,
    npy: Annotated[bool, typer.Option("--npy", help="Also write NAME_depth.npy: float32 metres.")] = False,
    npz: Annotated[
        bool, typer.Option("--npz", help="Also write NAME_depth.npz: depth, intrinsics, points and their colors.")
    ] = False,
    ply: Annotated[bool, typer.Option("--ply", help="Also write NAME_points.ply: a coloured point cloud.")] = False,
    glb: Annotated[bool, typer.Option("--glb", help="Also write NAME_mesh.glb: a mesh with the photo on it.")] = False,
    fov: Annotated[
        float | None,
        typer.Option(
            metavar="DEGREES",
            min=1,
            max=175,
            help="Field of view across the width, for 3D [default: from EXIF, else 60 across the longer side].",
        ),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Of videos, also write each frame's depth into NAME_frames.")
    ] = False,
    size: ShortSide = None,
    window: Annotated[
        int | None,
        typer.Option(metavar="N", help="Predict in overlapping N x N windows, at the photo's own size unless --size."),
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
    """Metric depth: 16-bit PNG in millimetres and a colour picture with a scale bar in metres.

    For every photo, writes NAME_depth.png (one number per pixel of the upright photo: millimetres, 0 = unknown) and,
    unless --no-color, NAME_depth_color.png (photo beside the map). Depth above 65.535 m does not fit into the 16-bit PNG:
    it is 0 there, with a message, and whole in NAME_depth.npy, which --npy adds.

    For every video, writes NAME_depth_color.mp4 in the colours of one scale. After a stop, the same command goes on
    inside of the video. Results of photos below a folder lie below --out in the same way.

    \b
    Example:
      pixio-hf depth kitchen.jpg hall.jpg --out results --npy
      pixio-hf depth holiday --recursive --glb
      pixio-hf depth frames --no-color --batch-size 8
      pixio-hf depth walk.mp4 --batch-size 8
    """
    with plain_errors(model, extra="demo"):
        check_inputs(photos, overwrite, skip_existing)
        check_folder(out)
        if ply or glb:
            require_extra("3d")
        if fov is not None and not (ply or glb or npz):
            raise ValueError("--fov belongs to --ply, --glb or --npz; depth in metres does not need it.")
        from tqdm import tqdm

        from pixio_hf.depth_files import choose_storage

        from .depth_task import COLOR, COLOR_VIDEO, PNG, DepthTask, choose_endings
        from .loading import identify_weights
        from .photo_loop import Outcome, begin, finish, process_jobs
        from .result_plan import rename_results

        endings = choose_endings(color=color, npy=npy, npz=npz, ply=ply, glb=glb)
        plan = begin(photos, out, endings, [COLOR_VIDEO], recursive, overwrite, skip_existing)
        if not plan.jobs:
            finish(plan, Outcome())
            return
        loaded = load_depth_model(model, device, dtype, size, window)
        storage = choose_storage(loaded.model.config)
        if not storage.is_metric:
            check_relative(plan, model, npz or ply or glb)
            endings_of_relative = {ending: ending.replace("_depth", storage.suffix, 1) for ending in endings}
            plan = rename_results(plan, endings_of_relative, overwrite, skip_existing)
            tqdm.write(f"{model} predicts relative depth: PNG = {storage.png_holds}.", file=sys.stderr)
        if note := describe_training(model):
            tqdm.write(note, file=sys.stderr)
        settings = {**identify_weights(model), "window": window, "dtype": dtype}
        task = DepthTask(loaded, endings, size, fov, frames, batch_size, allow_private, settings)
        if {*endings} - {PNG, COLOR} and not frames and any(job.source.is_video for job in plan.jobs):
            tqdm.write("Videos get their colour video only; --frames also writes the numbers.", file=sys.stderr)
        outcome = process_jobs(plan.jobs, task, batch_size, num_workers)
    finish(plan, outcome)


def check_relative(plan: "ResultPlan", model: str, is_spatial: bool) -> None:
    """Refuse what needs metres, or one scale over several pictures, of a model of relative depth.

    Raises:
        ValueError: files of points were asked for, or there is a video.
    """
    if is_spatial:
        raise ValueError(
            f"{model} predicts relative depth, without metres; --npz, --ply and --glb need a metric model."
        )
    if any(job.source.is_video for job in plan.jobs):
        raise ValueError(
            f"{model} predicts relative depth, whose scale changes from frame to frame; videos need a metric model."
        )


def load_depth_model(
    model_name: str, device: str, dtype: str, size: int | None = None, window: int | None = None
) -> "LoadedModel":
    """Load a depth model, in windows of `window` pixels where given; sizes are checked before the weights are read."""
    from pixio_hf.bundled import find_checkpoint
    from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation

    from .loading import load_config, load_model
    from .photo_fitting import check_side

    source = find_checkpoint(model_name)
    config = load_config(source)
    overrides = {}
    if size is not None:
        check_side(size, config.patch_size, "--size")
    if window is not None:
        check_side(window, config.patch_size, "--window")
        overrides = {"window_size": window, "window_stride": None}
    return load_model(PixioForDepthEstimation, source, device, dtype, "depth head", **overrides)


def describe_training(model_name: str) -> str:
    """One line if a checkpoint's card says that it never saw measured depth of photographs, else an empty string."""
    from pixio_hf.bundled import find_checkpoint
    from pixio_hf.model_cards.rendering import PSEUDO_LABELS_TAG, SYNTHETIC_TAG, read_tags

    tags = read_tags(find_checkpoint(model_name))
    if SYNTHETIC_TAG in tags:
        return f"Note: {model_name} was trained on rendered rooms only; do not trust its metres in real photos."
    if PSEUDO_LABELS_TAG in tags:
        return f"Note: {model_name} learnt depth of photos from what another model guessed; do not trust its metres."
    return ""


def predict_depth(loaded: "LoadedModel", photo: "np.ndarray", size: int | None = None) -> "np.ndarray":
    """Depth of one photo (3, H, W) uint8 -> (H, W) float32 metres; see `predict_depths`."""
    return predict_depths(loaded, [photo], size)[0]


def predict_depths(
    loaded: "LoadedModel", photos: "Sequence[np.ndarray]", size: int | None = None
) -> "list[np.ndarray]":
    """Depth of photos (3, H, W) uint8 -> (H, W) float32 metres each, at each photo's own resolution.

    The model sees a whole photo with its short side at `size` or its native size; one that predicts in windows sees
    the photo's own size unless `size` is given. Photos that are seen at one size (`seen_size`) are computed at once.

    Raises:
        ValueError: a photo that is too large to be predicted at once, or photos that are seen at different sizes.
    """
    import torch

    from .photo_fitting import to_pixel_values

    sizes = [seen_size(loaded, photo, size) for photo in photos]
    if len({photo.shape if seen is None else seen for photo, seen in zip(photos, sizes, strict=True)}) > 1:
        raise ValueError(f"photos of one batch must be seen at one size, got {sizes}.")
    with torch.inference_mode():
        outputs = loaded.model(to_pixel_values(loaded.processor, photos, sizes[0]).to(loaded.device))
        target_sizes = [photo.shape[-2:] for photo in photos]
        results = loaded.processor.post_process_depth_estimation(outputs, target_sizes=target_sizes)
    return [result["predicted_depth"].cpu().numpy() for result in results]


def seen_size(loaded: "LoadedModel", photo: "np.ndarray", size: int | None = None) -> tuple[int, int] | None:
    """(height, width) at which a depth model sees a photo (3, H, W); None: its own, in windows.

    Raises:
        ValueError: too large to be predicted at once.
    """
    from .photo_fitting import scaled_size

    config = loaded.model.config
    height, width = photo.shape[-2:]
    if size is not None or config.window_size is None:
        return scaled_size(height, width, size or config.image_size, config.patch_size)
    if height * width > MAX_WINDOWED_PIXELS:
        raise ValueError(
            f"a photo of {height} x {width} (height x width) is too large for windows at its own size, at most"
            f" {MAX_WINDOWED_PIXELS // 10**6} megapixels; pass --size, the short side to predict at."
        )
    return None
