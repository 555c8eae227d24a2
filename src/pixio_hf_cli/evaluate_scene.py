# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate scene`: eight metrics of 3D reconstruction per set of views, as the paper's table T3."""

from pathlib import Path
from typing import Annotated

import typer

from .evaluate import begin_evaluation, summarize
from .messages import plain_errors
from .options import Device, Dtype, ModelName, OutputFolder, Overwrite
from .scene import MODEL


def evaluate_scene(
    data: Annotated[
        str,
        typer.Option(
            "--data", metavar="DATA", help="synthetic-rooms, synthetic-outdoors, or a folder of scenes, one each."
        ),
    ],
    out: OutputFolder,
    model: ModelName = MODEL,
    num_views: Annotated[int, typer.Option(metavar="N", min=1, help="Views of a set; 2 in the protocol.")] = 2,
    sets_per_scene: Annotated[
        int, typer.Option(metavar="N", min=1, help="Sets of views of each scene of a folder; 10 in the protocol.")
    ] = 10,
    min_covisibility: Annotated[
        float, typer.Option(metavar="S", help="Share that views must have in common; 0.025 for ETH3D.")
    ] = 0.25,
    num_scenes: Annotated[int, typer.Option(metavar="N", min=1, help="Held-out rendered scenes.")] = 160,
    image_size: Annotated[
        int | None, typer.Option(metavar="N", min=16, help="Longer side of the views [default: the model's].")
    ] = None,
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Sets per forward pass.")] = 10,
    cache_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keeps rendered scenes, and what pairs of views have in common.")
    ] = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    overwrite: Overwrite = False,
) -> None:
    """3D reconstruction: points, depth, cameras and metric scale of sets of views, averaged over sets (table T3).

    Rendered scenes say nothing about photographs. --dtype bfloat16 predicts under autocast, as the protocol does. Each
    line of per_image.csv is a set.

    \b
    Example:
      pixio-hf evaluate scene --model pixio-tiny-3d --data synthetic-rooms --out results
      pixio-hf evaluate scene --model path/to/model --data eth3d --min-covisibility 0.025 --dtype bfloat16 --out eth3d
    """
    with plain_errors(model):
        from pixio_hf.bundled import find_checkpoint
        from pixio_hf.data.labelled.scene_sets import open_scene_sets
        from pixio_hf.evaluation.processes import num_processes, process_index
        from pixio_hf.evaluation.reconstruction import evaluate_reconstruction, format_metrics, model_predictor
        from pixio_hf.evaluation.result_files import write_results
        from pixio_hf.evaluation.results import build_report
        from pixio_hf.modeling_pixio_reconstruction import PixioForReconstruction

        from .loading import load_model

        source = find_checkpoint(model)
        begin_evaluation(source, out, overwrite)
        loaded = load_model(PixioForReconstruction, source, device, "float32", "reconstruction heads")
        side = image_size or loaded.processor.view_size
        sets = open_scene_sets(
            data,
            num_views,
            image_size=side,
            divisor=loaded.model.config.patch_size,
            num_scenes=num_scenes,
            sets_per_scene=sets_per_scene,
            min_covisibility=min_covisibility,
            cache_dir=cache_dir,
        )
        predict = model_predictor(loaded.model, dtype == "bfloat16")
        result = evaluate_reconstruction(predict, sets, batch_size)
        settings = {"model": model, "data": data, "dtype": dtype, "num_views": num_views, "longer_side": side}
        settings |= {"sets_per_scene": len(sets) // len(sets.source), "min_covisibility": min_covisibility}
        metrics = {**result.metrics, "num_images": num_views * len(sets)}
        report = build_report("3D reconstruction", settings, metrics, result.seconds, num_processes())
        if process_index() == 0:
            write_results(out, report, result.rows)
            typer.echo(format_metrics({f"{model}, {num_views} views": result.metrics}))
    typer.echo(summarize(report, out))
