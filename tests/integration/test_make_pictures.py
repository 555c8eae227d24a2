# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The scripts that make the pictures of the docs: small files, and every picture that a page shows is there."""

import io
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from docs import make_pictures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def guides(monkeypatch) -> dict:
    """Names of make_guide_pictures.py."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    yield runpy.run_path(str(ROOT / "docs" / "make_guide_pictures.py"))
    sys.modules.pop("make_pictures", None)


def test_pictures_become_small(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (30, 4000, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "large.png")
    with PIL.Image.open(io.BytesIO(make_pictures.shrink(tmp_path / "large.png"))) as picture:
        assert picture.width == 1200


def test_every_picture_is_small_and_shown():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {
        Path(name).name for page in pages for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text("utf-8"))
    }
    files = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.png")}
    assert set(files) <= shown, "a picture that no page shows"
    assert set(make_pictures.PICTURES.values()) <= set(files)
    assert all(size < 700_000 for size in files.values()), files


def test_diagrams_are_drawn_without_a_model(guides, tmp_path):
    for name in ("conversion", "hub"):
        with PIL.Image.open(guides["PICTURES"][name](tmp_path)) as picture:
            assert picture.width > 900
            assert picture.convert("L").getextrema() != (255, 255)


def test_a_comparison_is_drawn_from_its_rows(guides, tmp_path):
    rows = [
        {"model": model, "head": head, "metrics": {"delta1": 0.5, "rmse": 1.0}}
        for model in ("/somewhere/untrained", "pixio-tiny")
        for head in ("linear", "dpt")
    ]
    with PIL.Image.open(guides["draw_comparison"](rows, tmp_path)) as picture:
        assert picture.width > 1000
