# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf evaluate`: what its commands share, their options and how an evaluation begins and ends."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .early_checks import check_targets

if TYPE_CHECKING:
    from pixio_hf.evaluation.prediction import PredictionOptions

evaluate_app = typer.Typer(
    help="""Measure a model by the protocol of the paper: depth, segmentation, k-NN.

    Writes results.json, results.md, per_image.csv, and pictures of the best, median and worst images. In several
    processes: accelerate launch -m pixio_hf_cli evaluate ... (or torchrun).
    """,
    short_help="Measure a model: depth, segmentation, k-NN.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NumImages = Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first N images.")]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="N|none",
        help="Side of the windows at native size, or none: the whole image [default: the model's, else 256 for"
        " published data sets, else none].",
    ),
]
FlipTest = Annotated[bool, typer.Option("--flip-test", help="Average with the mirrored image; not in the protocol.")]
TightWindows = Annotated[
    bool,
    typer.Option("--tight-windows", help="Fewer windows: none reaches over the border; not in the protocol."),
]
NumPictures = Annotated[int, typer.Option(metavar="N", min=0, help="Rows in each picture; 0: no pictures.")]


def begin_evaluation(source: str, out: Path, overwrite: bool) -> Any:
    """Join the other processes, and read the configuration of a checkpoint that `find_checkpoint` found.

    Raises:
        ValueError: for anything that would only come up when all the work is done.
    """
    from pixio_hf.evaluation.processes import join_processes
    from pixio_hf.evaluation.result_files import RESULT_FILES

    from .loading import load_config

    check_targets([out / name for name in RESULT_FILES], out, overwrite)
    config = load_config(source)
    join_processes()
    return config


def take_first(items: Any, num_images: int | None) -> Any:
    """The first `num_images` items, or all. ValueError where there are not as many."""
    from torch.utils.data import Subset

    if num_images is None:
        return items
    if not 1 <= num_images <= len(items):
        raise ValueError(f"--num-images {num_images} must lie between 1 and the {len(items)} that there are.")
    return Subset(items, range(num_images))


def with_window(
    options: "PredictionOptions", window: str | None, default: int | None, patch_size: int
) -> "PredictionOptions":
    """Options with the --window of a command: a number of pixels, "none" for the whole image, or the default.

    Raises:
        ValueError: no such number, or options that do not fit to it or to the patch size.
    """
    from dataclasses import replace

    if window is None:
        side = default
    elif window.lower() == "none":
        side = None
    elif window.isdigit():
        side = int(window)
    else:
        raise ValueError(f"--window must be a number of pixels or none, got {window!r}.")
    options = replace(options, window_size=side)
    options.check(patch_size)
    return options


def summarize(report: dict[str, Any], out: Path) -> str:
    """The metrics in one line, and the folder of the rest."""
    shown = (
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in report["metrics"].items()
        if not isinstance(value, list) and not (name == "num_skipped" and value == 0)
    )
    return f"{', '.join(shown)}\nResults in {out}"
