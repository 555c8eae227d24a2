# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Choose the images to train on by their statistics, inside the stream (docs/specification.md 3.5)."""

import hashlib
import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from transformers.utils import logging

from ..streaming.sample_reading import KeepRule
from ..streaming.shards import find_shards
from .statistics_files import find_statistics, locate_statistics, read_statistics

logger = logging.get_logger(__name__)

# Every draw in [0, 1) is above NEVER and below ALWAYS.
NEVER, ALWAYS = -1.0, 1.0
_FILES_CHECKED_AT_START = 16


@dataclass(frozen=True)
class CurationTests:
    """Which images are kept, in the order of the tests; None or 0 switches a test off.

    Args:
        min_histogram_score: images with this entropy or a lower one are dropped; the paper's web data used 4.5 (bits).
        min_resolution: images with a side shorter than this are dropped, in pixels; the paper's web data used 320.
        soft_sampling: keep an image with probability min(1, mae_loss), drawn anew every epoch.
    """

    min_histogram_score: float | None = None
    min_resolution: int | None = None
    soft_sampling: bool = False

    def __post_init__(self):
        for name in ("min_histogram_score", "min_resolution"):
            value = getattr(self, name) or 0
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be a number of 0 or above, or None, got {value}.")

    def fields(self) -> list[str]:
        """Statistics that the tests look at; none if all are switched off."""
        names = ["histogram_score"] if self.min_histogram_score else []
        names += ["width", "height"] if self.min_resolution else []
        return names + (["mae_loss"] if self.soft_sampling else [])

    def largest_kept_draw(self, record: Mapping[str, Any]) -> float:
        """The image is kept when its draw in [0, 1) is not above this number; below 0 it is dropped without a draw.

        Raises:
            ValueError: a statistic that a test needs is missing or no finite number.
        """
        if self.min_histogram_score and number(record, "histogram_score") <= self.min_histogram_score:
            return NEVER
        if self.min_resolution and min(number(record, "width"), number(record, "height")) < self.min_resolution:
            return NEVER
        return number(record, "mae_loss") if self.soft_sampling else ALWAYS


def number(record: Mapping[str, Any], name: str) -> float:
    """A finite number of a record."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {'missing' if value is None else repr(value)}")
    return float(value)


class CurationRule:
    """Rule of StreamOptions.keep: (shard, member, draw in [0, 1)) -> whether to train on the member in this epoch.

    Members without statistics are dropped, with a warning for each shard; so are damaged ones. The statistics of the
    shards in use are read when they are first asked for.

    Args:
        files: file of statistics of each shard; images of other shards are dropped.
        cached_shards: shards whose statistics are held; at least as many as a reader has open.

    Raises:
        ValueError: when called, if statistics are damaged or lack what a test needs.

    Attributes:
        fingerprint: changes with the list of statistics and with how the images were measured, not with their folder.
    """

    def __init__(self, files: Mapping[str, Path], tests: CurationTests, cached_shards: int = 16):
        self.files, self.tests, self.cached_shards = files, tests, cached_shards
        self.fingerprint = fingerprint_statistics(list(files.values()))
        self.limits: OrderedDict[str, dict[str, float]] = OrderedDict()
        self.reported: set[str] = set()

    def __call__(self, shard: str, member: str, draw: float) -> bool:
        if shard not in self.files:
            return False
        limits = self.limits_of(shard)
        limit = limits.get(member)
        if limit is None:  # the original's files may leave folders inside the shard out
            limit = limits.get(PurePosixPath(member).name)
        if limit is None:
            if shard not in self.reported:
                logger.warning(
                    f"{self.files[shard]} knows nothing of {member}; members without statistics are dropped, others of this"
                    " shard without further notice."
                )
                self.reported.add(shard)
            return False
        return draw <= limit

    def limits_of(self, shard: str) -> dict[str, float]:
        """Largest draw with which each member of a shard is kept."""
        if shard in self.limits:
            self.limits.move_to_end(shard)
        else:
            self.limits[shard] = read_limits(self.files[shard], self.tests)
            while len(self.limits) > self.cached_shards:
                self.limits.popitem(last=False)
        return self.limits[shard]


def fingerprint_statistics(files: Sequence[Path]) -> str:
    """Number of files, and a hash of all their names and of the contents of some: a folder is measured in one way."""
    digest = hashlib.blake2b(
        os.fsencode("\n".join(f"{path.parent.name}/{path.name}" for path in files)), digest_size=8
    )
    for path in choose_some(files):
        digest.update(path.read_bytes())
    return f"{len(files)} files {digest.hexdigest()}"


def choose_some(files: Sequence[Path]) -> Sequence[Path]:
    """Some 16 files from all over a data set; to read every one at the start would take too long."""
    return files[:: max(1, len(files) // _FILES_CHECKED_AT_START)]


def describe_rule(keep: KeepRule | None) -> dict[str, Any]:
    """What the choice of images depends on, as JSON; of rules other than CurationRule nothing is known."""
    known = isinstance(keep, CurationRule)
    tests = keep.tests if known else CurationTests()
    return {
        "min_histogram_score": tests.min_histogram_score or None,
        "min_resolution": tests.min_resolution or None,
        "soft_sampling": tests.soft_sampling,
        "statistics": keep.fingerprint if known else None,
    }


def read_limits(path: Path, tests: CurationTests) -> dict[str, float]:
    """Largest draw with which each member is kept, by name; damaged members never are."""
    limits = {}
    for name, record in read_statistics(path).items():
        try:
            limits[name] = NEVER if record.get("error") is not None else tests.largest_kept_draw(record)
        except ValueError as error:
            raise ValueError(f"{path}: {name}: {error}. Switch the test off, or measure the shard again.") from error
    return limits


def check_fields(path: Path, tests: CurationTests) -> None:
    """Raise ValueError if statistics lack what a test needs, even if no image gets as far as that test."""
    records = [record for record in read_statistics(path).values() if record.get("error") is None]
    absent = [name for name in tests.fields() if records and all(record.get(name) is None for record in records)]
    if absent:
        raise ValueError(
            f"{path} holds no {' and no '.join(absent)}: switch the test off, or run curate.py again, with a model for"
            " mae_loss."
        )
    read_limits(path, tests)


def open_curation(
    dataset: str, root: str | None, tests: CurationTests, allow_missing: bool = False, open_shards: int = 8
) -> CurationRule | None:
    """Rule that applies tests to a data set of shards; None where there is neither a root nor a test.

    Args:
        root: folder that curate.py wrote, or one with the original's JSON files (docs/specification.md 3.5).
        allow_missing: drop the images of shards without statistics, with a warning that counts them.
        open_shards: of the stream.

    Raises:
        ValueError: tests without a root or the other way round, a data set that is not made of shards, shards without
            statistics, or statistics that lack what a test needs (looked for in some 16 files).
    """
    if root is None and not tests.fields():
        return None
    if root is None:
        raise ValueError(
            f"The tests of {', '.join(tests.fields())} need statistics: name the folder that curate.py wrote."
        )
    if not tests.fields():
        raise ValueError(
            "There are statistics to curate by, but every test is off: set a threshold or soft sampling, or leave the"
            " statistics out."
        )
    shards = find_shards(dataset)
    if shards is None:
        raise ValueError(f"{dataset} holds no shards (.tar or .parquet), so that there are no statistics of it.")
    files = find_statistics(locate_statistics(shards, root))
    missing = [shard for shard in shards if shard not in files]
    if missing and (len(missing) == len(shards) or not allow_missing):
        raise ValueError(
            f"{len(missing)} of {len(shards)} shards have no statistics in {root}, such as {missing[0]}: run curate.py on"
            " them, or allow missing ones, whose images are then dropped."
        )
    if missing:
        logger.warning(f"Dropping {len(missing)} of {len(shards)} shards, which have no statistics in {root}.")
    for path in choose_some(list(files.values())):
        check_fields(path, tests)
    # Twice: the next window of shards is opened before the last block of this one is handed out.
    return CurationRule(files, tests, 2 * open_shards)
