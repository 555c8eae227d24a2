# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The script that runs the notebooks: what it leaves out of them, what it refuses, and the minutes in the page."""

import nbformat
import pytest
from docs import run_notebooks
from nbformat.v4 import new_code_cell, new_notebook, new_output


def make_notebook(*outputs):
    return new_notebook(cells=[new_code_cell("1", outputs=list(outputs))])


def test_progress_colours_and_widgets_are_left_out():
    bar = new_output("stream", name="stderr", text="  0%|   |\r 50%|#  |\r100%|###|\r\x1b[31mdone\x1b[0m\n")
    widget = new_output("display_data", data={run_notebooks.WIDGET: {}, "text/plain": "  0%"})
    empty = new_output("stream", name="stderr", text="  0%|   |\r")
    last = new_output("stream", name="stderr", text="\rLoading weights: 100%|###| 327/327 [00:00<00:00, 1.5it/s]\n")
    notebook = make_notebook(bar, widget, empty, last)
    notebook.cells[0].metadata["execution"] = {"iopub": "2026"}
    run_notebooks.clean(notebook)
    assert [output.text for output in notebook.cells[0].outputs] == ["done\n"]
    assert notebook.cells[0].metadata == {}
    nbformat.validate(notebook)


@pytest.mark.parametrize("text", ["/home/anna/x.png", "saved in /tmp/a", "UserWarning: old", "see C:\\\\runs"])
def test_paths_and_warnings_are_refused(text):
    shown = new_output("stream", name="stdout", text=f"fine: runs/a and owner/name\n{text}\n")
    (problem,) = run_notebooks.find_unwanted(make_notebook(shown))
    assert repr(text) in problem
    as_result = new_output("execute_result", data={"text/plain": text})
    assert run_notebooks.find_unwanted(make_notebook(as_result))


def test_large_notebooks_are_refused():
    assert run_notebooks.find_excess("x" * run_notebooks.MAX_BYTES) == []
    assert "more than" in run_notebooks.find_excess("x" * (run_notebooks.MAX_BYTES + 1))[0]


def test_minutes_go_into_the_page():
    page = run_notebooks.PAGE.read_text("utf-8")
    for name in run_notebooks.NOTEBOOKS:
        changed = run_notebooks.note_minutes(page, name, 97)
        (row,) = [line for line in changed.splitlines() if f"/{name}.ipynb)" in line]
        assert row.endswith("| 97 |")
        assert changed.replace("| 97 |", "") != changed
    with pytest.raises(ValueError, match="0 rows for missing"):
        run_notebooks.note_minutes(page, "missing", 1)
