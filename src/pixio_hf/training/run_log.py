# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers of a run as CSV files, one row per step, that a resumed run goes on with."""

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class RunLog:
    """A CSV file with a row of numbers per logged step.

    Args:
        file: is made with its first row; names that later rows bring along become further columns.
        first_step: of a run that resumes; later rows, of steps that will be repeated, are dropped. 0 begins anew.
    """

    def __init__(self, file: str | Path, first_step: int = 0):
        self.file = Path(file)
        rows = [row for row in self.read() if int(row["step"]) <= first_step and first_step]
        self._names: list[str] = list(rows[0]) if rows else []
        self._last_step = int(rows[-1]["step"]) if rows else -1
        if self.file.exists():
            self._rewrite(rows)

    def read(self) -> list[dict[str, str]]:
        """All rows; a last line that a killed process cut off is left out."""
        if not self.file.is_file():
            return []
        with self.file.open(newline="") as opened:
            return [row for row in csv.DictReader(opened) if None not in row.values() and row["step"].isdecimal()]

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Write a row and have it on disk; it takes the place of rows of the same or a later step."""
        row = {"step": str(step)} | {name: f"{value:.6g}" for name, value in values.items()}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new_names = [name for name in row if name not in self._names]
        if new_names or step <= self._last_step:
            self._names += new_names
            self._rewrite([*(old for old in self.read() if int(old["step"]) < step), row])
        else:
            with self.file.open("a", newline="") as opened:
                csv.DictWriter(opened, self._names).writerow(row)
        self._last_step = step

    def _rewrite(self, rows: Iterable[Mapping[str, str]]) -> None:
        rows = list(rows)
        if not rows:
            self.file.unlink()
            return
        partial = self.file.with_name(f"partial-{self.file.name}")
        with partial.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, self._names)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(partial, self.file)
