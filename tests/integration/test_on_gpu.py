# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""benchmarks/on_gpu.sh: every step runs small on the CPU, failures are named, and the page shows what was measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The scripts behind on_gpu.sh."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "on_gpu"))
    import run_steps  # pyright: ignore[reportMissingImports]
    import steps  # pyright: ignore[reportMissingImports]
    import table  # pyright: ignore[reportMissingImports]

    return {"run_steps": run_steps, "steps": steps, "table": table}


def test_the_page_shows_the_results(modules) -> None:
    table = modules["table"]
    assert table.render_page() == table.PAGE.read_text(encoding="utf-8"), "run benchmarks/on_gpu/table.py"


def test_numbers_of_what_steps_print(modules) -> None:
    output = (
        "H/16, batch 128\nViTMAE                 12.50 images/s    3.00 GB peak   40 % of x\nratio a.b: 1.50\nrest: 1"
    )
    assert modules["run_steps"].find_numbers(output, "images/s") == [
        ("ViTMAE", "12.50 images/s, 3.00 GB peak, 40 % of x"),
        ("a.b", "1.50"),
    ]


def test_steps_that_fail_or_take_too_long_are_named(modules, tmp_path: Path) -> None:
    step = modules["steps"].Step("one", "", "", 1, aims={"speed": "2"})
    run = modules["run_steps"].run
    failed = run(step, ["-c", "print('ratio speed: 1.00'); raise SystemExit(3)"], tmp_path / "one.log", 60)
    slow = run(step, ["-c", "import time; time.sleep(60)"], tmp_path / "two.log", 1)
    results = {"date": "today", "machine": {"GPU": "X"}, "seconds": 2.0, "steps": [failed, slow]}
    lines = modules["table"].render(results).splitlines()
    assert lines[-3].endswith("| speed | 1.00 | 2 |")
    assert lines[-2].endswith("| **not measured** | failed with status 3, see one.log |  |")
    assert lines[-1].endswith("| **not measured** | stopped after 1 s, see two.log |  |")


def test_commands_name_files_that_exist(modules) -> None:
    for step in modules["steps"].STEPS:
        for is_small in (False, True):
            words = step.arguments("cuda", 80e9, is_small)
            files = [word.partition("::")[0] for word in words if word.partition("::")[0].endswith(".py")]
            assert files
            assert all((ROOT / file).is_file() for file in files)
            assert not any("{" in word for word in words)


def test_without_a_gpu_it_says_what_to_do() -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run([ROOT / "benchmarks" / "on_gpu.sh"], env=environment, capture_output=True, text=True)
    assert run.returncode == 2
    assert "--small runs the same steps" in run.stderr


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_step_runs_small_on_the_cpu(tmp_path: Path) -> None:
    command = [ROOT / "benchmarks" / "on_gpu.sh", "--small", "--out", tmp_path]
    run = subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)
    results = json.loads((tmp_path / "results.json").read_text())
    assert run.returncode == 0, run.stdout + "".join(log.read_text()[-3000:] for log in sorted(tmp_path.glob("*.log")))
    assert all(step["status"] == "done" and step["numbers"] for step in results["steps"])
    assert (tmp_path / "table.md").read_text().count("\n") > len(results["steps"])
