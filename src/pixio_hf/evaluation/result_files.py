# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The files of an evaluation: first the numbers, whole or not at all, then pictures, which must not cost them."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..files import write_bytes, write_text
from ..shown_text import show_text
from .results import render_csv, render_json, render_markdown

PICTURES = ("best.png", "median.png", "worst.png")
RESULT_FILES = ("results.json", "results.md", "per_image.csv", *PICTURES)
# What to do with a picture that cannot be drawn; and what draws, given that: PNG of "best", "median" and "worst".
OnFailure = Callable[[str, Exception], None]
DrawPictures = Callable[[OnFailure], dict[str, bytes]]


def write_results(
    out: Path,
    report: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    draw: DrawPictures | None = None,
    class_names: Sequence[str] = (),
) -> None:
    """Write RESULT_FILES: the numbers, results.json last, so that where it is they are whole; then what `draw` makes.

    A picture that cannot be drawn or written is named in a warning and left out.
    """
    for picture in PICTURES:
        # A smaller evaluation must not leave pictures of the one before.
        (out / picture).unlink(missing_ok=True)

    def write_page(pictures: Sequence[str]) -> None:
        write_text(out / "results.md", render_markdown(report, pictures, class_names))

    write_text(out / "per_image.csv", render_csv(rows))
    write_page(())
    write_text(out / "results.json", render_json(report))
    if draw is None:
        return

    def warn(kind: str, error: Exception) -> None:
        reason = show_text(" ".join(str(error).split()) or type(error).__name__, 300)
        tqdm.write(f"Warning: {kind}.png could not be drawn: {reason}. The results are whole.", file=sys.stderr)

    written = []
    for kind, content in draw(warn).items():
        try:
            write_bytes(out / f"{kind}.png", content)
            written.append(f"{kind}.png")
        except (OSError, ValueError) as error:
            warn(kind, error)
    try:
        write_page(written)
    except (OSError, ValueError) as error:
        tqdm.write(f"Warning: results.md names no pictures: {error}. The results are whole.", file=sys.stderr)
