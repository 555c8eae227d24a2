# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""An upload that is killed in the middle, and the same command once more."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixio_hf import PixioModel
from tests.hub_server import running_hub
from tests.tiny_models import randomize_weights, tiny_config

SCRIPT = Path(__file__).resolve().parents[2] / "conversion" / "push_to_hub.py"


@pytest.mark.slow
def test_a_killed_upload_is_finished_by_the_same_command(tmp_path):
    folder = tmp_path / "tiny"
    randomize_weights(PixioModel(tiny_config())).save_pretrained(folder, max_shard_size="60KB")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    shards = len(list(folder.glob("*.safetensors")))
    assert shards > 3
    command = [sys.executable, str(SCRIPT), str(folder), "owner/tiny"]
    with running_hub() as hub:
        environment = {**os.environ, **hub.environment(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
        hub.slow("put", seconds=120, skip=2)
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 120
            while hub.count("put") < 3 or len(hub.objects) < 2:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, process.communicate()
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        assert set(hub.repos["owner/tiny"].files()) == {".gitattributes"}
        hub.heal()
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
        assert result.returncode == 0, result.stderr
        assert "Done: " in result.stdout, "a progress bar"
        assert "%" in result.stderr, "a progress bar"
        files = hub.repos["owner/tiny"].files()
        assert {name: files[name] for name in files if name != ".gitattributes"} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
        assert hub.count("put") == shards - 2
