# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The `pixio-hf` command line: commands, options and help texts. The work itself is in `pixio_hf.cli`.

This module lies beside the package because importing anything from `pixio_hf` registers its classes with transformers
and loads torch, which takes seconds; `pixio-hf --help` must answer at once. So each command imports its work when it
runs.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from pixio_hf_cli.compare import compare
from pixio_hf_cli.data import check_data
from pixio_hf_cli.evaluate import evaluate_app
from pixio_hf_cli.models import list_models
from pixio_hf_cli.options import (
    Device,
    DeviceChoice,
    Dtype,
    DtypeChoice,
    ModelName,
    OutputFolder,
    Overwrite,
    Photos,
    plain_errors,
    verbosity,
)
from pixio_hf_cli.result_files import (
    FEATURE_ENDINGS,
    RECONSTRUCTION_ENDINGS,
    check_folder,
    depth_endings,
    plan_outputs,
    show_name,
)

app = typer.Typer(
    name="pixio-hf",
    help="Pixio on your photos: metric depth, reconstruction from a quarter of the patches, pictures of the features.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(evaluate_app, name="evaluate")
app.command(short_help="Encoders side by side: MAE, DINOv2, DINOv3, Pixio.")(compare)
app.command("models", short_help="Every short name: size, licence, and whether it is here.")(list_models)
app.command("check-data", short_help="Look through a data set before training on it.")(check_data)


def show_version(wanted: bool) -> None:
    """Print the version and leave, if it is wanted."""
    if wanted:
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


@app.command(short_help="Metric depth, in millimetres and in colour.")
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
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
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
        plan_outputs(photos, out, depth_endings(npy), overwrite)
        from pixio_hf.cli.depth import run_depth

        failures = run_depth(photos, out, model, device.value, dtype.value, size, window, npy, overwrite)
    finish(failures, len(photos), out)


@app.command(short_help="Hide most of a photo and fill it in.")
def reconstruct(
    photos: Photos,
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    mask_ratio: Annotated[
        float | None, typer.Option(metavar="R", help="Share of the blocks to hide, in [0, 1) [default: the model's].")
    ] = None,
    mask_grid_size: Annotated[
        int | None, typer.Option(metavar="N", help="Side of a hidden block, in patches [default: the model's].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the mask; every photo gets the same mask.")] = 0,
    size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Side of the square it is resized to [default: the model's native size]."),
    ] = None,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
    overwrite: Overwrite = False,
) -> None:
    """Hide most of a photo and let the model fill it in: original, masked and reconstructed side by side.

    For every PHOTO, writes NAME_reconstruction.png and prints the loss over the hidden pixels. The model needs a
    decoder: a pre-training checkpoint.

    \b
    Example:
      pixio-hf reconstruct cat.jpg --out results --mask-ratio 0.5 --seed 3
    """
    with plain_errors(model, extra="demo"):
        plan_outputs(photos, out, RECONSTRUCTION_ENDINGS, overwrite)
        from pixio_hf.cli.reconstruct import run_reconstruct

        failures = run_reconstruct(
            photos, out, model, device.value, dtype.value, mask_ratio, mask_grid_size, seed, size, overwrite
        )
    finish(failures, len(photos), out)


@app.command(short_help="Patch features as colours.")
def features(
    photos: Photos,
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    size: Annotated[
        int, typer.Option(metavar="N", help="Short side in pixels the model sees; larger: a finer picture.")
    ] = 448,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
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
        plan_outputs(photos, out, FEATURE_ENDINGS, overwrite)
        from pixio_hf.cli.features import run_features

        failures = run_features(photos, out, model, device.value, dtype.value, size, overwrite)
    finish(failures, len(photos), out)


@app.command(short_help="What a checkpoint is, and which there are.")
def info(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Checkpoint folder, Hub id or short name.", show_default=False),
    ] = None,
    model_option: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="The same, as an option.", show_default=False)
    ] = None,
) -> None:
    """What a checkpoint is, from its configuration and file headers; without MODEL: what there is to choose from.

    \b
    Example:
      pixio-hf info pixio-tiny-depth
    """
    with plain_errors(*filter(None, (model, model_option))):
        if model is not None and model_option is not None:
            raise ValueError("Give the model once: as an argument or as --model.")
        from pixio_hf.cli.info import describe_choices, describe_model

        name = model or model_option
        typer.echo(describe_model(name) if name else describe_choices())


@app.command(short_help="All of it on bundled photos: contact sheet, web page.")
def demo(
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    depth_model: Annotated[
        str, typer.Option(metavar="MODEL", help="Checkpoint folder, Hub id or short name, for depth.")
    ] = "pixio-tiny-depth",
    num_scenes: Annotated[
        int, typer.Option(metavar="N", min=1, max=16, help="How many held-out synthetic rooms to render.")
    ] = 3,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
    overwrite: Overwrite = False,
) -> None:
    """Everything at once on bundled photos and rendered rooms: a contact sheet and a web page.

    Writes demo.png, index.html and the pictures of depth, reconstruct and features.

    \b
    Example:
      pixio-hf demo --out demo
    """
    with plain_errors(model, depth_model, extra="demo"):
        check_folder(out)
        from pixio_hf.cli.demo import run_demo

        lines = run_demo(out, model, depth_model, num_scenes, device.value, dtype.value, overwrite)
    for line in lines:
        typer.echo(line)


def finish(failures: Sequence[tuple[Path, str]], num_photos: int, out: Path) -> None:
    """Say where the results are; list the photos that failed, if any, and exit with code 1."""
    done = num_photos - len(failures)
    if done:
        typer.echo(
            f"{done} of {num_photos} {'photo' if num_photos == 1 else 'photos'} done, results in {show_name(out)}"
        )
    for photo, message in failures:
        typer.echo(f"Failed: {show_name(photo)}: {message}", err=True)
    if failures:
        raise typer.Exit(1)


def main() -> None:
    """Entry point of `pixio-hf`."""
    app(prog_name="pixio-hf")
