# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What the wheel ships and promises: both packages, their marker of types, the assets, the card's seven requirements."""

import email
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CARD_PACKAGES = {"transformers", "torch", "safetensors", "huggingface-hub", "accelerate", "datasets", "evaluate"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_every_file_of_both_packages_is_shipped(wheel):
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    expected = {name.removeprefix("src/") for name in tracked if (ROOT / name).is_file()}
    assert expected <= set(wheel.namelist()), sorted(expected - set(wheel.namelist()))


def test_types_are_promised_and_shipped(wheel):
    assert {"pixio_hf/py.typed", "pixio_hf_cli/py.typed"} <= set(wheel.namelist())
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    assert "Typing :: Typed" in email.message_from_bytes(wheel.read(metadata)).get_all("Classifier", [])


def test_the_card_s_packages_come_without_an_extra(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    message = email.message_from_bytes(wheel.read(metadata))
    core = [line for line in message.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = {re.match(r"[\w.-]+", line).group(0) for line in core}
    assert names >= CARD_PACKAGES
    assert all(">=" in line for line in core), "each states its lowest version"
    extras = {"train", "demo", "exr", "3d", "video", "heic", "export", "app", "docs", "dev"}
    assert set(message.get_all("Provides-Extra", [])) == extras
