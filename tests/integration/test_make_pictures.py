# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The script that makes the pictures of the docs: small files, and every picture that a page shows is there."""

import io
import re
from pathlib import Path

import numpy as np
import PIL.Image
from docs import make_pictures

ROOT = Path(__file__).resolve().parents[2]


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
