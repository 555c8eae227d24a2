# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options that the commands of `pixio-hf` share, and how they report errors; imports nothing heavy."""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .option_names import find_command, name_options


class Device(str, Enum):
    """Where a model runs; auto is the GPU where there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Dtype(str, Enum):
    """Number format a model computes in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photos: any format that Pillow reads.")]
OutputFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results, made if needed.")]
ModelName = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Checkpoint folder, Hub id or bundled name.", show_default=True)
]
DeviceChoice = Annotated[Device, typer.Option("--device", help="Where to compute; auto: the GPU if there is one.")]
DtypeChoice = Annotated[Dtype, typer.Option("--dtype", help="Number format to compute in.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist already.")]


class plain_errors:
    """Turn what a user can mend (wrong values, unreadable files) into one line on stderr and exit code 2.

    PIXIO_HF_TRACEBACK=1 in the environment shows the traceback instead.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ValueError | OSError) and not os.environ.get("PIXIO_HF_TRACEBACK"):
            typer.echo(f"Error: {name_options(str(error), find_command())}", err=True)
            raise typer.Exit(2) from error
