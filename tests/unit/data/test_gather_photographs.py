# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Gathering photographs: what is taken from a repository, near duplicates, and a split that stays the same."""

import csv
import io
import runpy
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

SCRIPT = Path(__file__).parents[3] / "examples" / "gather_photographs.py"


def make_photograph(seed: int) -> PIL.Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return PIL.Image.fromarray(coarse).resize((400, 300), PIL.Image.Resampling.BICUBIC)


@pytest.fixture
def clones(tmp_path) -> Path:
    """A folder of clones with one repository: 30 photographs, one of them twice and once reduced, and two other files."""
    work, bare = tmp_path / "work", tmp_path / "clones" / "BuddiesOfBudgie+budgie-backgrounds.git"
    (work / "backgrounds").mkdir(parents=True)
    for seed in range(30):
        make_photograph(seed).save(work / "backgrounds" / f"view {seed:02}.jpg")
    (work / "backgrounds" / "same.jpg").write_bytes((work / "backgrounds" / "view 03.jpg").read_bytes())
    make_photograph(4).resize((200, 150)).save(work / "backgrounds" / "zz small.jpg")
    (work / "backgrounds" / "broken.jpg").write_bytes(b"no photograph")
    (work / "logo.jpg").write_bytes(b"not below backgrounds")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    return bare.parent


def test_photographs_of_a_repository(clones, tmp_path, capsys):
    script = runpy.run_path(str(SCRIPT))
    arguments = {"repositories": str(clones), "sources": "landscapes", "longer_side": 100}
    for output in ("one", "two"):
        script["main"](script["GatheringArguments"](output_dir=str(tmp_path / output), **arguments))
    assert "broken.jpg is left out" in capsys.readouterr().out
    text = (tmp_path / "one" / "photographs.csv").read_text()
    assert text == (tmp_path / "two" / "photographs.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 31
    assert [row["path"] for row in rows if row["near_duplicate_of"]] == ["backgrounds/zz small.jpg"]
    assert {row["licence"] for row in rows} == {"CC0"}
    parts = {row["file"]: row["part"] for row in rows}
    assert 0 < list(parts.values()).count("held_out") < 8
    for file, part in parts.items():
        with PIL.Image.open(tmp_path / "one" / part / "landscapes" / file) as image:
            assert image.size == (100, 75)


def test_unknown_sources_are_named(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    with pytest.raises(ValueError, match="kitchens"):
        script["main"](script["GatheringArguments"](output_dir=str(tmp_path), sources="kitchens"))
