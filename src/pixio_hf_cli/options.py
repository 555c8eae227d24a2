# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Options that several commands of `pixio-hf` share, each spelled once; imports nothing heavy."""

from pathlib import Path
from typing import Annotated, Literal

import typer

RESULTS_FOLDER = Path("pixio-results")
"""Where `depth`, `features` and `reconstruct` write unless --out names another folder."""

# Of `depth`, `features` and `reconstruct`: what goes in, and what happens to results that exist.
Photos = Annotated[
    list[str],
    typer.Argument(
        metavar="PHOTO", help="Photos, videos, folders of them, patterns such as '*.jpg', or http(s) addresses."
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Also look into the folders below a folder.")]
AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private-addresses", help="Also fetch from this machine and private networks, if you trust them."
    ),
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out photos and videos whose results exist already.")
]

# Of most commands. The training scripts say --output_dir.
OutputFolder = Annotated[
    Path, typer.Option("--out", "--output_dir", metavar="DIR", help="Folder for the results, made if needed.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist already.")]
ModelName = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="Checkpoint folder, Hub id or short name.", show_default=True)
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", help="Where to compute; auto: the GPU if there is one."),
]
Dtype = Annotated[Literal["float32", "bfloat16"], typer.Option("--dtype", help="Number format to compute in.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", metavar="N", min=1, help="Images, or windows of them, computed at once.")
]
NumWorkers = Annotated[
    int,
    typer.Option(
        "--num-workers",
        metavar="N",
        min=0,
        help="Batches of photos read, computed and written at once; 0: one after the other, in the least memory.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn at random.")]

# Of `depth`, `features` and `reconstruct`: what the model sees of a photo.
ShortSide = Annotated[
    int | None,
    typer.Option("--size", metavar="N", help="Short side in pixels the model sees [default: its native size]."),
]

# Of the commands that read labelled data.
Data = Annotated[
    str, typer.Option("--data", metavar="DATA", help="Folder in the data set's own layout, Hub id or synthetic-rooms.")
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="Split of the data.")]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        "--split-file",
        metavar="FILE",
        help="Pairs to use: image and label path a line, relative to the data set's folder.",
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol", metavar="NAME", help="Layout and rules of a published data set [default: found by its layout]."
    ),
]
DepthScale = Annotated[
    float | None,
    typer.Option(
        "--depth-scale",
        metavar="X",
        help="Metres per unit of the depth files (0.001: millimetres) [default: the protocol's].",
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", metavar="DIR", help="Keeps synthetic scenes once they are rendered."),
]
Relative = Annotated[
    bool,
    typer.Option("--relative", help="Depth up to scale and shift: aligned with the truth of each image, then judged."),
]

# Of `convert` and `push`.
Private = Annotated[bool, typer.Option("--private/--public", help="Who sees the repository, if it is a new one.")]
WithCode = Annotated[bool, typer.Option("--with-code", help="Add code, to load it where pixio_hf is not installed.")]
