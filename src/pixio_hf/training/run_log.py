# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Numbers of a run as CSV files, one row per step, that a resumed run goes on with."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RunLog:
    """A CSV file with a row of numbers per logged step.

    Args:
        file: is made with its first row, whose names are those of all.
        first_step: of a run that resumes; later rows, of steps that will be repeated, are dropped.
    """

    def __init__(self, file: str | Path, first_step: int = 0):
        self.file = Path(file)
        rows = [row for row in self.read() if int(row["step"]) <= first_step]
        if self.file.exists():
            self._rewrite(rows)

    def read(self) -> list[dict[str, str]]:
        """All rows; a last line that a killed process cut off is left out."""
        if not self.file.is_file():
            return []
        with self.file.open(newline="") as opened:
            return [row for row in csv.DictReader(opened) if None not in row.values() and row["step"].isdecimal()]

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Write a row and have it on disk."""
        is_new = not self.file.is_file()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        row = {"step": step} | {name: f"{value:.6g}" for name, value in values.items()}
        with self.file.open("a", newline="") as opened:
            writer = csv.DictWriter(opened, row)
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        if not rows:
            self.file.unlink()
            return
        partial = self.file.with_name(f"partial-{self.file.name}")
        with partial.open("w", newline="") as opened:
            writer = csv.DictWriter(opened, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        os.replace(partial, self.file)
