# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf compare --task scene`: encoders side by side under the same multi-view transformer and heads."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .comparison_rows import Rows, read_rows, write_rows

if TYPE_CHECKING:
    from pixio_hf.evaluation.view_probes import SceneRecipe

HEAD = "scene"
"""What stands in the place of a head's name in the rows."""


def compare_scenes(
    models: list[str],
    data: str,
    out: Path,
    recipe: "SceneRecipe",
    cache_dir: Path | None,
    device: str,
    overwrite: bool,
) -> None:
    """One row for each model; what is finished in `out` is not done again.

    Raises:
        ValueError: anything wrong with models or data, or results of other settings.
    """
    from pixio_hf.evaluation.view_probes import compare_scene_model
    from pixio_hf.quiet_loading import quiet_loading
    from pixio_hf.synthetic import SYNTHETIC_DATASETS
    from pixio_hf.vit_encoders import read_config

    from .loading import choose_device

    recipe.check()
    if len(set(models)) < len(models):
        raise ValueError("A model is named twice.")
    for model in models:
        read_config(model)
    place = choose_device(device)
    # Once through JSON, so that they can be compared with the settings in a file.
    settings = json.loads(json.dumps({"task": "scene", "data": data, "device": place.type, **asdict(recipe)}))
    rows = {} if overwrite else read_rows(out / "comparison.json", settings)
    scenes = cache_dir or (out / "scenes" if data in SYNTHETIC_DATASETS else None)
    for model in models:
        if (model, HEAD) in rows:
            typer.echo(f"{model}: finished already, kept (--overwrite does all of it again)", err=True)
            continue
        with quiet_loading():
            row = compare_scene_model(model, data, recipe, None if scenes is None else str(scenes), place)
        rows[model, HEAD] = row
        write_rows(out, settings, rows, render_page(settings, rows))
    typer.echo(render_page(settings, rows))


def render_page(settings: dict[str, Any], rows: Rows) -> str:
    """The table and how to read it."""
    from pixio_hf.evaluation.reconstruction import format_metrics

    results = {}
    for (model, _), row in rows.items():
        size, parameters = row["settings"]["image_size"], row["num_encoder_parameters"] / 1e6
        numbers = {name: float("nan") if value is None else value for name, value in row["metrics"].items()}
        results[f"{model} ({parameters:.1f} M, {size} px)"] = numbers
    trained = {row["num_trained_parameters"] for row in rows.values()}
    return "\n\n".join(
        [
            format_metrics(results),
            f"3D reconstruction of {settings['data']} from sets of {settings['num_views']} views by frozen encoders: the"
            f" same transformer and heads (about {max(trained, default=0) / 1e6:.2f} M parameters) trained for"
            f" {settings['num_steps']} steps of {settings['images_per_batch']} pictures with seed {settings['seed']},"
            " evaluated on scenes they were not trained on. In brackets: the encoder's parameters, and the longer side of"
            " the pictures, a multiple of its patch size.",
        ]
    )
