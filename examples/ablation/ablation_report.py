# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Table and plot of examples/ablation/ablation.py: every variant over its seeds, and what each change is worth."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pixio_hf.files import file_in_progress, write_json, write_text
from pixio_hf.visualization.panels import make_figure

BEGIN, END = "<!-- ablation: begin -->", "<!-- ablation: end -->"
TITLES = {
    "random": "random encoder",
    "mae": "MAE",
    "deep_decoder": "+ deep decoder",
    "block_masks": "+ block masks",
    "pixio": "+ 8 class tokens = Pixio",
    "mae_equal_flops": "MAE, Pixio's FLOPs",
}
# Head, metric, heading.
COLUMNS = (
    ("dpt", "delta1", "DPT delta1"),
    ("dpt", "rmse", "DPT rmse (m)"),
    ("linear", "delta1", "linear delta1"),
    ("linear", "rmse", "linear rmse (m)"),
)
COMPARISONS = (
    ("mae", "random"),
    ("deep_decoder", "mae"),
    ("block_masks", "deep_decoder"),
    ("pixio", "block_masks"),
    ("pixio", "mae"),
    ("pixio", "mae_equal_flops"),
)
Results = Sequence[dict[str, Any]]


def values_by_seed(results: Results, variant: str, head: str, metric: str) -> dict[int, float]:
    return {result["seed"]: result[head][metric] for result in results if result["variant"] == variant}


def paired_difference(first: dict[int, float], second: dict[int, float]) -> tuple[float, float]:
    """Mean of first - second over the seeds that both have, and its standard error; NaN where it is undefined."""
    differences = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
    if not differences:
        return math.nan, math.nan
    error = stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else math.nan
    return mean(differences), error


def variants_table(results: Results) -> list[str]:
    """Markdown: one row per variant, means and standard deviations over seeds."""
    lines = [
        "| frozen encoder | seeds | images seen | TFLOPs | CPU min | "
        + " | ".join(heading for _, _, heading in COLUMNS)
        + " |",
        "|---" * (5 + len(COLUMNS)) + "|",
    ]
    for variant, title in TITLES.items():
        runs = [result for result in results if result["variant"] == variant]
        if not runs:
            continue
        cells = [title, str(len(runs)), f"{runs[0]['images_seen']:,}", f"{runs[0]['pretraining_flops'] / 1e12:.1f}"]
        cells.append(f"{mean(result['pretraining_cpu_seconds'] for result in runs) / 60:.1f}")
        for head, metric, _ in COLUMNS:
            values = list(values_by_seed(results, variant, head, metric).values())
            spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.3f}{spread}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def differences_table(results: Results) -> list[str]:
    """Markdown: what each change is worth, mean paired difference and its standard error over seeds."""
    lines = ["| difference | " + " | ".join(heading for _, _, heading in COLUMNS) + " |"]
    lines.append("|---" * (1 + len(COLUMNS)) + "|")
    for first, second in COMPARISONS:
        cells = []
        for head, metric, _ in COLUMNS:
            pair = (values_by_seed(results, variant, head, metric) for variant in (first, second))
            difference, error = paired_difference(*pair)
            cells.append("" if math.isnan(difference) else f"{difference:+.3f}")
            cells[-1] += "" if math.isnan(error) else f" ± {error:.3f}"
        if any(cells):
            lines.append(f"| {name(first)} minus {name(second)} | {' | '.join(cells)} |")
    return lines


def name(variant: str) -> str:
    """A variant's title inside a sentence."""
    return "Pixio" if variant == "pixio" else TITLES[variant].removeprefix("+ ")


def write_plot(results: Results, path: Path) -> None:
    """Write a PNG: a dot per seed and a bar at the mean, one panel per head and metric."""
    shown = [variant for variant in TITLES if any(result["variant"] == variant for result in results)]
    figure = make_figure(figsize=(9, 5.2), layout="constrained")
    for axes, (head, metric, heading) in zip(figure.subplots(2, 2, sharey=True).flat, COLUMNS, strict=True):
        for row, variant in enumerate(shown):
            values = list(values_by_seed(results, variant, head, metric).values())
            axes.plot(values, [row] * len(values), "o", color="C0", alpha=0.6, markersize=5)
            axes.plot([mean(values)] * 2, [row - 0.3, row + 0.3], color="black", linewidth=1.5)
        axes.set_yticks(range(len(shown)), [TITLES[variant] for variant in shown])
        axes.set_title(f"{heading}, {'higher' if metric == 'delta1' else 'lower'} is better", fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.axes[0].invert_yaxis()  # shared by all panels
    figure.suptitle("Frozen encoders on held-out synthetic rooms: dots are seeds, bars their means", fontsize=11)
    with file_in_progress(path) as partial:
        figure.savefig(partial, dpi=100, format="png")


def replace_between_markers(page: Path, text: str) -> None:
    """Put text between the two markers of a page.

    Raises:
        ValueError: the page is missing, or does not hold each marker once, in this order.
    """
    old = page.read_text() if page.is_file() else ""
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise ValueError(
            f"{page} must hold the line {BEGIN} and, below it, the line {END}: the table goes between them."
        )
    write_text(page, f"{old[: old.index(BEGIN)]}{BEGIN}\n{text}{old[old.index(END) :]}")


def write_report(results: Results, output_dir: Path, docs_dir: str | None) -> None:
    """Write results.json, table.md and ablation.png, and put table and plot into docs_dir/ablation.md where asked for.

    Raises:
        ValueError: there is no result, or the page has no place for the table.
    """
    if not results:
        raise ValueError(f"{output_dir} has no finished run yet: there is nothing to report.")
    table = "\n".join([*variants_table(results), "", *differences_table(results)]) + "\n"
    write_json(output_dir / "results.json", results)
    write_text(output_dir / "table.md", table)
    write_plot(results, output_dir / "ablation.png")
    if docs_dir is not None:
        replace_between_markers(Path(docs_dir) / "ablation.md", table)
        write_plot(results, Path(docs_dir) / "images" / "ablation.png")
    print(f"{table}\nSaved {output_dir / 'results.json'}, table.md and ablation.png")
