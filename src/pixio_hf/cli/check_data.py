# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf check-data`: look through a data set before training on it: report.json, contact_sheet.png and a summary."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..listings import printable
from ..visualization.contact_sheet import draw_contact_sheet
from .data_splits import DataRequest, Split, compare_classes, find_splits, find_task
from .files import check_targets, write_bytes
from .mask_survey import MaskSurvey, settle_classes
from .survey_text import group_equal, name_options

NUM_SHOWN = 20
_CHUNK = 64


def run_check_data(request: DataRequest, out: Path, limit: int | None, overwrite: bool) -> tuple[list[str], int]:
    """Check a data set; returns the lines to show and the number of problems. Writes report.json, contact_sheet.png.

    limit: how many samples of a split are read, evenly spread; None reads all. Missing files are found in any case.

    Raises:
        ValueError: nothing to check there, or results exist and may not be replaced.
    """
    try:
        return _check(request, out, limit, overwrite)
    except ValueError as error:
        raise ValueError(name_options(str(error))) from error


def _check(request: DataRequest, out: Path, limit: int | None, overwrite: bool) -> tuple[list[str], int]:
    targets = [out / "report.json", out / "contact_sheet.png"]
    check_targets(targets, out, overwrite)
    splits = find_splits(request)
    readable = {split.name: read_samples(split, limit) for split in splits}
    surveys = [split.survey for split in splits if isinstance(split.survey, MaskSurvey)]
    settle_classes(surveys, read_all=limit is None)
    reports = {split.name: describe_split(split, readable[split.name]) for split in splits}
    between = compare_classes(splits)
    num_problems = len(between) + sum(len(report["problems"]) for report in reports.values())
    report = {
        "folder": printable(request.folder),
        "task": find_task(request),
        "num_problems": num_problems,
        "problems_between_splits": between,
        "splits": reports,
    }
    write_bytes(targets[0], (json.dumps(report, indent=2) + "\n").encode())
    lines = [line for split in splits for line in split_lines(split, reports[split.name])]
    lines.extend(f"PROBLEM: {problem}" for problem in between)
    written = "report.json"
    if any(readable.values()):
        write_bytes(targets[1], draw_contact_sheet(splits, readable, printable(request.folder.resolve().name)))
        written += " and contact_sheet.png"
    else:
        targets[1].unlink(missing_ok=True)  # the picture of an earlier check would show other data
    verdict = f"{num_problems} problems" if num_problems != 1 else "1 problem"
    lines.append(f"{verdict if num_problems else 'No problems'}; {written} in {out}")
    return lines, num_problems


def read_samples(split: Split, limit: int | None) -> list[int]:
    """Read and measure the samples of a split on all cores; notes what cannot be read and returns what can."""
    total = len(split.samples)
    chosen = np.unique(np.linspace(0, total - 1, min(limit or total, total)).astype(int)).tolist()
    readable = []

    def measure(index: int) -> Any:
        sample = split.samples[index]
        try:
            return split.survey.measure(sample["image"], sample["label"], sample["name"])
        except ValueError as error:
            message, name = str(error), sample["name"]
            return message if name in message else f"{name}: {message}"

    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(chosen), desc=split.name, unit="image") as bar:
        for start in range(0, len(chosen), _CHUNK):
            chunk = chosen[start : start + _CHUNK]
            for index, measured in zip(chunk, pool.map(measure, chunk), strict=True):
                if isinstance(measured, str):
                    split.problems.append(measured)
                else:
                    split.survey.add(measured)
                    readable.append(index)
                bar.update()
    return readable


def describe_split(split: Split, readable: list[int]) -> dict[str, Any]:
    """Everything known of a split after reading it, for report.json."""
    sizes = {f"{height} x {width}": count for (height, width), count in split.survey.sizes.most_common()}
    return {
        "num_samples": len(split.samples),
        "num_read": len(readable),
        "sizes_height_x_width": sizes,
        **split.survey.summary(),
        "problems": [
            name_options(text)
            for text in (
                *split.problems,
                *(() if len(split.samples) else ("There is no sample.",)),
                *split.survey.problems(),
            )
        ],
        "warnings": [name_options(text) for text in (*split.warnings, *split.survey.warnings())],
    }


def split_lines(split: Split, report: dict[str, Any]) -> list[str]:
    """The summary of a split for people: equal sentences once, long lists cut; report.json has them whole."""
    sizes = list(report["sizes_height_x_width"].items())
    shown = ", ".join(f"{size} ({count})" for size, count in sizes[:3]) + (
        f" and {len(sizes) - 3} more" if len(sizes) > 3 else ""
    )
    lines = [
        f"{split.name}: {report['num_samples']} samples, {report['num_read']} read; height x width {shown or '-'}"
    ]
    if report["num_read"]:
        lines.extend(f"  {line}" for line in split.survey.lines())
    for kind, found in (("PROBLEM", report["problems"]), ("warning", report["warnings"])):
        shown_texts = group_equal(found, split.samples["name"])
        lines.extend(f"  {kind}: {text}" for text in shown_texts[:NUM_SHOWN])
        if len(shown_texts) > NUM_SHOWN:
            lines.append(f"  ... and {len(shown_texts) - NUM_SHOWN} more kinds, all in report.json")
    return lines
