# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Which results a command writes for each photo and video, settled before any work: nothing is replaced by accident."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pixio_hf.photo_addresses import is_address
from pixio_hf.photo_sources import FoundSources, PhotoSource

from .early_checks import check_targets, require_extra, show_name


@dataclass(frozen=True)
class Job:
    """A photo or video, and its result files by what their names end in."""

    source: PhotoSource
    targets: dict[str, Path]

    def beside(self, ending: str) -> Path:
        """The path of another result: that of the targets, with another ending."""
        known, target = next(iter(self.targets.items()))
        return target.with_name(target.name.removesuffix(known) + ending)


@dataclass(frozen=True)
class ResultPlan:
    """What there is to do, in order.

    Args:
        everything: also those whose results exist.
        skipped: those whose results exist.
        problems: sentences of what was named and cannot be used.
    """

    out: Path
    everything: list[Job]
    jobs: list[Job]
    skipped: list[Job] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def plan_results(
    found: FoundSources,
    out: Path,
    endings: Sequence[str],
    video_endings: Sequence[str] = (),
    overwrite: bool = False,
    skip_existing: bool = False,
) -> ResultPlan:
    """Result files of each source: `out / (name + ending)`, one per ending.

    Raises:
        ValueError: nothing was found, two sources would write the same file, a result would replace a photo, or exists and
            may not be replaced, nothing can be written into the folder, or there are only videos and PyAV is missing.
    """
    if not found.sources:
        raise ValueError(" ".join(found.problems) or "No photos given.")
    planned, writers = [], {}
    for source in found.sources:
        own = video_endings if source.is_video else endings
        targets = {ending: out / f"{source.result_name}{ending}" for ending in own}
        for target in targets.values():
            if target in writers:
                raise ValueError(
                    f"{writers[target].shown} and {source.shown} would both write {show_name(target)}. Rename one, name"
                    " the folder of both instead of the photos, or use two calls with different --out folders."
                )
            writers[target] = source
        planned.append(Job(source, targets))
    check_targets(list(writers), out, overwrite or skip_existing, can_skip=True)
    inputs = {os.path.realpath(source.place) for source in found.sources if not is_address(source.place)}
    if replaced := [show_name(target) for target in writers if os.path.realpath(target) in inputs]:
        raise ValueError(f"Results would replace the photos {', '.join(replaced)}. Choose another --out folder.")
    jobs, skipped = split_jobs(planned, skip_existing)
    if jobs and all(job.source.is_video for job in jobs):
        require_extra("video")
    return ResultPlan(out, planned, jobs, skipped, found.problems)


def rename_results(
    plan: ResultPlan, new_endings: Mapping[str, str], overwrite: bool = False, skip_existing: bool = False
) -> ResultPlan:
    """The same plan with other file names: targets keep their endings as keys.

    Raises:
        ValueError: a result exists and may not be replaced.
    """
    everything = [
        replace(
            job,
            targets={
                ending: path.with_name(path.name.removesuffix(ending) + new_endings.get(ending, ending))
                for ending, path in job.targets.items()
            },
        )
        for job in plan.everything
    ]
    targets = [path for job in everything for path in job.targets.values()]
    check_targets(targets, plan.out, overwrite or skip_existing, can_skip=True)
    jobs, skipped = split_jobs(everything, skip_existing)
    return replace(plan, everything=everything, jobs=jobs, skipped=skipped)


def split_jobs(jobs: Sequence[Job], skip_existing: bool) -> tuple[list[Job], list[Job]]:
    """The jobs that are to be done, and those to be skipped as all of their results exist."""
    todo: list[Job] = []
    skipped: list[Job] = []
    for job in jobs:
        exists = skip_existing and all(path.is_file() for path in job.targets.values())
        (skipped if exists else todo).append(job)
    return todo, skipped
