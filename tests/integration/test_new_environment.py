# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The card's lines as typed, with the wheel built from this checkout in an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES = """
import socket
def refuse(*arguments, **_):
    raise AssertionError(f"a connection was attempted: {arguments}")
socket.socket.connect = socket.getaddrinfo = refuse

import pixio_hf
from transformers import AutoModel, pipeline
model = AutoModel.from_pretrained("pixio-tiny")
depth = pipeline("depth-estimation", model="pixio-tiny-depth")

from PIL import Image
result = depth(Image.new("RGB", (64, 48), "tan"))["predicted_depth"]
print(pixio_hf.__file__, type(model).__name__, tuple(result.shape), 0 < result.min() <= result.max() <= 10)
"""


@pytest.mark.slow
def test_lines_of_the_card_in_a_new_environment(tmp_path):
    """Only the package comes from its wheel; its dependencies are lent by the environment of the tests."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("needs uv to build the wheel")
    subprocess.run([uv, "build", "--wheel", "--out-dir", tmp_path, ROOT], check=True, timeout=500)
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([uv, "pip", "install", "--python", python, "--no-deps", wheel], check=True, timeout=500)
    (site_packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    # A line of a .pth file is put behind the environment's own folder, without running the .pth files over there,
    # so that an editable installation of this package does not count.
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    hidden = ("PYTHONPATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [python, "-c", LINES], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert result.returncode == 0, result.stderr[-3000:]
    place, *rest = result.stdout.splitlines()[-1].split(maxsplit=1)
    assert Path(place).is_relative_to(site_packages)
    assert rest == ["PixioModel (48, 64) tensor(True)"] or rest == ["PixioModel (48, 64) True"]
    assert list(folder.iterdir()) == []
