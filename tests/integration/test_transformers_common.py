# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Runs transformers' own common tests on this package's classes.

They come with transformers' source distribution, not with its wheel: it is downloaded once into .cache/, its tests are
laid out in a temporary folder beside the files of tests/common, and pytest runs there in a process of its own.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "transformers-sdist"
# Fewer passed tests than this mean that the suite was not really run. 530 pass with transformers 5.23.
MIN_PASSED = 430
GPU_TESTS = "sdpa or flash or offload or parallel or fp16 or bf16 or compile"
MIN_PASSED_ON_GPU = 20


def fetch_source_distribution() -> Path:
    """Path of the archive of the installed transformers version; skips where the package index cannot be reached."""
    version = transformers.__version__
    archive = CACHE / f"transformers-{version}.tar.gz"
    if archive.is_file():
        return archive
    CACHE.mkdir(parents=True, exist_ok=True)
    download = CACHE / f"download-{os.getpid()}"
    options = ["--no-deps", "--no-binary", ":all:", "--quiet", "--dest", str(download)]
    command = [sys.executable, "-m", "pip", "download", *options, f"transformers=={version}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        found = list(download.glob("transformers-*.tar.gz"))
        if not found:
            pytest.skip(f"transformers' source distribution could not be downloaded: {result.stderr.strip()[-300:]}")
        os.replace(found[0], archive)
    except subprocess.TimeoutExpired:
        pytest.skip("transformers' source distribution could not be downloaded in 300 s")
    finally:
        shutil.rmtree(download, ignore_errors=True)
    return archive


def lay_out(archive: Path, folder: Path) -> None:
    """Put transformers' test modules into folder/tests and ours into folder/pixio_common."""
    upstream, ours = folder / "tests", folder / "pixio_common"
    upstream.mkdir()
    ours.mkdir()
    (upstream / "__init__.py").touch()
    with tarfile.open(archive) as contents:
        for member in contents:
            parts = Path(member.name).parts
            if member.isfile() and len(parts) == 3 and parts[1] == "tests" and parts[2].endswith(".py"):
                source = contents.extractfile(member)
                assert source is not None
                (upstream / parts[2]).write_bytes(source.read())
    for file in (ROOT / "tests" / "common").glob("*.py"):
        if file.name != "conftest.py":
            shutil.copy(file, ours / file.name)
    # No configuration of this repository or of a folder above may reach the run.
    (folder / "pytest.ini").write_text("[pytest]\n")


def run_common_tests(folder: Path, *options: str) -> dict[str, int]:
    """Run the suite, or what `options` of pytest select; how many tests passed, failed and so on."""
    lay_out(fetch_source_distribution(), folder)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTEST_ADDOPTS", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "pixio_common",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
    ]
    result = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=880
    )
    report = result.stdout[-6000:] + result.stderr[-2000:]
    assert result.returncode == 0, report
    return {kind: int(number) for number, kind in re.findall(r"(\d+) (passed|skipped|failed|error)", result.stdout)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_transformers_common_tests_pass(tmp_path):
    counts = run_common_tests(tmp_path)
    assert counts.get("failed", 0) == counts.get("error", 0) == 0, counts
    assert counts.get("passed", 0) >= MIN_PASSED, counts


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.timeout(900)
def test_what_a_gpu_changes(tmp_path):
    """Attention kernels, half precision, offloading and compilation; benchmarks/on_gpu.sh runs it, on a CPU too."""
    if not torch.cuda.is_available() and "PIXIO_ON_GPU_SMALL" not in os.environ:
        pytest.skip("there is no GPU; the other test has these too")
    assert run_common_tests(tmp_path, "-k", GPU_TESTS).get("passed", 0) >= MIN_PASSED_ON_GPU
