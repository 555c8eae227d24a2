# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf check-data` for folders of scenes: report.json, contact_sheet.png and a summary."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pixio_hf.data.labelled.scene_survey import SceneSurvey

NUM_SHOWN = 12  # scenes in the contact sheet
PAGE_WIDTH = 12.0  # inches


def check_scenes(
    folder: Path, report_path: Path, sheet_path: Path, limit: int | None, group: Callable[..., list[str]]
) -> int:
    """Look through the scenes of a folder, write report and contact sheet, say what was found; returns the problems.

    Raises:
        ValueError: there is no scene.
    """
    from tqdm import tqdm

    from pixio_hf.data.labelled.scene_survey import find_scene_folders, survey_scenes
    from pixio_hf.files import write_bytes, write_json
    from pixio_hf.listings import printable

    places = find_scene_folders(folder)
    if not places:
        raise ValueError(
            f"{printable(folder)} holds no scene: each is a subfolder with cameras.json or scene_meta.json."
        )
    surveys = list(tqdm(survey_scenes(folder, limit), total=len(places), desc="scenes", unit="scene"))
    num_problems = sum(len(survey.problems) for survey in surveys)
    scenes = {survey.name: survey.summary() for survey in surveys}
    write_json(
        report_path, {"folder": printable(folder), "task": "scene", "num_problems": num_problems, "scenes": scenes}
    )
    written = report_path.name
    if shown := [survey for survey in surveys if survey.sample is not None][:NUM_SHOWN]:
        write_bytes(sheet_path, draw_scenes(shown, printable(folder.resolve().name)))
        written += f" and {sheet_path.name}"
    else:
        sheet_path.unlink(missing_ok=True)  # the picture of an earlier check would show other data
    for survey in surveys:
        typer.echo(survey.line())
        for kind, texts in (("PROBLEM", survey.problems), ("warning", survey.warnings)):
            for text in group(texts, ()):
                typer.echo(f"  {kind}: {text}")
    verdict = f"{num_problems} problems" if num_problems != 1 else "1 problem"
    typer.echo(f"{verdict if num_problems else 'No problems'}; {written} in {report_path.parent}")
    return num_problems


def draw_scenes(surveys: Sequence["SceneSurvey"], heading: str) -> bytes:
    """PNG of one view of each scene, its picture beside its depth."""
    import numpy as np

    from pixio_hf.visualization.panels import Panel, Row, depth_limits, draw_page

    samples = [(survey.name, *survey.sample) for survey in surveys if survey.sample is not None]
    limits = depth_limits(*(depth for _, _, depth in samples))
    panels = [
        (Panel(np.moveaxis(picture, 0, -1), name), Panel(np.where(depth > 0, depth, np.nan), depth_range=limits))
        for name, picture, depth in samples
    ]
    rows = [Row([panel for pair in panels[start : start + 2] for panel in pair]) for start in range(0, len(panels), 2)]
    return draw_page(rows, PAGE_WIDTH, heading, "Grey: no depth.")
