# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The `pixio-hf` command line: one file per command, with its options, its help text and its work.

The package lies beside pixio_hf because importing anything from that registers its classes with transformers and loads
torch, which takes seconds; `pixio-hf --help` must answer at once. So commands import what is heavy when they run.
"""

import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from . import (
    check_data,
    compare,
    convert,
    demo,
    depth,
    evaluate,
    evaluate_depth,
    evaluate_knn,
    evaluate_scene,
    evaluate_segmentation,
    export,
    features,
    info,
    models,
    push,
    reconstruct,
    scene,
    serve_app,
)
from .messages import verbosity

app = typer.Typer(
    name="pixio-hf",
    help="Pixio on your photos: metric depth, reconstruction from a quarter of the patches, pictures of the features.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("depth", short_help="Metric depth, in millimetres and in colour.")(depth.depth)
app.command("reconstruct", short_help="Hide most of a photo and fill it in.")(reconstruct.reconstruct)
app.command("features", short_help="Patch features as colours.")(features.features)
app.command("scene", short_help="Several photos of one place in 3D.")(scene.scene)
app.command("demo", short_help="All of it on bundled photos: contact sheet, web page.")(demo.demo)
app.command("app", short_help="All of it in the browser.")(serve_app.serve_app)
app.command("models", short_help="Every short name: size, licence, and whether it is here.")(models.list_models)
app.command("info", short_help="What a checkpoint is, and which there are.")(info.info)
app.command("check-data", short_help="Look through a data set before training on it.")(check_data.check_data)
app.add_typer(evaluate.evaluate_app, name="evaluate")
evaluate.evaluate_app.command("depth", short_help="Nine depth metrics.")(evaluate_depth.evaluate_depth)
evaluate.evaluate_app.command("segmentation", short_help="Mean intersection over union.")(
    evaluate_segmentation.evaluate_segmentation
)
evaluate.evaluate_app.command("knn", short_help="k-NN accuracy of the class tokens.")(evaluate_knn.evaluate_knn)
evaluate.evaluate_app.command("scene", short_help="3D reconstruction from several views.")(
    evaluate_scene.evaluate_scene
)
app.command("compare", short_help="Encoders side by side: MAE, DINOv2, DINOv3, Pixio.")(compare.compare)
app.command("convert", short_help="An original checkpoint as a folder for from_pretrained.")(convert.convert)
app.command("export", short_help="A model for ONNX Runtime or OpenVINO, verified.")(export.export)
app.command("push", short_help="Upload a checkpoint folder to the Hub.")(push.push)


def show_version(wanted: bool) -> None:
    """Print the version and leave, if it is wanted."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"pixio-hf {version('pixio-hf')}")
        raise typer.Exit


@app.callback()
def set_up(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what transformers does, and tracebacks of errors.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors and results only.")] = False,
) -> None:
    """Pixio on your photos: metric depth, reconstruction from a quarter of the patches, pictures of the features."""
    if verbose and quiet:
        raise typer.BadParameter("Give --verbose or --quiet, not both.")
    context.with_resource(verbosity(verbose, quiet))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `pixio-hf`; without arguments those of the process."""
    # Without a handler SIGTERM would end the process at once, and its temporary files would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app(arguments, prog_name="pixio-hf")
