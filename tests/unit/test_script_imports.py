# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Who may import whom among the scripts, which are no packages and so out of import-linter's sight."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT_FOLDERS = ("benchmarks", "conversion", "examples")


def imported_modules(path: Path) -> set[str]:
    """First names of all modules that a file imports absolutely, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    return names


SCRIPTS = [path for folder in SCRIPT_FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
SCRIPT_NAMES = {*SCRIPT_FOLDERS, *(path.stem for path in SCRIPTS)}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_import_only_their_neighbours(script):
    neighbours = {path.stem for path in script.parent.glob("*.py")}
    foreign = imported_modules(script) & (SCRIPT_NAMES - neighbours)
    assert not foreign, f"{script.relative_to(ROOT)} imports {sorted(foreign)} from another folder of scripts"
    if script.parent.name in ("benchmarks", "conversion"):
        assert not imported_modules(script) & neighbours, "benchmarks and conversion scripts stand alone"


def test_packages_import_no_script():
    # `conversion` names a script's folder and file; inside the package it could only be a relative import.
    for path in sorted((ROOT / "src").rglob("*.py")):
        scripts = imported_modules(path) & SCRIPT_NAMES
        assert not scripts, f"{path.relative_to(ROOT)} imports the script {sorted(scripts)}"


def test_imports_in_functions_are_found(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        "import os.path\nfrom . import near\n\n\ndef work():\n    from pretrain import main\n    import curate as c\n"
    )
    assert imported_modules(path) == {"os", "pretrain", "curate"}
