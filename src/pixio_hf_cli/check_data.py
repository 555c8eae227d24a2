# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf check-data`: look through a data set before training on it: report.json, contact_sheet.png and a summary."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .early_checks import check_targets
from .messages import plain_errors
from .options import DepthScale, OutputFolder, Overwrite, SplitFile

if TYPE_CHECKING:
    from pixio_hf.data.labelled.surveyed_splits import Split

NUM_SHOWN = 20
_SHOWN_IN_GROUP = 3
# What differs between sentences that say the same of several files: paths, file names and numbers.
_VARIABLE = re.compile(r"[^\s'\"(]*[/\\.][^\s'\",;:)]+|\d+")
_OPTIONS = (
    (re.compile(r"(?<![\w/.-])do_reduce_labels=True\b"), "--reduce-labels"),
    (re.compile(r"(?<![\w/.-])do_reduce_labels=False\b"), "--no-reduce-labels"),
    (re.compile(r"(?<![\w/.-])allow_outside=True\b"), "--allow-outside"),
    (re.compile(r"(?<![\w/.-])num_classes=(\d+)"), r"--num-classes \1"),
    (re.compile(r"(?<![\w/.-])num_classes\b"), "--num-classes"),
    (re.compile(r"(?<![\w/.-])depth_scale=([\d.e-]+\d)"), r"--depth-scale \1"),
    (re.compile(r"(?<![\w/.-])depth_scale\b"), "--depth-scale"),
    (re.compile(r"(?<![\w/.-])image_column\b"), "--image-column"),
    (re.compile(r"(?<![\w/.-])(label|depth)_column\b"), "--label-column"),
    (re.compile(r"use protocol 'folder'"), "pass --protocol folder"),
)


def check_data(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The data set: its root folder.")],
    out: OutputFolder = Path("data_check"),
    task: Annotated[
        Literal["depth", "segmentation", "classification", "scene"] | None,
        typer.Option(help="What it is for [default: as its layout shows]."),
    ] = None,
    protocol: Annotated[
        Literal["nyuv2", "kitti", "ade20k", "voc", "loveda", "folder"] | None,
        typer.Option(help="Layout and meaning of the labels [default: as its layout shows]."),
    ] = None,
    split: Annotated[str | None, typer.Option(metavar="NAME", help="train or val [default: all].")] = None,
    split_file: SplitFile = None,
    depth_scale: DepthScale = None,
    num_classes: Annotated[
        int | None, typer.Option(metavar="N", help="Classes of the masks in a folder of your own [default: counted].")
    ] = None,
    reduce_labels: Annotated[
        bool | None,
        typer.Option(
            "--reduce-labels/--no-reduce-labels",
            help="Masks count from 1 with 0 = no class, or from 0 with 255 = no class [default: found out for ade20k"
            " and loveda, else from 0].",
        ),
    ] = None,
    image_column: Annotated[str, typer.Option(metavar="NAME", help="Column of the images, in a table.")] = "image",
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column of the labels, in a table [default: depth, segmentation_map, label]."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Read only N samples of each split, evenly spread.")
    ] = None,
    allow_outside: Annotated[
        bool,
        typer.Option(
            "--allow-outside", help="Accept split files and metadata.jsonl that name files outside of FOLDER."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Check a data set before training: sizes, missing and unreadable files, units, class numbers; a contact sheet.

    Scenes with several views (docs/reconstruction.md) are also checked for cameras that do not fit their depth.

    Writes contact_sheet.png (images beside their labels in colours) and report.json (everything found). Exit code 1
    when there are problems.

    \b
    Example:
      pixio-hf check-data rooms --task depth --depth-scale 0.001 --out rooms_check
    """
    with plain_errors():
        report_path, sheet_path = out / "report.json", out / "contact_sheet.png"
        check_targets([report_path, sheet_path], out, overwrite)
        from pixio_hf.data.labelled.depth_datasets import adapt_protocol
        from pixio_hf.data.labelled.mask_survey import MaskSurvey, settle_classes
        from pixio_hf.data.labelled.scene_survey import find_scene_folders
        from pixio_hf.data.labelled.segmentation_datasets import find_segmentation_protocol
        from pixio_hf.data.labelled.surveyed_splits import compare_classes, find_splits, find_task
        from pixio_hf.files import write_bytes, write_json
        from pixio_hf.listings import printable
        from pixio_hf.visualization.contact_sheet import draw_contact_sheet

        if task == "scene" or (task is None and find_scene_folders(folder)):
            from .check_scenes import check_scenes

            if check_scenes(folder, report_path, sheet_path, limit, group_equal):
                raise typer.Exit(1)
            return
        try:
            found_task, rules = find_task(folder, task, protocol), None
            if found_task == "depth":
                rules = adapt_protocol(folder, protocol, depth_scale)
            elif found_task == "segmentation":
                rules = find_segmentation_protocol(folder, protocol, num_classes, reduce_labels, can_count=True)
            splits = find_splits(folder, rules, split, split_file, image_column, label_column, allow_outside)
            readable = {split.name: split.read(limit) for split in splits}
            surveys = [split.survey for split in splits if isinstance(split.survey, MaskSurvey)]
            settle_classes(surveys, read_all=limit is None)
            reports = {split.name: describe_split(split, readable[split.name]) for split in splits}
        except ValueError as error:
            raise ValueError(name_options(str(error))) from error
        between = compare_classes(splits)
        num_problems = len(between) + sum(len(report["problems"]) for report in reports.values())
        content = {
            "folder": printable(folder),
            "task": found_task,
            "num_problems": num_problems,
            "problems_between_splits": between,
            "splits": reports,
        }
        write_json(report_path, content)
        written = "report.json"
        if any(readable.values()):
            write_bytes(sheet_path, draw_contact_sheet(splits, readable, printable(folder.resolve().name)))
            written += " and contact_sheet.png"
        else:
            sheet_path.unlink(missing_ok=True)  # the picture of an earlier check would show other data
    for line in (line for split in splits for line in split_lines(split, reports[split.name])):
        typer.echo(line)
    for problem in between:
        typer.echo(f"PROBLEM: {problem}")
    verdict = f"{num_problems} problems" if num_problems != 1 else "1 problem"
    typer.echo(f"{verdict if num_problems else 'No problems'}; {written} in {out}")
    if num_problems:
        raise typer.Exit(1)


def describe_split(split: "Split", readable: list[int]) -> dict[str, Any]:
    """What is known about a split after reading it, for report.json."""
    sizes = {f"{height} x {width}": count for (height, width), count in split.survey.sizes.most_common()}
    nothing = () if len(split.samples) else ("There is no sample.",)
    problems = (*split.problems, *nothing, *split.survey.problems())
    warnings = (*split.warnings, *split.survey.warnings())
    return {
        "num_samples": len(split.samples),
        "num_read": len(readable),
        "sizes_height_x_width": sizes,
        **split.survey.summary(),
        "problems": [name_options(text) for text in problems],
        "warnings": [name_options(text) for text in warnings],
    }


def split_lines(split: "Split", report: dict[str, Any]) -> list[str]:
    """The summary of a split for people: similar sentences once, long lists cut; report.json has everything."""
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


def name_options(text: str) -> str:
    """A message of the library with the command's options in place of Python's arguments."""
    for pattern, option in _OPTIONS:
        text = pattern.sub(option, text)
    return text


def group_equal(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    """Sentences that differ only in names and numbers are said once, with a count and the first few.

    names: of the samples; all of them count as the same word.
    """
    known = set(names)
    groups: dict[str, list[str]] = {}
    for text in texts:
        words = " ".join("*" if word.rstrip(":,.;") in known else word for word in text.split(" "))
        groups.setdefault(_VARIABLE.sub("*", words), []).append(text)
    lines = []
    for group in groups.values():
        if len(group) <= _SHOWN_IN_GROUP:
            lines.extend(group)
            continue
        others = [found.group() for text in group[1:_SHOWN_IN_GROUP] if (found := _VARIABLE.search(text))]
        lines.append(f"{group[0]} The same for {len(group) - 1} more: {', '.join(others)} ...")
    return lines
