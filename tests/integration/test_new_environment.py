# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The card's lines and the command as typed, with the wheel built from this checkout in an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
import pytest

from tests.hub_server import running_hub

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


EXPORT = """
import sys
from pixio_hf.conversion.export import export_checkpoint
export_checkpoint("pixio-tiny", sys.argv[1])
"""


@dataclass(frozen=True)
class NewEnvironment:
    """Only the package comes from its wheel; its dependencies are lent by the environment of the tests."""

    binaries: Path
    site_packages: Path
    variables: dict[str, str]

    def run(self, folder: Path, program: str, *arguments: str | Path, **variables: str) -> str:
        """Run a program of the environment in a folder: what it printed."""
        command = [str(self.binaries / program), *map(str, arguments)]
        environment = {**self.variables, **variables}
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> NewEnvironment:
    folder = tmp_path_factory.mktemp("environment")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("needs uv to build the wheel")
    subprocess.run([uv, "build", "--out-dir", folder, ROOT], check=True, timeout=500)
    assert len(list(folder.glob("*.tar.gz"))) == 1, "the wheel is built from the source distribution"
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([uv, "pip", "install", "--python", python, "--no-deps", wheel], check=True, timeout=500)
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # A line of a .pth file is put behind the environment's own folder, without running the .pth files over there,
    # so that an editable installation of this package does not count.
    (site_packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    hidden = ("PYTHONPATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    return NewEnvironment(
        python.parent, site_packages, {**variables, "HF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    )


@pytest.mark.slow
def test_lines_of_the_card_in_a_new_environment(installed, tmp_path):
    printed = installed.run(tmp_path, "python", "-c", LINES)
    place, *rest = printed.splitlines()[-1].split(maxsplit=1)
    assert Path(place).is_relative_to(installed.site_packages)
    assert rest == ["PixioModel (48, 64) tensor(True)"] or rest == ["PixioModel (48, 64) True"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_command_in_a_new_environment(installed, tmp_path):
    """What one tries first, outside of the checkout: demo, depth, convert, push --dry-run."""
    PIL.Image.new("RGB", (96, 64), "tan").save(tmp_path / "photo.png")
    installed.run(tmp_path, "pixio-hf", "depth", "photo.png", "--out", "depth")
    with PIL.Image.open(tmp_path / "depth" / "photo_depth.png") as depth:
        assert depth.size == (96, 64)
    installed.run(tmp_path, "pixio-hf", "demo", "--out", "demo")
    assert "<html" in (tmp_path / "demo" / "index.html").read_text()
    installed.run(tmp_path, "python", "-c", EXPORT, "original.pth")
    printed = installed.run(tmp_path, "pixio-hf", "convert", "original.pth", "converted", "--license", "apache-2.0")
    assert "converted" in printed
    with running_hub() as hub:
        arguments = ("push", "converted", "owner/mine", "--dry-run", "--own-weights")
        printed = installed.run(tmp_path, "pixio-hf", *arguments, **hub.environment(tmp_path / "home"))
        assert "Dry run: nothing was sent." in printed
        assert not hub.repos


@pytest.mark.slow
def test_completion_in_a_new_environment(installed, tmp_path):
    """Of the shells' protocol that typer has: what could follow the words typed so far."""
    asked = {"_PIXIO_HF_COMPLETE": "complete_bash", "COMP_WORDS": "pixio-hf de", "COMP_CWORD": "1"}
    assert installed.run(tmp_path, "pixio-hf", **asked).split() == ["depth", "demo"]
    assert "--install-completion" in installed.run(tmp_path, "pixio-hf", "--help")
