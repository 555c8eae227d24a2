# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf export`: a model for ONNX Runtime or OpenVINO, or as a graph of torch.export, verified on photographs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .early_checks import show_name
from .messages import plain_errors
from .options import Overwrite


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Checkpoint folder, Hub id or short name.")],
    output_dir: Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder to make.")],
    format: Annotated[Literal["onnx", "openvino", "torch"], typer.Option(help="Runtime to export to.")] = "onnx",
    dtype: Annotated[
        Literal["float32", "float16", "bfloat16", "int8", "int8-weights"],
        typer.Option(help="Number format; int8 needs --calibration, int8-weights leaves activations alone."),
    ] = "float32",
    task: Annotated[
        Literal["auto", "encoder", "backbone", "depth", "segmentation", "classification", "reconstruction"],
        typer.Option(help="What to export; auto: what the checkpoint is for."),
    ] = "auto",
    calibration: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Photographs like those it will see, for int8.")
    ] = None,
    num_views: Annotated[
        int | None, typer.Option("--views", metavar="N", help="Views of a scene, for reconstruction [default: 2].")
    ] = None,
    opset: Annotated[int | None, typer.Option(metavar="N", help="ONNX opset [default: 20].")] = None,
    max_difference: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Mean difference from torch that is allowed [default: by --dtype]."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Export a model, compare it with torch on photographs, and write it only if it says the same.

    Batches and image sizes stay open. `--model OUTPUT_DIR` then works in `pixio-hf depth`.

    \b
    Example:
      pixio-hf export pixio-tiny-depth tiny-onnx
      pixio-hf export runs/depth/model depth-int8 --format openvino --dtype int8 --calibration photos
    """
    with plain_errors(model):
        from pixio_hf.export.formats import choose_format, require_packages

        require_packages(choose_format(format, dtype), dtype)
        from pixio_hf.export.export import export_model
        from pixio_hf.export.verification import Difference

        record = export_model(
            model,
            output_dir,
            format=format,
            dtype=dtype,
            task=task,
            calibration=calibration,
            num_views=num_views,
            opset=opset,
            max_difference=max_difference,
            overwrite=overwrite,
        )
        verification = record["verification"]
        typer.echo(f"{record['task']} model in {dtype} for {format}: {show_name(output_dir)}")
        typer.echo(f"Differences from torch in float32 on photographs, {100 * verification['limit']:g} % allowed:")
        for values in verification["differences"].values():
            typer.echo(f"  {Difference(**values).describe()}")
