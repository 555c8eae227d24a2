# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate`: its commands, options and help texts. The work itself is in `pixio_hf.cli.evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from pixio_hf_cli.options import (
    Device,
    DeviceChoice,
    Dtype,
    DtypeChoice,
    ModelName,
    OutputFolder,
    Overwrite,
    plain_errors,
)

evaluate_app = typer.Typer(
    help="""Measure a model by the protocol of the paper: depth, segmentation, k-NN.

    Writes results.json, results.md, per_image.csv, and pictures of the best, median and worst images. In several
    processes: accelerate launch -m pixio_hf_cli evaluate ... (or torchrun).
    """,
    short_help="Measure a model: depth, segmentation, k-NN.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[
    str, typer.Option("--data", metavar="DATA", help="Folder in the data set's own layout, Hub id or synthetic-rooms.")
]
Split = Annotated[str, typer.Option(metavar="NAME", help="Split of the data.")]
SplitFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Pairs to use: image and label path a line, relative to --data.")
]
Protocol = Annotated[
    str | None, typer.Option(metavar="NAME", help="Rules of a published data set [default: found by its layout].")
]
NumImages = Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first N images.")]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="N|none",
        help="Side of the windows at native size, or none: the whole image [default: the model's, else 256 for"
        " published data sets, else none].",
    ),
]
BatchSize = Annotated[int, typer.Option(metavar="N", min=1, help="Windows or images per forward pass.")]
FlipTest = Annotated[bool, typer.Option("--flip-test", help="Average with the mirrored image; not in the protocol.")]
TightWindows = Annotated[
    bool,
    typer.Option("--tight-windows", help="Fewer windows: none reaches over the border; not in the protocol."),
]
NumPictures = Annotated[int, typer.Option(metavar="N", min=0, help="Rows in each picture; 0: no pictures.")]


@evaluate_app.command("depth", short_help="Nine depth metrics.")
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
    depth_scale: Annotated[
        float | None,
        typer.Option(metavar="X", help="Metres per unit stored in depth files [default: the protocol's]."),
    ] = None,
    cache_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keeps synthetic scenes once they are rendered.")
    ] = None,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
    overwrite: Overwrite = False,
) -> None:
    """Depth: nine metrics per image at native size, averaged over images. Protocols: nyuv2, kitti, folder.

    \b
    Example:
      pixio-hf evaluate depth --model pixio-tiny-depth --data synthetic-rooms --num-images 64 --out results
    """
    with plain_errors(model, extra="demo" if num_pictures else None):
        from pixio_hf.cli.evaluate import Request, run_evaluate_depth, summarize
        from pixio_hf.evaluation.prediction import PredictionOptions

        request = Request(model, out, device.value, dtype.value, num_images, num_pictures, overwrite)
        options = PredictionOptions(batch_size=batch_size, flip_test=flip_test, tight_windows=tight_windows)
        report = run_evaluate_depth(
            request, data, split, options, window, protocol, split_file, depth_scale, cache_dir
        )
    typer.echo(summarize(report, out))


@evaluate_app.command("segmentation", short_help="Mean intersection over union.")
def evaluate_segmentation(
    model: ModelName,
    data: Data,
    out: OutputFolder,
    split: Split = "val",
    split_file: SplitFile = None,
    protocol: Protocol = None,
    num_images: NumImages = None,
    window: Window = None,
    batch_size: BatchSize = 16,
    flip_test: FlipTest = False,
    tight_windows: TightWindows = False,
    num_pictures: NumPictures = 4,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
    overwrite: Overwrite = False,
) -> None:
    """Segmentation: mean IoU in percent from pixel counts of the whole data set. Protocols: ade20k, voc, loveda, folder.

    \b
    Example:
      pixio-hf evaluate segmentation --model runs/ade20k/model --data ADEChallengeData2016 --out results
    """
    with plain_errors(model, extra="demo" if num_pictures else None):
        from pixio_hf.cli.evaluate import Request, run_evaluate_segmentation, summarize
        from pixio_hf.evaluation.prediction import PredictionOptions

        request = Request(model, out, device.value, dtype.value, num_images, num_pictures, overwrite)
        options = PredictionOptions(batch_size=batch_size, flip_test=flip_test, tight_windows=tight_windows)
        report = run_evaluate_segmentation(request, data, split, options, window, protocol, split_file)
    typer.echo(summarize(report, out))


@evaluate_app.command("knn", short_help="k-NN accuracy of the class tokens.")
def evaluate_knn(
    train: Annotated[str, typer.Option(metavar="DIR", help="Training images: a folder per class.")],
    test: Annotated[str, typer.Option(metavar="DIR", help="Test images: a folder per class, named as in --train.")],
    out: OutputFolder,
    model: ModelName = "pixio-tiny",
    num_neighbors: Annotated[
        list[int] | None,
        typer.Option(
            "--k",
            metavar="K",
            min=1,
            help="Neighbours that vote; repeat it for several [default: those of 10, 20, 100, 200 that the training"
            " images suffice for].",
        ),
    ] = None,
    num_images: NumImages = None,
    batch_size: BatchSize = 128,
    device: DeviceChoice = Device.auto,
    dtype: DtypeChoice = Dtype.float32,
    overwrite: Overwrite = False,
) -> None:
    """k-NN: top-1 and top-5 accuracy of a weighted vote of the nearest training images, without any training.

    \b
    Example:
      pixio-hf evaluate knn --model pixio-tiny --train flowers/train --test flowers/test --k 10 --out results
    """
    with plain_errors(model):
        from pixio_hf.cli.evaluate import Request, run_evaluate_knn, summarize

        request = Request(model, out, device.value, dtype.value, num_images, 0, overwrite)
        report = run_evaluate_knn(request, train, test, num_neighbors or None, batch_size)
    typer.echo(summarize(report, out))
