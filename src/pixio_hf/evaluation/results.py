# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What an evaluation found, as JSON for programs, Markdown for people and a CSV line per image; what the paper found."""

import csv
import io
import json
import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers

import pixio_hf

from ..listings import is_utf8, printable
from ..shown_text import markdown_text


def build_report(
    task: str, settings: Mapping[str, Any], metrics: Mapping[str, Any], seconds: float, num_processes: int = 1
) -> dict[str, Any]:
    """Everything needed to read the numbers later: settings, metrics (None for NaN), time and versions."""
    return {
        "task": task,
        "settings": {name: _printable(value) for name, value in settings.items()},
        "metrics": {name: _without_nan(value) for name, value in metrics.items()},
        "seconds": round(seconds, 2),
        "num_processes": num_processes,
        "versions": {
            "pixio_hf": pixio_hf.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        },
    }


def _printable(value: Any) -> Any:
    """Text as it can be written in UTF-8: names of files need not be."""
    return printable(value) if isinstance(value, str) and not is_utf8(value) else value


def _without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def render_json(report: Mapping[str, Any]) -> str:
    """The report as indented JSON."""
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def render_markdown(report: Mapping[str, Any], pictures: Sequence[str] = (), class_names: Sequence[str] = ()) -> str:
    """The report as a page: metrics, the score of every class where there is one, settings, and pictures beside it."""
    settings, metrics = report["settings"], dict(report["metrics"])
    iou_per_class = metrics.pop("iou_per_class", None)
    images = metrics["num_images"]
    speed = f"{images / report['seconds']:.2f} images/s" if report["seconds"] else "too short to measure"
    # Not capitalize(), which would write "K-nn".
    task = report["task"][:1].upper() + report["task"][1:]
    lines = [f"# {task} of {markdown_text(settings['model'])} on {markdown_text(settings['data'])}", ""]
    lines += [*_table(("metric", "value"), metrics.items()), ""]
    if iou_per_class is not None:
        lines += [*_table(("class", "IoU (%)"), zip(class_names, iou_per_class, strict=True)), ""]
    lines += [*_table(("setting", "value"), settings.items()), ""]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    processes = "1 process" if report["num_processes"] == 1 else f"{report['num_processes']} processes"
    lines += [f"{report['seconds']} s with {processes} ({speed}); {versions}.", ""]
    for picture in pictures:
        lines += [f"![{picture.rpartition('.')[0]}]({picture})", ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(header: tuple[str, str], rows: Any) -> list[str]:
    def show(value: Any) -> str:
        return f"{value:.4f}" if isinstance(value, float) else "-" if value is None else markdown_text(value)

    return [f"| {header[0]} | {header[1]} |", "|---|---|", *(f"| {show(a)} | {show(b)} |" for a, b in rows)]


def render_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per image, with the columns of the first row."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _printable(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()
