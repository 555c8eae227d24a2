# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the tests of all metrics share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def metrics_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """evaluate keeps its files in the test's own folder."""
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", tmp_path)
