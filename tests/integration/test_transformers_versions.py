# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What this package saves is read completely by the oldest transformers with Pixio, 5.0.0, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pixio_hf import PixioForPreTraining, PixioModel
from tests.tiny_models import SPELLINGS, random_images, randomize_weights, tiny_config, write_checkpoint

OLDEST = "5.0.0"
READ_WITH_OLDEST = """
import sys
from pathlib import Path
import torch, transformers
assert transformers.__version__ == sys.argv[1], transformers.__version__
images = torch.load(sys.argv[2])
for folder in sys.argv[3:]:
    model, info = transformers.PixioModel.from_pretrained(folder, output_loading_info=True)
    assert type(model).__module__.startswith("transformers."), type(model)
    assert not info["missing_keys"], (folder, info["missing_keys"])
    unread = [key for key in info["unexpected_keys"] if not key.startswith("decoder.")]
    assert not unread, (folder, unread)
    with torch.no_grad():
        torch.save(model.eval()(images).last_hidden_state, Path(folder) / "output.pt")
"""


def install_oldest(site: Path) -> None:
    """Install transformers 5.0.0 and what it needs into a folder; torch is this environment's."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), f"transformers=={OLDEST}"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=400)
    except subprocess.TimeoutExpired:
        pytest.skip(f"transformers {OLDEST} could not be installed in 400 s")
    if result.returncode:
        pytest.skip(f"transformers {OLDEST} could not be installed: {result.stderr.strip()[-300:]}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@torch.no_grad()
def test_oldest_transformers_reads_what_is_saved(tmp_path):
    install_oldest(tmp_path / "site")
    images = random_images()  # 5.0.0 takes the native size only
    torch.save(images, tmp_path / "images.pt")

    outputs = {}
    encoder = randomize_weights(PixioModel(tiny_config()))
    for spelling in SPELLINGS:
        source = write_checkpoint(tmp_path / f"source_{spelling}", encoder, spelling)
        PixioModel.from_pretrained(source).save_pretrained(tmp_path / spelling)
        outputs[tmp_path / spelling] = encoder(images).last_hidden_state
    pretraining = randomize_weights(PixioForPreTraining(tiny_config()), seed=3)
    pretraining.save_pretrained(tmp_path / "pretraining", max_shard_size="20KB")
    outputs[tmp_path / "pretraining"] = pretraining.pixio(images).last_hidden_state

    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    arguments = [OLDEST, str(tmp_path / "images.pt"), *map(str, outputs)]
    result = subprocess.run(
        [sys.executable, "-c", READ_WITH_OLDEST, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=400,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for folder, expected in outputs.items():
        actual = torch.load(folder / "output.pt")
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
