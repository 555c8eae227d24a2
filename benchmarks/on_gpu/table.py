# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Results of benchmarks/on_gpu.sh as a Markdown table, and their place in docs/performance.md.

    python benchmarks/on_gpu/table.py [results.json]

Writes the table of docs/on_gpu.json into the page; results of a run on another machine are copied there first.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from pixio_hf.files import write_text

ROOT = Path(__file__).resolve().parents[2]
PAGE, RESULTS = ROOT / "docs" / "performance.md", ROOT / "docs" / "on_gpu.json"
BEGIN, END = "<!-- on_gpu: begin -->", "<!-- on_gpu: end -->"
NOT_MEASURED = "Not measured yet: no GPU was at hand."


def render(results: dict[str, Any]) -> str:
    """One table, a row for each number; the line above it names the machine."""
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    lines = [
        f"{results['date']}, {machine}; {results['seconds']:.0f} s in all.",
        "",
        "| step | what | measured | aim |",
        "|---|---|---|---|",
    ]
    for step in results["steps"]:
        first = f"{step['name']}, {step['seconds']:.0f} s"
        rows = [[name, value, step["aims"].get(name, "")] for name, value in step["numbers"]]
        if step["status"] != "done":
            rows.append(["**not measured**", step["status"], ""])
        for row in rows:
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in (first, *row)) + " |")
            first = ""
    return "\n".join(lines) + "\n"


def read_results() -> dict[str, Any] | None:
    """What docs/on_gpu.json holds, if there is one."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else None


def render_page() -> str:
    """docs/performance.md with the table of docs/on_gpu.json, or the sentence that there is none, between the marks."""
    results = read_results()
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    assert mark, f"{PAGE.name} has lost its marks."
    table = f"{NOT_MEASURED}\n" if results is None else render(results)
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", type=Path, help="results.json of a run on another machine")
    args = parser.parse_args()
    if args.results is not None:
        shutil.copyfile(args.results, RESULTS)
    write_text(PAGE, render_page())


if __name__ == "__main__":
    main()
