# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Official short names against a local Hub: what is loaded, and what is said when it cannot be; each in its own process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixio_hf import PixioImageProcessor, PixioModel
from tests.hub_server import READER, WRITER, running_hub
from tests.tiny_models import randomize_weights, tiny_config

OFFICIAL = "facebook/pixio-vith16"
PROGRAM = """
import json, sys, time
import torch, transformers
from transformers import AutoBackbone, AutoConfig, AutoImageProcessor, AutoModel, pipeline
import pixio_hf
folder, *wanted = sys.argv[1:]
loads = {
    "model": lambda **options: AutoModel.from_pretrained("pixio-h16", **options),
    "own": lambda **options: pixio_hf.PixioModel.from_pretrained("pixio-h16", **options),
    "upstream": lambda **options: transformers.PixioModel.from_pretrained("pixio-h16", **options),
    "config": lambda **options: AutoConfig.from_pretrained("pixio-h16", **options),
    "processor": lambda **options: AutoImageProcessor.from_pretrained("pixio-h16", **options),
    "backbone": lambda **options: AutoBackbone.from_pretrained("pixio-h16", **options),
    "pipeline": lambda **options: pipeline("image-feature-extraction", model="pixio-h16", **options),
}
expected = AutoModel.from_pretrained(folder).state_dict()
report = {}
for line in wanted:
    kind, options = line.split(" ", 1)
    start = time.monotonic()
    try:
        loaded = loads[kind](**json.loads(options))
    except Exception as error:
        report[line] = {"error": str(error), "is_os": isinstance(error, OSError)}
    else:
        state = getattr(getattr(loaded, "model", loaded), "state_dict", dict)()
        same = [torch.equal(state[name], value) for name, value in expected.items() if name in state]
        report[line] = {"same": all(same), "compared": len(same), "class": type(loaded).__name__}
    report[line]["seconds"] = time.monotonic() - start
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Two encoders with other weights: of the branch main, and of the branch older."""
    base = tmp_path_factory.mktemp("official")
    for seed, name in enumerate(("main", "older")):
        randomize_weights(PixioModel(tiny_config()), seed=seed).save_pretrained(base / name)
        PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(base / name)
    return {name: base / name for name in ("main", "older")}


@pytest.fixture
def hub(folders):
    contents = {name: {path.name: path.read_bytes() for path in folder.iterdir()} for name, folder in folders.items()}
    with running_hub() as hub:
        repo = hub.add_repo(OFFICIAL, contents["main"], gated=True, readers={READER})
        repo.branches["older"] = repo.commit("older", contents["older"], "older weights")
        yield hub


def load(folder: Path, wanted: list[str], environment: dict[str, str], place: Path) -> list[dict]:
    """Results of the loads in a new process, in an empty working folder."""
    (place / "empty").mkdir(exist_ok=True)
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), *wanted],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=place / "empty",
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert list((place / "empty").iterdir()) == []
    report = json.loads(result.stdout.splitlines()[-1])
    return [report[line] for line in wanted]


@pytest.mark.slow
def test_every_class_loads_the_official_weights_online_and_then_offline(hub, folders, tmp_path):
    kinds = ("model", "own", "upstream", "backbone", "config", "processor", "pipeline")
    wanted = [f"{kind} {{}}" for kind in kinds]
    environment = hub.environment(tmp_path / "home", READER)
    online = load(folders["main"], wanted, environment, tmp_path)
    assert [result.get("same") for result in online] == [True] * len(kinds), online
    assert all(result["compared"] > 30 for result in online[:3])
    assert [result["class"] for result in online[3:6]] == ["PixioBackbone", "PixioConfig", "PixioImageProcessor"]
    assert all(request.token == READER for request in hub.requests if request.endpoint == "resolve")
    before = len(hub.requests)
    offline = load(folders["main"], wanted, {**environment, "HF_HUB_OFFLINE": "1"}, tmp_path)
    assert [result.get("same") for result in offline] == [True] * len(kinds), offline
    local = load(folders["main"], ['model {"local_files_only": true}'], environment, tmp_path)
    assert local[0]["same"]
    assert hub.requests[before:] == []
    # A machine that lost its network, without HF_HUB_OFFLINE: what is in the cache loads, and soon.
    unplugged = load(folders["main"], wanted[:1], {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}, tmp_path)
    assert unplugged[0]["same"]
    assert unplugged[0]["seconds"] < 15


@pytest.mark.slow
def test_revision_token_and_cache_are_passed_on(hub, folders, tmp_path):
    environment = hub.environment(tmp_path / "home", None)
    options = {"revision": "older", "token": READER, "cache_dir": str(tmp_path / "cache")}
    wanted = [f"model {json.dumps(options)}", 'model {"revision": "missing", "token": "hf_reader"}']
    older, missing = load(folders["older"], wanted, environment, tmp_path)
    assert older["same"]
    assert older["compared"] > 30
    assert (tmp_path / "cache" / "models--facebook--pixio-vith16").is_dir()
    assert "pixio-h16 stands for facebook/pixio-vith16, which has no such revision: missing" in missing["error"]


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, WRITER], ids=["401", "403"])
def test_gated(hub, folders, tmp_path, token):
    wanted = [f"{kind} {{}}" for kind in ("model", "config", "processor", "backbone", "pipeline")]
    for result in load(folders["main"], wanted, hub.environment(tmp_path / "home", token), tmp_path):
        assert result["error"] == (
            "pixio-h16 stands for facebook/pixio-vith16, which is gated: accept its licence at"
            " https://huggingface.co/facebook/pixio-vith16, then `hf auth login` and `hf download facebook/pixio-vith16`."
        )
        assert result["is_os"]


@pytest.mark.slow
def test_missing_repository(folders, tmp_path):
    with running_hub() as hub:
        (result,) = load(folders["main"], ["model {}"], hub.environment(tmp_path / "home", READER), tmp_path)
    assert result["error"].startswith("pixio-h16 stands for facebook/pixio-vith16, which http://127.0.0.1")
    assert "hf download facebook/pixio-vith16" in result["error"]
    assert result["is_os"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "http://127.0.0.1:9 does not answer"),
        ({"HF_ENDPOINT": "http://no-such-host.invalid"}, "http://no-such-host.invalid does not answer"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE"),
    ],
    ids=["refused", "unresolved", "offline"],
)
def test_without_a_network(folders, tmp_path, changes, why):
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", **changes}
    wanted = [f"{kind} {{}}" for kind in ("model", "pipeline", "processor")]
    for result in load(folders["main"], wanted, environment, tmp_path):
        assert result["error"].startswith("pixio-h16 stands for facebook/pixio-vith16, of which ")
        assert why in result["error"]
        assert "`hf download facebook/pixio-vith16`" in result["error"]
        assert result["is_os"]
        assert result["seconds"] < 15
