# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Rows of `pixio-hf compare` on disk: what an earlier call finished is read, continued and written as a page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Rows = dict[tuple[str, str], dict[str, Any]]
"""Finished rows by model and head."""


def read_rows(results: Path, settings: dict[str, Any]) -> Rows:
    """Finished rows of an earlier call.

    Raises:
        ValueError: the file cannot be read, or was made with other settings.
    """
    if not results.is_file():
        return {}
    try:
        report = json.loads(results.read_text())
        rows = {(row["model"], row["head"]): row for row in report["rows"]}
        found = report["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{results} is not a comparison that can be continued ({error}); pass --overwrite."
        ) from error
    different = [
        f"{name} ({found.get(name)}, now {settings.get(name)})"
        for name in dict.fromkeys([*settings, *found])
        if found.get(name) != settings.get(name)
    ]
    if different:
        raise ValueError(
            f"{results} was made with other settings: {', '.join(different)}. Rows of both would not be comparable:"
            " choose another --out, or pass --overwrite."
        )
    return rows


def announce(wanted: Sequence[tuple[str, str]], missing: Sequence[tuple[str, str]], results: Path) -> None:
    """Say which rows are kept, and which models come without an image processor."""
    from tqdm import tqdm

    from pixio_hf.vit_encoders import find_normalization, read_config

    for model, head in wanted:
        if (model, head) not in missing:
            tqdm.write(f"{model}, {head}: finished already in {results}, kept (--overwrite does all of it again)")
    for model in dict.fromkeys(model for model, _ in missing):
        normalization = find_normalization(model, read_config(model).model_type)
        if normalization.source != "its image processor":
            tqdm.write(
                f"{model} has no preprocessor_config.json: normalised with mean {normalization.mean} and std"
                f" {normalization.std}, the {normalization.source}"
            )


def write_rows(out: Path, settings: dict[str, Any], rows: Rows, page: str) -> None:
    """Write comparison.md, which is the page, and comparison.json, each whole or not at all."""
    from pixio_hf.evaluation.results import render_json
    from pixio_hf.files import write_text

    write_text(out / "comparison.md", page + "\n")
    write_text(out / "comparison.json", render_json({"settings": settings, "rows": list(rows.values())}))


def render_page(settings: dict[str, Any], rows: Rows) -> str:
    """The table and how to read it."""
    from pixio_hf.evaluation.comparison import render_table

    memory = "of tensors on the GPU" if settings["device"] == "cuda" else "of the whole process, libraries included"
    kind = "Relative depth, aligned per image," if settings.get("relative") else "Depth"
    notes = [
        f"{kind} on {settings['data']} from frozen encoders: each head trained for {settings['num_steps']} steps of"
        f" {settings['batch_size']} images with seed {settings['seed']}, evaluated on images it was not trained on.",
        f"ms per image: encoder and head, one crop at a time. Peak memory: {memory}, in training and evaluation.",
    ]
    if any(row["paper"] for row in rows.values()):
        notes.append("Columns marked paper: arXiv 2512.15715, its data and its full recipe; not measured here.")
    for row in rows.values():
        if (source := row["settings"]["normalization"]["source"]) != "its image processor":
            notes.append(f"{row['model']} came without image processor: normalised with the {source}.")
    return "\n\n".join([render_table(list(rows.values())), *dict.fromkeys(notes)])
