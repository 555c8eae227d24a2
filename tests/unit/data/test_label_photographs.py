# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Labels of a teacher: millimetres where both views of a photograph agree, a folder that can be trained on."""

import runpy
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "label_photographs.py"))
ARGUMENTS = {"output_dir": "", "photos": ""}


def test_labels_are_the_mean_of_both_views_where_they_agree():
    args = SCRIPT["LabellingArguments"](**ARGUMENTS)

    def look(photo: PIL.Image.Image) -> np.ndarray:
        # 2 m where it is dark and 3 m where it is bright, but 4 m in the upper left corner of whatever it is shown.
        depth = np.where(np.asarray(photo)[..., 0] > 128, 3.0, 2.0)
        depth[:4, :4] = 4.0
        return depth

    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:, 10:] = 255
    depth = SCRIPT["label"](PIL.Image.fromarray(pixels), look, args)
    assert depth.dtype == np.uint16
    assert (depth[:4, :4] == 0).all()
    assert (depth[:4, -4:] == 0).all()
    assert (depth[4:, :10] == 2000).all()
    assert (depth[4:, 10:] == 3000).all()


def test_a_folder_is_labelled_once(tmp_path, capsys):
    (tmp_path / "photos" / "kitchen").mkdir(parents=True)
    for number in range(6):
        color = (40 * number, 90, 200 - 30 * number)
        PIL.Image.new("RGB", (60, 40), color).save(tmp_path / "photos" / "kitchen" / f"{number}.jpg")
    options = {"photos": str(tmp_path / "photos"), "output_dir": str(tmp_path / "out"), "image_size": 32}
    args = SCRIPT["LabellingArguments"](**options, val_share=0.4, max_disagreement=5.0)
    SCRIPT["main"](args)
    assert "Labelled 6 photographs" in capsys.readouterr().out
    parts = {
        part: sorted(path.stem for path in (tmp_path / "out" / part / "depth").iterdir()) for part in ("train", "val")
    }
    assert sorted(parts["train"] + parts["val"]) == [f"kitchen-{number}" for number in range(6)]
    assert all(parts.values())
    with PIL.Image.open(tmp_path / "out" / "train" / "depth" / f"{parts['train'][0]}.png") as image:
        assert image.size == (32, 32)
        assert np.asarray(image).max() > 100
    SCRIPT["main"](args)
    assert "Labelled" not in capsys.readouterr().out


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="no photographs"):
        SCRIPT["main"](SCRIPT["LabellingArguments"](output_dir="x", photos=str(tmp_path)))
    PIL.Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="teacher"):
        SCRIPT["main"](SCRIPT["LabellingArguments"](output_dir="x", photos=str(tmp_path), teacher="nowhere.onnx"))
