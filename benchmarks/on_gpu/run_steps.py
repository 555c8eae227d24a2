# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Run the steps of steps.py one after the other, and write results.json, table.md and a log of each; see ../on_gpu.sh."""

import argparse
import datetime
import os
import platform
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steps import STEPS, Step
from table import PAGE, RESULTS, ROOT, render, render_page

from pixio_hf.files import write_json, write_text

DEADLINE = 580  # seconds for everything
SMALL_LIMIT = 1200  # a CPU that also does other work may need long
LEAST = 5  # seconds that are worth starting a step


def describe_machine(is_small: bool) -> tuple[dict[str, str], float]:
    """The processor and the versions that numbers depend on; the GPU's memory in bytes.

    Raises:
        ValueError: there is no GPU, but one is needed.
    """
    versions = {name: version(name) for name in ("torch", "transformers")}
    if is_small:
        return {"CPU": platform.processor() or platform.machine(), **versions}, 0.0
    import torch

    if not torch.cuda.is_available():
        raise ValueError("no GPU here; --small runs the same steps with tiny models on the CPU.")
    gpu = torch.cuda.get_device_properties(0)
    return {"GPU": gpu.name, "CUDA": str(torch.version.cuda), **versions}, gpu.total_memory


def find_numbers(output: str, shown: str) -> list[tuple[str, str]]:
    """What a step printed: its ratios, and lines that the pattern finds, each as name and value."""
    numbers = []
    for line in output.splitlines():
        if ratio := re.fullmatch(r"ratio (\S+): (\S+)", line):
            numbers.append((ratio[1], ratio[2]))
        elif shown and re.search(shown, line):
            # "name: value", and columns of a table, which are two spaces apart.
            name, _, value = re.sub(r"\s{2,}|: ", "\t", line.strip()).partition("\t")
            numbers.append((name, re.sub(r"\t", ", ", value)))
    return numbers


def run(step: Step, arguments: list[str], log: Path, limit: float) -> dict[str, Any]:
    """Run one step; its output goes to `log`."""
    print(f"== {step.name}", flush=True)
    start = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        print("python", *arguments, file=file, flush=True)
        # A session of its own: tests start processes too, and all have to end with the step.
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(limit)
            status = "done" if code == 0 else f"failed with status {code}, see {log.name}"
        except subprocess.TimeoutExpired:
            status = f"stopped after {limit:.0f} s, see {log.name}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.monotonic() - start
    numbers = find_numbers(log.read_text(encoding="utf-8", errors="replace"), step.shown)
    print(*(f"{name}: {value}" for name, value in numbers), f"{status}, {seconds:.0f} s", sep="\n", flush=True)
    return {"name": step.name, "status": status, "seconds": seconds, "numbers": numbers, "aims": step.aims}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny models on the CPU")
    parser.add_argument("--out", type=Path, help="folder for results and logs; the page of the docs stays as it is")
    args = parser.parse_args()
    if args.small and args.out is None:
        parser.error("--small needs --out, a folder: its numbers do not belong into the docs.")
    device = "cpu" if args.small else "cuda"
    try:
        machine, memory = describe_machine(args.small)
    except ValueError as error:
        parser.error(str(error))
    out = (args.out or ROOT / "runs" / "on_gpu").resolve()
    out.mkdir(parents=True, exist_ok=True)
    if args.small:
        os.environ["PIXIO_ON_GPU_SMALL"] = "1"  # tests that otherwise leave the CPU out
    start, steps = time.monotonic(), []
    results: dict[str, Any] = {}
    for number, step in enumerate(STEPS, start=1):
        left = DEADLINE - (time.monotonic() - start)
        limit = SMALL_LIMIT if args.small else min(step.limit, left)
        log = out / f"{number:02}_{re.sub(r'[^a-z0-9]+', '_', step.name.lower())}.log"
        if limit < LEAST:
            skipped = {"name": step.name, "status": f"not run: {DEADLINE} s were over", "seconds": 0.0}
            steps.append({**skipped, "numbers": [], "aims": step.aims})
        else:
            steps.append(run(step, step.arguments(device, memory, args.small), log, limit))
        results = {
            "date": datetime.date.today().isoformat(),
            "machine": machine,
            "seconds": time.monotonic() - start,
            "steps": steps,
        }
        # After each step: what ends this script from outside leaves what was measured.
        write_json(out / "results.json", results)
        write_text(out / "table.md", render(results))
    if args.out is None:
        write_json(RESULTS, results)
        write_text(PAGE, render_page())
    failed = [step["name"] for step in steps if step["status"] != "done"]
    print(f"Written: {out / 'table.md'}" + (f". Not measured: {'; '.join(failed)}." if failed else "."))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
