# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What an editor knows: from_pretrained gives the class that was asked for, and the packages say that they are typed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pixio_hf

CODE = """
from typing import Any
from typing_extensions import assert_type
from pixio_hf import PixioConfig, PixioForDepthEstimation, PixioModel

model = PixioModel.from_pretrained("folder")
assert_type(model, PixioModel)
assert_type(model.config, PixioConfig)
assert_type(model.to("cpu").eval(), PixioModel)
assert_type(PixioForDepthEstimation.from_pretrained("folder", dtype="auto"), PixioForDepthEstimation)
assert_type(PixioModel.from_pretrained("folder", output_loading_info=True), tuple[PixioModel, dict[str, Any]])
"""


def test_packages_say_that_they_are_typed():
    package = Path(pixio_hf.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package.parent / "pixio_hf_cli" / "py.typed").is_file()


@pytest.mark.slow
def test_from_pretrained_keeps_its_type(tmp_path):
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent))
    if pyright is None:
        pytest.skip("pyright is not installed")
    (tmp_path / "code.py").write_text(CODE)
    source = str(Path(pixio_hf.__file__).parents[1])
    (tmp_path / "pyrightconfig.json").write_text(f'{{"include": ["code.py"], "extraPaths": ["{source}"]}}')
    command = [pyright, "--pythonpath", sys.executable, "--project", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stdout
