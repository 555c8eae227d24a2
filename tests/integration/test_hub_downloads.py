# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Models by Hub id from a local Hub: loading, transformers' own push_to_hub, the commands, `hf download`, offline use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from PIL import Image

from pixio_hf import PixioForPreTraining, PixioImageProcessor, PixioModel
from tests.hub_server import READER, WRITER, running_hub
from tests.tiny_models import randomize_weights, tiny_config, write_checkpoint

OFFICIAL = "facebook/pixio-vith16"
SHARE = """
import json, sys, torch
from transformers import AutoImageProcessor, AutoModel
import pixio_hf
def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
"""
ONLINE = (
    SHARE
    + """
from typer.testing import CliRunner
from pixio_hf_cli import app
folder, photo, out = sys.argv[1:]
model, local = AutoModel.from_pretrained("owner/tiny"), AutoModel.from_pretrained(folder)
model.push_to_hub("owner/pushed", private=True)
def run(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    return [result.exit_code, result.output]
report = {
    "class": f"{type(model).__module__}.{type(model).__name__}",
    "processor": AutoImageProcessor.from_pretrained("owner/tiny").size["height"],
    "same": same(model, local),
    "pushed": same(AutoModel.from_pretrained("owner/pushed"), local),
    "features": run("features", photo, "--model", "owner/tiny", "--size", "64", "--out", out),
    "info": run("info", "owner/tiny"),
    "gated": run("info", "facebook/pixio-vith16"),
    "missing": run("info", "owner/missing"),
}
print(json.dumps(report))
"""
)
OFFLINE = (
    SHARE
    + """
cached, downloaded = AutoModel.from_pretrained("owner/tiny"), AutoModel.from_pretrained("pixio-h16")
processor = AutoImageProcessor.from_pretrained("pixio-h16")
tiny, official = sys.argv[1:]
report = {
    "cached": same(cached, AutoModel.from_pretrained(tiny)),
    "class": f"{type(downloaded).__module__}.{type(downloaded).__name__}",
    "downloaded": same(downloaded, AutoModel.from_pretrained(official)),
    "processor": type(processor).__name__,
}
print(json.dumps(report))
"""
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A saved pre-training model, and an encoder in the layout of the official repository."""
    base = tmp_path_factory.mktemp("downloads")
    tiny, official = base / "tiny", base / "official"
    randomize_weights(PixioForPreTraining(tiny_config())).save_pretrained(tiny)
    PixioImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tiny)
    (tiny / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    encoder = randomize_weights(PixioModel(tiny_config()), seed=3)
    write_checkpoint(official, encoder)
    fields = {key: getattr(encoder.config, key) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    plain = transformers.PixioConfig(**fields, image_size=64, n_cls_tokens=encoder.config.n_cls_tokens)
    plain.architectures = ["PixioModel"]
    plain.save_pretrained(official)
    transformers.BitImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False).save_pretrained(official)
    (official / "pixio_vith16.pth").write_bytes(b"the original checkpoint, which nothing reads")
    (official / "README.md").write_text(
        "---\nlicense: other\nlicense_name: fair-noncommercial-research-license\n---\n"
    )
    return {"tiny": tiny, "official": official}


@pytest.fixture(scope="module")
def hub(folders):
    with running_hub() as hub:
        contents = {
            name: {path.name: path.read_bytes() for path in folder.iterdir()} for name, folder in folders.items()
        }
        hub.add_repo("owner/tiny", contents["tiny"])
        hub.add_repo(OFFICIAL, contents["official"], gated=True, readers={READER})
        yield hub


def run_python(*arguments: str | Path, environment: dict[str, str], folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.mark.slow
def test_by_id_online_then_offline_and_from_a_downloaded_folder(hub, folders, tmp_path):
    photo, home = tmp_path / "photo.png", tmp_path / "home"
    Image.effect_noise((80, 64), 60).convert("RGB").save(photo)
    arguments = (folders["tiny"], photo, tmp_path / "out")
    online = run_python("-c", ONLINE, *arguments, environment=hub.environment(home, WRITER), folder=tmp_path)
    report = json.loads(online.splitlines()[-1])
    assert not [request.path for request in hub.requests if request.endpoint == "unknown"]
    assert report["class"] == "pixio_hf.modeling_pixio.PixioModel"
    assert report["same"]
    assert report["pushed"]
    assert report["processor"] == 64
    pushed = hub.repos["owner/pushed"]
    assert pushed.private
    assert {"config.json", "model.safetensors", "README.md"} <= set(pushed.files())
    assert report["features"][0] == 0
    assert (tmp_path / "out" / "photo_features.png").is_file()
    code, text = report["info"]
    assert code == 0
    assert "apache-2.0" in text
    assert "decoder" in text
    code, text = report["gated"]
    assert code == 2
    assert text.startswith("Error: ")
    assert "gated" in text
    assert f"/{OFFICIAL}" in text
    assert "hf auth login" in text
    assert len(text.splitlines()) == 1
    code, text = report["missing"]
    assert code == 2
    assert "hf auth login" in text

    download = ("-m", "huggingface_hub.cli.hf", "download", OFFICIAL, "--local-dir", "pixio-h16")
    run_python(*download, environment=hub.environment(home, READER), folder=tmp_path)
    names = {path.name for path in (tmp_path / "pixio-h16").iterdir()}
    assert names == {path.name for path in folders["official"].iterdir()} | {".gitattributes", ".cache"}
    assert (tmp_path / "pixio-h16" / ".cache" / "huggingface").is_dir()

    before = len(hub.requests)
    offline = {**hub.environment(home), "HF_HUB_OFFLINE": "1"}
    output = run_python("-c", OFFLINE, folders["tiny"], folders["official"], environment=offline, folder=tmp_path)
    report = json.loads(output.splitlines()[-1])
    assert report["cached"]
    assert report["downloaded"]
    assert len(hub.requests) == before
    assert report["class"] == "pixio_hf.modeling_pixio.PixioModel"
    assert report["processor"].startswith("BitImageProcessor")
