# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The notebooks run whole, from top to bottom, and are small enough to be looked at on GitHub."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
MAX_BYTES = 500_000


def pictures_of(notebook: Any) -> list[str]:
    """Base64 of all pictures that its cells show."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in outputs]
    return [shown for entry in data for kind, shown in entry.items() if kind.startswith("image/")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_file_is_small_and_says_what_it_is(path):
    assert path.stat().st_size < MAX_BYTES
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert any("pip install" in cell.source for cell in notebook.cells[:4]), "says how to install what it needs"
    shown = notebook.cells and [str(output) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not any(word in output for output in shown for word in ("/home/", "/work/", "/root/", "/tmp/", "Traceback"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_whole(path, tmp_path, monkeypatch):
    """From a copy of examples/, because notebooks write beside themselves."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("runs", "__pycache__"))
    folder = tmp_path / "examples" / "notebooks"
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    assert len(pictures_of(notebook)) >= 3
