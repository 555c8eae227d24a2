# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Table and plot of examples/ablation/ablation.py: every variant over its seeds, and what each change is worth."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pixio_hf.files import file_in_progress, write_json, write_text
from pixio_hf.visualization.figures import make_figure

# Setting -> marks of its table's place in docs/ablation.md, and the name of its plot.
MARKS = {
    "rooms": ("<!-- ablation: begin -->", "<!-- ablation: end -->", "ablation.png"),
    "photographs": ("<!-- photographs: begin -->", "<!-- photographs: end -->", "ablation_photographs.png"),
}
TITLES = {
    "random": "random encoder",
    "mae": "MAE",
    "deep_decoder": "+ deep decoder",
    "block_masks": "+ block masks",
    "pixio": "+ 8 class tokens = Pixio",
    "pixio_released": "Pixio, blocks of 4 x 4",
    "mae_equal_flops": "MAE, Pixio's FLOPs",
}
# Head or set of photographs, metric, heading.
COLUMNS = (
    ("groceries", "top1", "k-NN groceries (%)"),
    ("flowers", "top1", "k-NN flowers (%)"),
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
    ("pixio_released", "pixio"),
    ("pixio", "mae_equal_flops"),
)
Results = Sequence[dict[str, Any]]


def shown_columns(results: Results) -> list[tuple[str, str, str]]:
    """The columns that there are results of."""
    return [column for column in COLUMNS if all(column[0] in result for result in results)]


def show(value: float, metric: str, sign: str = "") -> str:
    """A number with three decimals, percents with one."""
    return f"{value:{sign}.{1 if metric == 'top1' else 3}f}"


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
    columns = shown_columns(results)
    headings = ["frozen encoder", "seeds", "images seen", "TFLOPs", "min", *(column[2] for column in columns)]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for variant, title in TITLES.items():
        runs = [result for result in results if result["variant"] == variant]
        if not runs:
            continue
        cells = [title, str(len(runs)), f"{runs[0]['images_seen']:,}", f"{runs[0]['pretraining_flops'] / 1e12:.1f}"]
        cells.append(f"{mean(result['pretraining_seconds'] for result in runs) / 60:.1f}")
        for head, metric, _ in columns:
            values = list(values_by_seed(results, variant, head, metric).values())
            spread = f" ± {show(stdev(values), metric)}" if len(values) > 1 else ""
            cells.append(f"{show(mean(values), metric)}{spread}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def differences_table(results: Results) -> list[str]:
    """Markdown: what each change is worth, mean paired difference and its standard error over seeds."""
    columns = shown_columns(results)
    lines = ["| difference | " + " | ".join(heading for _, _, heading in columns) + " |"]
    lines.append("|---" * (1 + len(columns)) + "|")
    for first, second in COMPARISONS:
        cells = []
        for head, metric, _ in columns:
            pair = (values_by_seed(results, variant, head, metric) for variant in (first, second))
            difference, error = paired_difference(*pair)
            cells.append("" if math.isnan(difference) else show(difference, metric, "+"))
            cells[-1] += "" if math.isnan(error) else f" ± {show(error, metric)}"
        if any(cells):
            lines.append(f"| {name(first)} minus {name(second)} | {' | '.join(cells)} |")
    return lines


def name(variant: str) -> str:
    """A variant's title inside a sentence."""
    return "Pixio" if variant == "pixio" else TITLES[variant].removeprefix("+ ")


def write_plot(results: Results, path: Path) -> None:
    """Write a PNG: a dot per seed and a bar at the mean, one panel per head and metric."""
    shown = [variant for variant in TITLES if any(result["variant"] == variant for result in results)]
    columns = shown_columns(results)
    figure = make_figure(figsize=(9, 1.3 * len(columns)), layout="constrained")
    panels = figure.subplots(len(columns) // 2, 2, sharey=True)
    for axes, (head, metric, heading) in zip(panels.flat, columns, strict=True):
        for row, variant in enumerate(shown):
            values = list(values_by_seed(results, variant, head, metric).values())
            axes.plot(values, [row] * len(values), "o", color="C0", alpha=0.6, markersize=5)
            axes.plot([mean(values)] * 2, [row - 0.3, row + 0.3], color="black", linewidth=1.5)
        axes.set_yticks(range(len(shown)), [TITLES[variant] for variant in shown])
        axes.set_title(f"{heading}, {'lower' if metric == 'rmse' else 'higher'} is better", fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
    figure.axes[0].invert_yaxis()  # shared by all panels
    figure.suptitle("Frozen encoders on held-out images: dots are seeds, bars their means", fontsize=11)
    with file_in_progress(path) as partial:
        figure.savefig(partial, dpi=100, format="png")


def replace_between_markers(page: Path, text: str, begin: str, end: str) -> None:
    """Put text between the two markers of a page.

    Raises:
        ValueError: the page is missing, or does not hold each marker once, in this order.
    """
    old = page.read_text() if page.is_file() else ""
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise ValueError(
            f"{page} must hold the line {begin} and, below it, the line {end}: the table goes between them."
        )
    write_text(page, f"{old[: old.index(begin)]}{begin}\n{text}{old[old.index(end) :]}")


def write_report(results: Results, output_dir: Path, docs_dir: str | None, setting: str) -> None:
    """Write results.json, table.md and a plot, and put table and plot into docs_dir/ablation.md where asked for.

    Raises:
        ValueError: there is no result, or the page has no place for the table.
    """
    if not results:
        raise ValueError(f"{output_dir} has no finished run yet: there is nothing to report.")
    table = "\n".join([*variants_table(results), "", *differences_table(results)]) + "\n"
    begin, end, plot = MARKS[setting]
    write_json(output_dir / "results.json", results)
    write_text(output_dir / "table.md", table)
    write_plot(results, output_dir / plot)
    if docs_dir is not None:
        replace_between_markers(Path(docs_dir) / "ablation.md", table, begin, end)
        write_plot(results, Path(docs_dir) / "images" / plot)
    print(f"{table}\nSaved {output_dir / 'results.json'}, table.md and {plot}")
