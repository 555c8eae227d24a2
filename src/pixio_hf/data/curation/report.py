# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the statistics of a data set look like and how much of it curation keeps: numbers, a picture and a text."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ...files import file_in_progress, write_json, write_text
from ...shown_text import markdown_text
from .selection import ALWAYS, CurationTests

logger = logging.get_logger(__name__)

# Edges of the bins; what lies outside is counted in the first or the last one.
BINS = {
    "histogram_score": np.linspace(0, 8, 81),
    "shorter_side": np.geomspace(16, 16384, 81),
    "mae_loss": np.linspace(0, 2, 81),
}
_EXAMPLES = 20


@dataclass
class CurationSummary:
    """Statistics of any number of images, in little memory: histograms, and the expected numbers that each test keeps."""

    tests: CurationTests
    num_shards: int = 0
    num_images: int = 0
    num_measured_losses: int = 0
    num_damaged: int = 0
    damaged_examples: list[str] = field(default_factory=list)
    counts: dict[str, np.ndarray] = field(
        default_factory=lambda: {name: np.zeros(len(edges) - 1, dtype=np.int64) for name, edges in BINS.items()}
    )
    kept: dict[str, float] = field(default_factory=dict)

    def add_shard(self, shard: str, rows: Iterable[dict[str, Any]]) -> None:
        """Count the rows of one shard's statistics."""
        images = []
        for row in rows:
            if row["error"] is None:
                images.append(row)
            else:
                self.num_damaged += 1
                if len(self.damaged_examples) < _EXAMPLES:
                    self.damaged_examples.append(f"{shard}: {row['name']}: {row['error']}")
        self.num_shards += 1
        self.num_images += len(images)
        values = {
            "histogram_score": [image["histogram_score"] for image in images],
            "shorter_side": [min(image["width"], image["height"]) for image in images],
            "mae_loss": [image["mae_loss"] for image in images if image["mae_loss"] is not None],
        }
        self.num_measured_losses += len(values["mae_loss"])
        for name, edges in BINS.items():
            inside = np.clip(values[name], edges[0], np.nextafter(edges[-1], 0))
            self.counts[name] += np.histogram(inside, edges)[0]
        for label, tests in self.steps().items():
            limits = (tests.largest_kept_draw(image) for image in images)
            self.kept[label] = self.kept.get(label, 0.0) + sum(min(max(limit, 0.0), ALWAYS) for limit in limits)

    def steps(self) -> dict[str, CurationTests]:
        """The tests one after the other, each including those before it; soft sampling counts by its expected share."""
        score, side = self.tests.min_histogram_score, self.tests.min_resolution
        steps = {
            f"histogram_score > {score:g}": CurationTests(score),
            f"+ both sides >= {side}": CurationTests(score, side),
        }
        if self.tests.soft_sampling:
            steps["+ soft sampling"] = self.tests
        return steps

    def shares_kept(self) -> dict[str, float]:
        """Share of the readable images that is left after each test."""
        return {label: kept / max(self.num_images, 1) for label, kept in self.kept.items()}

    def as_json(self) -> dict[str, Any]:
        return {
            "num_shards": self.num_shards,
            "num_images": self.num_images,
            "num_damaged": self.num_damaged,
            "shares_kept": self.shares_kept(),
            "histograms": {
                name: {"edges": [round(float(edge), 6) for edge in edges], "counts": self.counts[name].tolist()}
                for name, edges in BINS.items()
            },
            "damaged_examples": self.damaged_examples,
        }


def write_report(summary: CurationSummary, settings: dict[str, Any], folder: Path) -> None:
    """Write report.json and README.md, then report.png; where it cannot be drawn, a warning says so."""
    write_json(folder / "report.json", {"settings": settings, **summary.as_json()})
    write_text(folder / "README.md", describe_folder(summary, settings))
    # The numbers are whole by now; a picture must not stop them.
    try:
        with file_in_progress(folder / "report.png") as partial:
            draw_report(summary, partial)
    except Exception as error:  # fonts, backends and file systems have errors of their own
        logger.warning(f"{folder / 'report.png'} could not be drawn ({error}); report.json and README.md are whole.")


def describe_folder(summary: CurationSummary, settings: dict[str, Any]) -> str:
    """Markdown that tells a reader of the folder what is in it."""
    shares = "\n".join(f"| {label} | {share:.1%} |" for label, share in summary.shares_kept().items())
    loss = "none was measured (`--model none`)"
    if settings["weights"] is not None:
        pixels = "normalised per patch" if settings["norm_pix_loss"] else "not normalised per patch"
        loss = f"loss of the masked autoencoder {markdown_text(settings['model'])} over the masked blocks, pixels {pixels}"
    return f"""# Statistics of {summary.num_images} images in {summary.num_shards} shards

One Parquet file per shard, `<parent folder of the shard>/<shard>.parquet`, with a row for each image:

- `name`: of the member, or the row, in the shard.
- `width`, `height`: pixels, upright.
- `histogram_score`: Shannon entropy in bits of the 256-bin histogram of a channel, mean over red, green and blue (0 to 8).
- `mae_loss`: {loss}.
- `error`: why an image could not be measured. {summary.num_damaged} could not.

| test, one after the other | left |
|---|---|
{shares}

![Histograms](report.png)

The definitions of `histogram_score` and of the preparation for `mae_loss` (the whole photo resized to a square, one seeded
mask) are those of pixio-hf, version {settings["definition"]}; the thresholds are the paper's, for its own statistics. Look
at the histograms before you take them over. Pre-training reads this folder with `--statistics`.
"""


def draw_report(summary: CurationSummary, path: Path) -> None:
    """PNG with the histograms of the three statistics, the thresholds in them, and what each test leaves.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("Pictures need matplotlib: pip install 'pixio-hf[demo]'.") from error

    figure = Figure(figsize=(11, 7), layout="constrained")
    score, side, loss, shares = figure.subplots(2, 2).flat
    thresholds = (summary.tests.min_histogram_score, summary.tests.min_resolution, None)
    titles = ("colour-histogram entropy (bits)", "shorter side (pixels)", "reconstruction loss")
    for axes, (name, edges), title, threshold in zip(
        (score, side, loss), BINS.items(), titles, thresholds, strict=True
    ):
        axes.stairs(summary.counts[name], edges, fill=True, color="#6baed6")
        axes.set(title=title, ylabel="images", xlim=(edges[0], edges[-1]))
        if threshold:
            axes.axvline(threshold, color="#d62728", label=f"threshold {threshold:g}")
            axes.legend(loc="upper left")
    side.set_xscale("log", base=2)
    side.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if summary.num_measured_losses:
        chance = loss.twinx()
        chance.plot([0, 1, 2], [0, 1, 1], color="#d62728")
        chance.set(ylim=(0, 1.05), ylabel="chance to be kept (red)")
    else:
        loss.text(0.5, 0.5, "not measured", ha="center", va="center", transform=loss.transAxes)
    labels = ["readable", *summary.shares_kept()]
    bars = shares.barh(labels, [1.0, *summary.shares_kept().values()], color="#6baed6")
    shares.bar_label(bars, fmt="{:.1%}", padding=3)
    shares.invert_yaxis()
    shares.set(title="left after each test", xlim=(0, 1.2), xlabel="share of the readable images")
    figure.suptitle(
        f"{summary.num_images:,} images in {summary.num_shards:,} shards; {summary.num_damaged:,} more cannot be read"
    )
    figure.savefig(path, dpi=100, format="png")
