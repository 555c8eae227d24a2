# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Through many photos and videos, a few at once, without one bad photo stopping the others; and how it went."""

import sys
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import PIL.Image
import torch
import typer
from tqdm import tqdm

from pixio_hf.cameras import FocalLength
from pixio_hf.photo_sources import find_sources
from pixio_hf.video_writing import Draw, WrittenVideo, draw_video
from pixio_hf.visualization.panels import shrink_photo

from .early_checks import show_name
from .loading import LoadedModel
from .photo_fitting import read_pixels
from .result_plan import Job, ResultPlan, plan_results
from .workers import Workers, open_workers

Failures = list[tuple[str, str]]
"""What failed, as it is shown, and why."""


@dataclass(eq=False)
class LoadedPhoto:
    """A photo that was read: pixels (3, H, W) uint8, upright, and its focal length where the task wants it."""

    job: Job
    pixels: np.ndarray
    focal: FocalLength | None = None

    def shrink(self) -> np.ndarray:
        """The photo at the size it is drawn at; its own pixels are given up, as of a large photo every copy counts."""
        self.pixels = shrink_photo(self.pixels)
        return self.pixels


@contextmanager
def open_source(job: Job, allow_private: bool) -> Iterator[tuple[np.ndarray, PIL.Image.Image]]:
    """Pixels (3, H, W) uint8 of a photo, upright, and the image as it was opened, with its EXIF."""
    with job.source.open(allow_private) as image:
        yield read_pixels(image), image


class PhotoTask(Protocol):
    """What a command does with photos and videos; any of its functions may raise for a photo, which stops no other.

    With workers, reading and writing are called in several threads at once.
    """

    @property
    def title(self) -> str:
        """What the progress bar calls it."""
        ...

    @property
    def loaded(self) -> LoadedModel:
        """The model that predicts."""
        ...

    def read(self, job: Job) -> LoadedPhoto:
        """Open and decode a photo."""
        ...

    def group(self, photo: LoadedPhoto) -> Hashable:
        """What photos must have in common to be computed at once; None: each by itself."""
        ...

    def predict(self, photos: Sequence[LoadedPhoto]) -> Sequence[Any]:
        """A result for each of some photos of one group."""
        ...

    def write(self, photo: LoadedPhoto, result: Any) -> None:
        """Write all files of a photo."""
        ...

    def write_video(self, job: Job) -> None:
        """Do all of it for a video."""
        ...


@dataclass
class Outcome:
    """What became of the photos and videos: how many are done, which failed, and whether somebody stopped it."""

    num_done: int = 0
    failures: Failures = field(default_factory=list)
    is_stopped: bool = False


def process_jobs(jobs: Sequence[Job], task: PhotoTask, batch_size: int = 1, num_workers: int = 0) -> Outcome:
    """Process every photo and video with a progress bar; those that fail, for whatever reason, stop no other.

    Photos that follow each other and belong to one group are computed at once, up to `batch_size` of them. With workers,
    this many batches are on their way at once, and the photos of another one are read meanwhile; no more are held in
    memory.
    """
    options: dict[str, Any] = {"disable": True} if len(jobs) == 1 else {}  # else as --quiet and the environment say
    with warnings.catch_warnings(), tqdm(total=len(jobs), desc=task.title, unit="photo", **options) as bar:
        # Cameras of 100 megapixels exist; what is beyond Pillow's limit is an error all the same.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        num_workers = num_workers if len(jobs) > batch_size else 0
        with open_workers(num_workers, task.loaded.predicts_in_parallel) as workers:
            return _Loop(jobs, task, batch_size, workers, bar).run()


class _Loop:
    """Photos that are read, that wait for being computed at once, and what became of those before."""

    def __init__(self, jobs: Sequence[Job], task: PhotoTask, batch_size: int, workers: Workers, bar: Any) -> None:
        self.jobs, self.task, self.batch_size, self.workers, self.bar = jobs, task, batch_size, workers, bar
        self.num_done, self.is_stopped = 0, False
        self._failures: dict[int, tuple[str, str]] = {}
        self._coming: deque[tuple[Job, Future[LoadedPhoto]]] = deque()
        self._waiting: list[LoadedPhoto] = []
        self._group: Hashable = None
        self._counting = Lock()

    def run(self) -> Outcome:
        """Everything in order; Ctrl-C ends it between two photos."""
        ahead = self.batch_size if self.workers.num_workers else 0
        try:
            for job in self.jobs:
                if job.source.is_video:
                    self._settle()
                    self._attempt(job, lambda job=job: self.task.write_video(job))
                    continue
                self._coming.append((job, self.workers.read(self.task.read, job)))
                if len(self._coming) > ahead:
                    self._add(*self._coming.popleft())
            self._settle()
        except BaseException as error:
            self.is_stopped = True
            self.workers.dismiss()
            if not isinstance(error, KeyboardInterrupt):
                raise
        failures = [self._failures[id(job)] for job in self.jobs if id(job) in self._failures]
        return Outcome(self.num_done, failures, self.is_stopped)

    def _settle(self) -> None:
        """Bring to an end what is on its way."""
        while self._coming:
            self._add(*self._coming.popleft())
        self._compute()
        self.workers.wait()

    def _add(self, job: Job, coming: "Future[LoadedPhoto]") -> None:
        """Take a photo; compute those that wait where it belongs to another group, or where they are enough."""

        def take() -> None:
            photo = coming.result()
            group = self.task.group(photo)
            if self._waiting and (group is None or group != self._group):
                self._compute()
            self._waiting.append(photo)
            self._group = group

        self._attempt(job, take, is_last=False)
        if self._waiting and (len(self._waiting) >= self.batch_size or self._group is None):
            self._compute()

    def _compute(self) -> None:
        """Have those that wait computed and written."""
        photos, self._waiting = self._waiting, []
        if photos:
            self.workers.compute(self._finish, photos)

    def _finish(self, photos: list[LoadedPhoto]) -> None:
        """Predict and write photos; if that fails as a whole, each by itself."""
        results: list[Any] = []
        if len(photos) > 1:
            # Too much at once, or one of them spoils the others: the single ones will tell.
            with suppress(Exception):
                results = self._predict(photos)
        while photos and not self.is_stopped:
            photo = photos.pop(0)
            predicted = [results.pop(0)] if results else []
            self._attempt(photo.job, lambda photo=photo, predicted=predicted: self._write(photo, predicted))

    def _write(self, photo: LoadedPhoto, predicted: list[Any]) -> None:
        predicted = predicted or self._predict([photo])
        self.task.write(photo, predicted.pop())

    def _predict(self, photos: Sequence[LoadedPhoto]) -> list[Any]:
        with self.workers.predicting:
            return list(self.task.predict(photos))

    def _attempt(self, job: Job, work: Callable[[], object], is_last: bool = True) -> None:
        """Do something for a photo or video and note how it went; with is_last=False only a failure is its end."""
        message = None
        try:
            work()
        except Exception as error:  # no error of one photo may stop the others
            known = isinstance(error, ValueError | OSError | torch.OutOfMemoryError)
            message = str(error) if known else f"{type(error).__name__}: {error}"
        if message is None and not is_last:
            return
        with self._counting:
            if message is None:
                self.num_done += 1
            else:
                self._failures[id(job)] = job.source.shown, message
            self.bar.update()


def write_video(job: Job, draw: Draw, settings: Mapping[str, Any], batch_size: int) -> WrittenVideo:
    """Write the video of a job from pictures of its frames; says what was taken over, and what could not be read.

    Args:
        draw, settings: as of `pixio_hf.video_writing.draw_video`.
    """
    (target,) = job.targets.values()
    with tqdm(desc=job.source.shown, unit="frame", leave=False) as bar:

        def when_done(num_done: int, num_announced: int) -> None:
            bar.total = max(num_announced, num_done) if num_announced else None
            bar.update(num_done - bar.n)

        written = draw_video(job.source.place, target, draw, settings, batch_size, when_done)
    if written.num_resumed:
        num = f"{written.num_resumed} of {written.num_frames} frames"
        tqdm.write(f"{job.source.shown}: {num} were taken over from a run that was stopped.", file=sys.stderr)
    if written.damage:
        tqdm.write(f"{job.source.shown}: {written.damage}.", file=sys.stderr)
    return written


def begin(
    inputs: Sequence[str],
    out: Path,
    endings: Sequence[str],
    video_endings: Sequence[str],
    recursive: bool,
    overwrite: bool,
    skip_existing: bool,
) -> ResultPlan:
    """Find what was named and plan the results of it; says what was left out. Errors as of `plan_results`."""
    found = find_sources(inputs, recursive)
    if found.left_out:
        tqdm.write(
            f"Left out as {count(len(found.left_out), 'result')} of former runs, such as"
            f" {show_name(found.left_out[0])}; name it itself if it is a photo.",
            file=sys.stderr,
        )
    return plan_results(found, out, endings, video_endings, overwrite, skip_existing)


def finish(plan: ResultPlan, outcome: Outcome) -> None:
    """Count what was done, skipped and failed; list what failed, if anything did, and leave with code 1."""
    failures = [*((problem.split(" ", 1)[0], problem) for problem in plan.problems), *outcome.failures]
    kinds = {"video" if job.source.is_video else "photo" for job in plan.everything}
    total = len(plan.everything) + len(plan.problems)
    parts = [f"{outcome.num_done} of {count(total, ' and '.join(sorted(kinds)))} done"]
    if plan.skipped:
        parts.append(f"{len(plan.skipped)} skipped as the results exist")
    if failures:
        parts.append(f"{len(failures)} failed")
    if outcome.num_done or plan.skipped:
        parts.append(f"results in {show_name(plan.out)}")
    typer.echo(", ".join(parts))
    for name, message in failures:
        typer.echo(f"Failed: {message if message.startswith(name) else f'{name}: {message}'}", err=True)
    if outcome.is_stopped:
        typer.echo("Stopped. The same command with --skip-existing goes on, also inside of a video.", err=True)
        raise typer.Exit(130)
    if failures:
        raise typer.Exit(1)


def count(number: int, noun: str) -> str:
    """A number and its noun: 1 photo, 2 photos."""
    return (
        f"{number} {noun}" if number == 1 else f"{number} {' and '.join(f'{word}s' for word in noun.split(' and '))}"
    )
