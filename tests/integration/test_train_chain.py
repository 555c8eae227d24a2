# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The chain of small models: packed photographs, planned stages, and a whole run of two steps each."""

import json
import tarfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from pixio_hf import PixioForDepthEstimation
from tests.integration.test_examples import EXAMPLES, load_script


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return load_script(EXAMPLES / "train_chain.py")


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos" / "kitchen"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(6):
        pixels = generator.integers(0, 256, (8, 12, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).resize((360, 240)).save(folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"nothing")
    return folder.parent


def test_photographs_are_packed_and_unpacked(script, photos, tmp_path, capsys):
    script.main(script.ChainArguments(photos=str(photos), pack=str(tmp_path / "box.tar")))
    printed = capsys.readouterr().out
    assert "6 photographs" in printed
    assert "1 could not be read: kitchen/broken.jpg" in printed
    with tarfile.open(tmp_path / "box.tar") as archive:
        assert sorted(archive.getnames()) == [f"kitchen/{number}.jpg" for number in range(6)]
    folder = script.unpack_photographs(tmp_path / "box.tar", tmp_path / "unpacked")
    with PIL.Image.open(folder / "kitchen" / "0.jpg") as photo:
        assert photo.size == (216, 144)


def test_a_dry_run_prints_the_commands(script, photos, tmp_path, capsys):
    options = {"photos": str(photos), "output_dir": str(tmp_path / "out"), "dry_run": True}
    script.main(script.ChainArguments(**options, frames="frames", onnx="teacher.onnx"))
    printed = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    places = [
        printed.index(name) for name in ("pretrain.py", "pseudo_label.py", "depth-128", "depth-256", "--by-source")
    ]
    assert places == sorted(places)
    assert "--onnx teacher.onnx" in printed
    assert "--depth_scale 0.001" in printed
    with pytest.raises(ValueError, match="no photographs at"):
        script.main(script.ChainArguments(photos="nowhere"))
    with pytest.raises(ValueError, match="--depth_estimation_type"):
        script.main(script.ChainArguments(photos=str(photos), depth_estimation_type="inverse"))


@pytest.mark.slow
def test_the_whole_chain_runs(script, photos, tmp_path, capfd):
    out = tmp_path / "out"
    args = script.ChainArguments(photos=str(photos), output_dir=str(out), smoke=True, num_scenes=4)
    (photos / "kitchen" / "broken.jpg").unlink()
    script.main(args)
    model = PixioForDepthEstimation.from_pretrained(out / "depth-256" / "model")
    assert model.config.depth_estimation_type == "relative"
    processor = json.loads((out / "depth-256" / "model" / "preprocessor_config.json").read_text())
    assert processor["size"] == {"height": 256, "width": 256}
    assert "order" in json.loads((out / "results-synthetic-mixed-v2" / "results.json").read_text())["metrics"]
    capfd.readouterr()
    script.main(args)
    assert capfd.readouterr().out.count("Finished already") == 5
