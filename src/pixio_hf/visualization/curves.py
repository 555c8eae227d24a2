# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""A run as it goes: its numbers in CSV files, its curves as a picture."""

import io
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_bytes
from ..model_cards.trained_card import TrainingRun, write_trained_card
from ..training.run_log import RunLog
from .figures import make_figure

Curve = Sequence[tuple[float, float]]

SECONDS_BETWEEN_PICTURES = 60.0
FEW_POINTS = 20  # fewer are marked one by one


class RunRecord:
    """train.csv, evaluation.csv and curves.png of a run, in its output folder; a resumed run goes on with them.

    The picture is drawn once a minute at most, as drawing takes longer than a small evaluation, and at the end. A drawing
    that fails does not end the run.

    Args:
        first_step: of a run that resumes; rows of later steps, which will be repeated, are dropped.
        is_writer: whether this process writes; in a distributed run the main one alone does.
        shown: the numbers of training to draw, in this order; None: all of them.
        lines: a value to draw as a dashed line beside a curve, such as a baseline, by the curve's name.
    """

    def __init__(
        self,
        output_dir: str | Path,
        first_step: int = 0,
        is_writer: bool = True,
        shown: Sequence[str] | None = None,
        lines: Mapping[str, float] | None = None,
    ):
        self.output_dir, self.is_writer, self.shown, self.lines = Path(output_dir), is_writer, shown, lines
        self.drawn, self.has_warned = time.monotonic(), False
        if is_writer:
            self.train_log, self.eval_log = (
                RunLog(self.output_dir / f"{name}.csv", first_step) for name in ("train", "evaluation")
            )

    def train(self, step: int, values: Mapping[str, float]) -> None:
        """Add what was measured over the last training steps."""
        if self.is_writer:
            self.train_log.add(step, values)
            self._draw_if_due()

    def evaluate(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Add the numbers of an evaluation; what is no number is left out."""
        if self.is_writer:
            numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
            self.eval_log.add(step, numbers)
            self._draw_if_due()

    def write_card(
        self,
        folder: Path,
        kind: str,
        base_model: str | None,
        dataset: str,
        settings: Mapping[str, Any],
        prefix: str = "",
    ) -> None:
        """Put a card into the folder of a finished model: its settings, its newest numbers; see TrainingRun.

        Args:
            prefix: of the model's numbers, where a run trains several; also the name of the model.
        """
        evaluated, trained = ((log.read() or [{}])[-1] for log in (self.eval_log, self.train_log))
        row = evaluated or trained
        results = {
            name.removeprefix(prefix): float(row[name]) for name in row if name.startswith(prefix) and row[name]
        }
        measured = f"On held-out data, at step {row.get('step')}:" if evaluated else "Over the last steps of training:"
        run = TrainingRun(kind, base_model, dataset, settings, results, measured)
        write_trained_card(folder, run, prefix.strip("/") or self.output_dir.resolve().name)

    def finish(self) -> None:
        """Draw the curves of the whole run, and say where they are."""
        self.draw()
        if self.is_writer and (self.output_dir / "curves.png").exists():
            print(f"Curves of the run: {self.output_dir / 'curves.png'}")

    def draw(self) -> None:
        """Draw curves.png from the rows so far."""
        if not self.is_writer:
            return
        curves = read_curves(self.train_log, self.shown)
        losses = set(curves)
        for name, curve in read_curves(self.eval_log, None).items():
            curves[f"{name} (evaluation)" if name in losses else name] = curve
        try:
            if curves:
                save_curves(curves, self.output_dir / "curves.png", self.lines)
        except (OSError, ValueError, RuntimeError) as error:
            if not self.has_warned:
                print(f"No curves: {error}")
            self.has_warned = True
        self.drawn = time.monotonic()

    def _draw_if_due(self) -> None:
        if time.monotonic() - self.drawn > SECONDS_BETWEEN_PICTURES:
            self.draw()


def read_curves(log: RunLog, shown: Sequence[str] | None) -> dict[str, list[tuple[float, float]]]:
    """The columns of a log as (step, value) pairs; counts (`num_...`) are left out unless asked for."""
    curves: dict[str, list[tuple[float, float]]] = {name: [] for name in shown or ()}
    for row in log.read():
        for name, value in row.items():
            is_shown = name in shown if shown else name != "step" and not name.startswith("num_")
            if is_shown and value:
                curves.setdefault(name, []).append((float(row["step"]), float(value)))
    return {name: curve for name, curve in curves.items() if curve}


def save_curves(curves: Mapping[str, Curve], file: str | Path, lines: Mapping[str, float] | None = None) -> None:
    """Draw one small chart per curve of (step, value) pairs into a PNG.

    Args:
        lines: a value to draw as a dashed line beside a curve, by the curve's name, such as a baseline.

    Raises:
        ValueError: matplotlib is missing.
    """
    columns = min(3, max(1, len(curves)))
    rows = max(1, math.ceil(len(curves) / columns))
    figure = make_figure(figsize=(4.2 * columns, 2.8 * rows), layout="constrained")
    for place, (name, curve) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        marker = "o" if len(curve) < FEW_POINTS else ""
        steps, values = [step for step, _ in curve], [value for _, value in curve]
        axes.plot(steps, values, linewidth=1.2, marker=marker, markersize=3)
        if lines and name in lines:
            axes.axhline(lines[name], linestyle="--", linewidth=1, color="grey", label="a constant")
            axes.legend(fontsize=7, frameon=False)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_xlabel("step", fontsize=7)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_bytes(file, buffer.getvalue())
