# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate depth`: nine metrics of a depth model on a data set."""

from typing import Annotated

import typer

from .evaluate import (
    FlipTest,
    NumImages,
    NumPictures,
    TightWindows,
    Window,
    begin_evaluation,
    summarize,
    take_first,
    with_window,
)
from .messages import plain_errors
from .options import (
    BatchSize,
    CacheDir,
    Data,
    DepthScale,
    Device,
    Dtype,
    ModelName,
    OutputFolder,
    Overwrite,
    Protocol,
    Relative,
    Split,
    SplitFile,
)

PUBLISHED_PROTOCOLS = ("nyuv2", "kitti")
WINDOW_SIZE = 256  # docs/specification.md 5.6


def evaluate_depth(
    data: Data,
    out: OutputFolder,
    model: ModelName = "pixio-tiny-depth",
    split: Split = "val",
    split_file: SplitFile = None,
    protocol: Protocol = None,
    num_images: NumImages = None,
    window: Window = None,
    batch_size: BatchSize = 16,
    flip_test: FlipTest = False,
    tight_windows: TightWindows = False,
    num_pictures: NumPictures = 4,
    depth_scale: DepthScale = None,
    cache_dir: CacheDir = None,
    relative: Relative = False,
    truth_range: Annotated[
        str | None,
        typer.Option(metavar="NEAR,FAR", help="--relative: metres that count [default: the protocol's range]."),
    ] = None,
    clip_range: Annotated[
        str | None,
        typer.Option(metavar="NEAR,FAR", help="--relative: aligned depth is clipped to it [default: truth range]."),
    ] = None,
    by_source: Annotated[
        bool,
        typer.Option("--by-source", help="--relative: also means over sources (file names to the first underscore)."),
    ] = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Depth: nine metrics per image at native size, averaged over images. Protocols: nyuv2, kitti, folder.

    --relative judges depth up to scale and shift, of relative and of metric models, whole images at once. It also knows
    the protocols diode-indoor, diode-outdoor, sintel and eth3d, and DA-2K, a folder with annotations.json.

    \b
    Example:
      pixio-hf evaluate depth --model pixio-tiny-depth --data synthetic-rooms --num-images 64 --out results
    """
    with plain_errors(model, extra="demo" if num_pictures else None):
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
        from pixio_hf.data.labelled.depth_protocols import find_depth_protocol
        from pixio_hf.evaluation import depth as evaluation
        from pixio_hf.evaluation.prediction import PredictionOptions
        from pixio_hf.evaluation.processes import num_processes, process_index
        from pixio_hf.evaluation.result_files import OnFailure, write_results
        from pixio_hf.evaluation.results import build_report
        from pixio_hf.modeling_pixio_dense import PixioForDepthEstimation
        from pixio_hf.synthetic import find_scene_set
        from pixio_hf.visualization.worst_cases import draw_depth_evaluation

        from .loading import load_model

        source = find_checkpoint(model)
        config = begin_evaluation(source, out, overwrite)
        if relative:
            from .evaluate_relative import RelativeRequest, evaluate_relative

            request = RelativeRequest(
                model=model,
                source=source,
                data=data,
                out=out,
                split=split,
                split_file=split_file,
                protocol=protocol,
                depth_scale=depth_scale,
                num_images=num_images,
                batch_size=batch_size,
                flip_test=flip_test,
                num_pictures=num_pictures,
                cache_dir=cache_dir,
                truth_range=truth_range,
                clip_range=clip_range,
                by_source=by_source,
                device=device,
                dtype=dtype,
            )
            if window not in (None, "none") or tight_windows:
                raise ValueError("Relative depth has no common scale from window to window: leave out --window.")
            typer.echo(summarize(evaluate_relative(request, config), out))
            return
        if truth_range or clip_range or by_source:
            raise ValueError("--truth-range, --clip-range and --by-source are for --relative.")
        if config.depth_estimation_type == "relative":
            raise ValueError(f"{model} predicts relative depth, no metres: pass --relative.")
        judged = find_depth_protocol(data, protocol)
        default = config.window_size or (WINDOW_SIZE if judged.name in PUBLISHED_PROTOCOLS else None)
        options = PredictionOptions(batch_size=batch_size, flip_test=flip_test, tight_windows=tight_windows)
        options = with_window(options, window, default, config.patch_size)
        items = open_depth_dataset(
            data,
            split,
            protocol=protocol,
            split_file=split_file,
            depth_scale=depth_scale,
            num_scenes=num_images or 512,
            image_size=config.image_size,
            cache_dir=None if cache_dir is None else str(cache_dir),
        )
        items = take_first(items, num_images)
        loaded = load_model(PixioForDepthEstimation, source, device, dtype, "depth head")
        # Synthetic scenes have no protocol.
        max_depth, rules = (config.max_depth, None) if find_scene_set(data) else (judged.max_depth, judged.name)
        result = evaluation.evaluate_depth(loaded.model, loaded.processor, items, options, max_depth=max_depth)
        if not result.metrics["num_images"]:
            raise ValueError(
                f"No image has 10 depths between {config.min_depth:g} m and {max_depth:g} m: check the unit"
                " (--depth-scale)."
            )
        settings = {"model": model, "data": data, "dtype": dtype, "split": split, "protocol": rules}
        settings |= {"max_depth": max_depth, "images": options.describe()}
        report = build_report("depth", settings, result.metrics, result.seconds, num_processes())

        def draw(on_failure: OnFailure) -> dict[str, bytes]:
            drawn = (loaded.model, loaded.processor, items, result.rows, options, max_depth)
            return draw_depth_evaluation(*drawn, num_pictures, on_failure)

        if process_index() == 0:
            write_results(out, report, result.rows, draw if num_pictures else None)
    typer.echo(summarize(report, out))
