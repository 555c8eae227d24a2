# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Metrics and commands in a process whose home and cache folders cannot be made."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import pixio_hf

METRICS = """
import numpy as np
from pixio_hf.metrics import DepthMetrics, KNNMetrics, SegmentationMetrics
depth, classes, knn = DepthMetrics(), SegmentationMetrics(2), KNNMetrics(np.eye(4), np.arange(4), [1])
depth.add_batch(predictions=[np.full((8, 8), 2.0)], references=[np.full((8, 8), 2.0)])
classes.add_batch(predictions=[np.ones((4, 4), int)], references=[np.ones((4, 4), int)])
knn.add_batch(predictions=np.eye(4), references=np.arange(4))
assert depth.compute()["delta1"] == 1.0
assert classes.compute()["pixel_accuracy"] == 100.0
assert knn.compute()["k1_top1"] == 100.0
shared = DepthMetrics(num_process=2, process_id=0, experiment_id="no-home")
print(shared.data_dir)
"""


def run_homeless(*arguments: str, temporary: Path) -> str:
    names = ("HF_METRICS_CACHE", "HF_EVALUATE_CACHE", "HF_DATASETS_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"HOME": "/proc/nohome", "HF_HOME": "/proc/nohome/hf", "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nothing can be made")
def test_metrics_need_no_home(tmp_path):
    folder = run_homeless("-c", METRICS, temporary=tmp_path).strip()
    assert Path(folder).is_relative_to(tmp_path)  # where several processes find each other


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nothing can be made")
def test_the_depth_command_needs_no_home(tmp_path):
    photo = Path(pixio_hf.__file__).parent / "assets" / "photos" / "cat.jpg"
    run_homeless("-m", "pixio_hf_cli", "depth", str(photo), "--out", str(tmp_path / "out"), temporary=tmp_path)
    assert np.asarray(PIL.Image.open(tmp_path / "out" / "cat_depth.png")).any()
