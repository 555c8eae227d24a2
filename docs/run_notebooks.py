# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Run the notebooks whole, keep what they show in them, and write the minutes into docs/guides/notebooks.md.

    python docs/run_notebooks.py                         # all
    python docs/run_notebooks.py 2_fine_tune_depth       # one of them
    python docs/run_notebooks.py --out try               # writes into another folder; notebooks and page stay as they are

Run it after the bundled models change, on a machine that does nothing else. A notebook is stored only if it ran whole, says
nothing of this machine or of warnings, and is small enough to be read on GitHub.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from pixio_hf.files import write_text

ROOT = Path(__file__).resolve().parents[1]
FOLDER, PAGE = ROOT / "examples" / "notebooks", ROOT / "docs" / "guides" / "notebooks.md"
NOTEBOOKS = [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]
MAX_BYTES = 500_000  # as tests/integration/test_notebooks.py allows
PATIENCE = 3600  # seconds for one cell
# What a terminal shows and a reader of a page does not want: colours, bars that are drawn over themselves.
ESCAPES, REDRAWN = re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), re.compile(r"[^\n]*\r(?!\n)")
BARS = re.compile(r"[^\n]*\d%\|[^\n]*\n?")
WIDGET = "application/vnd.jupyter.widget-view+json"  # a progress bar that no page can show
UNWANTED = re.compile(r"Warning\b|Traceback|(?<![\w.])/(?:home|root|tmp|work|usr|opt|Users|var)/|[A-Z]:\\")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NOTEBOOKS)}")
    parser.add_argument("--out", type=Path, help="A folder for the results, in place of the notebooks themselves.")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NOTEBOOKS):
        parser.error(f"There is no notebook {', '.join(sorted(unknown))}; choose among {', '.join(NOTEBOOKS)}.")
    os.environ["ACCELERATE_USE_CPU"] = "true"
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # bars that a page does not show anyway
    for name in arguments.names or NOTEBOOKS:
        notebook, seconds = run(FOLDER / f"{name}.ipynb")
        text = nbformat.writes(notebook) + "\n"
        if problems := [*find_unwanted(notebook), *find_excess(text)]:
            sys.exit(f"{name} is not stored: " + "; ".join(problems))
        write_text((arguments.out or FOLDER) / f"{name}.ipynb", text)
        minutes = max(1, round(seconds / 60))
        if arguments.out is None:
            write_text(PAGE, note_minutes(PAGE.read_text("utf-8"), name, minutes))
        print(f"{name}: {seconds:.0f} seconds, {len(text) // 1000} kB", flush=True)


def run(path: Path) -> tuple[Any, float]:
    """A notebook with what its cells show, and how long it took; from a copy, as notebooks write beside themselves."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as name:
        examples = Path(name) / "examples"
        shutil.copytree(ROOT / "examples", examples, ignore=shutil.ignore_patterns("runs", "__pycache__"))
        resources = {"metadata": {"path": str(examples / "notebooks")}}
        begun = time.monotonic()
        NotebookClient(notebook, timeout=PATIENCE, kernel_name="python3", resources=resources).execute()
        seconds = time.monotonic() - begun
    clean(notebook)
    return notebook, seconds


def clean(notebook: Any) -> None:
    """Leave out what is of this run alone: times, versions, progress that was drawn over, terminal colours."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = BARS.sub("", REDRAWN.sub("", ESCAPES.sub("", output.text)))
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("text", "more").strip()]
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]


def list_texts(notebook: Any) -> Iterator[str]:
    """All text that the cells show."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (shown for kind, shown in output.get("data", {}).items() if kind.startswith("text/"))


def find_unwanted(notebook: Any) -> list[str]:
    """Lines of outputs that name a path of this machine, or warn."""
    lines = [line for text in list_texts(notebook) for line in text.splitlines()]
    return [f"it shows {line.strip()[:200]!r}" for line in lines if UNWANTED.search(line)]


def find_excess(text: str) -> list[str]:
    size = len(text.encode())
    return [f"it has {size} bytes, more than {MAX_BYTES}"] if size > MAX_BYTES else []


def note_minutes(page: str, name: str, minutes: int) -> str:
    """The page with the minutes of a notebook in the last column of its row.

    Raises:
        ValueError: the page has no such row.
    """
    changed, count = re.subn(
        rf"^(\|[^\n]*/{re.escape(name)}\.ipynb\)[^\n]*\|) [^|\n]* \|$", rf"\g<1> {minutes} |", page, flags=re.MULTILINE
    )
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} rows for {name}; it needs one.")
    return changed


if __name__ == "__main__":
    main()
