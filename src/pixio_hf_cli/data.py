# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf check-data`: options and help text. The work itself is in `pixio_hf.cli.check_data`."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pixio_hf_cli.options import OutputFolder, Overwrite, plain_errors


class Task(str, Enum):
    """What a data set is for."""

    depth = "depth"
    segmentation = "segmentation"
    classification = "classification"


class DataProtocol(str, Enum):
    """Layout of a data set on disk, and what its labels mean."""

    nyuv2 = "nyuv2"
    kitti = "kitti"
    ade20k = "ade20k"
    voc = "voc"
    loveda = "loveda"
    folder = "folder"


def check_data(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The data set: its root folder.")],
    out: OutputFolder = Path("data_check"),
    task: Annotated[Task | None, typer.Option(help="What it is for [default: as its layout shows].")] = None,
    protocol: Annotated[
        DataProtocol | None, typer.Option(help="Layout and meaning of the labels [default: as its layout shows].")
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="train or val [default: all].")] = None,
    split_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help='Check the pairs "image label" of this list, one a line.')
    ] = None,
    depth_scale: Annotated[
        float | None,
        typer.Option(
            metavar="M", help="Metres per unit of the depth files (0.001: millimetres) [default: protocol's]."
        ),
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option(metavar="N", help="Classes of the masks in a folder of your own [default: counted].")
    ] = None,
    reduce_labels: Annotated[
        bool | None,
        typer.Option(
            "--reduce-labels/--no-reduce-labels",
            help="Masks count from 1 with 0 = no class, or from 0 with 255 = no class [default: found out for ade20k"
            " and loveda, else from 0].",
        ),
    ] = None,
    image_column: Annotated[str, typer.Option(metavar="NAME", help="Column of the images, in a table.")] = "image",
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column of the labels, in a table [default: depth, segmentation_map, label]."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Read only N samples of each split, evenly spread.")
    ] = None,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside", help="Accept split files and metadata.jsonl that name files outside of FOLDER."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Check a data set before training: sizes, missing and unreadable files, units, class numbers; a contact sheet.

    Writes contact_sheet.png (images beside their labels in colours) and report.json (everything found). Exit code 1
    when there are problems.

    \b
    Example:
      pixio-hf check-data rooms --task depth --depth-scale 0.001 --out rooms_check
    """
    with plain_errors():
        from pixio_hf.cli.check_data import run_check_data
        from pixio_hf.cli.data_splits import DataRequest

        request = DataRequest(
            folder=folder,
            task=task.value if task else None,
            protocol=protocol.value if protocol else None,
            split=split,
            split_file=split_file,
            depth_scale=depth_scale,
            num_classes=num_classes,
            do_reduce_labels=reduce_labels,
            image_column=image_column,
            label_column=label_column,
            allow_outside=allow_outside,
        )
        lines, num_problems = run_check_data(request, out, limit, overwrite)
    for line in lines:
        typer.echo(line)
    if num_problems:
        raise typer.Exit(1)
