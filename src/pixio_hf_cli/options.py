# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options that several commands of `pixio-hf` share; imports nothing heavy."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photos: any format that Pillow reads.")]
OutputFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results, made if needed.")]
ModelName = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Checkpoint folder, Hub id or short name.", show_default=True)
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", help="Where to compute; auto: the GPU if there is one."),
]
Dtype = Annotated[Literal["float32", "bfloat16"], typer.Option("--dtype", help="Number format to compute in.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist already.")]

# Of `convert` and `push`.
Private = Annotated[bool, typer.Option("--private/--public", help="Who sees the repository, if it is a new one.")]
WithCode = Annotated[bool, typer.Option("--with-code", help="Add code, to load it where pixio_hf is not installed.")]
