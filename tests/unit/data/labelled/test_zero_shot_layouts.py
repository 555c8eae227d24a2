# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""DIODE, Sintel, ETH3D and DA-2K in their publishers' layouts, and stored inverse depth, made small."""

import json
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixio_hf.data.labelled.depth_datasets import open_depth_dataset, store_inverse
from pixio_hf.data.labelled.depth_protocols import find_depth_protocol
from pixio_hf.data.labelled.zero_shot_layouts import PointPairs

SIZE = (12, 16)
DEPTH = np.random.default_rng(0).uniform(1, 60, SIZE).astype(np.float32)


def write_image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)


def write_diode(root: Path, place: str) -> None:
    scan = root / "val" / place / "scene_00019" / "scan_00183"
    write_image(scan / f"00019_00183_{place}_000_010.png")
    np.save(scan / f"00019_00183_{place}_000_010_depth.npy", DEPTH[..., None])
    mask = np.ones(SIZE, dtype=np.float32)
    mask[0] = 0
    np.save(scan / f"00019_00183_{place}_000_010_depth_mask.npy", mask)


def test_diode(tmp_path):
    write_diode(tmp_path, "indoors")
    assert find_depth_protocol(tmp_path).name == "diode-indoor"
    (item,) = open_depth_dataset(tmp_path, "val", relative=True)
    assert np.array_equal(item["depth"][1:], DEPTH[1:])
    assert (item["depth"][0] == 0).all()
    write_diode(tmp_path, "outdoor")
    with pytest.raises(ValueError, match="judged apart"):
        find_depth_protocol(tmp_path)
    assert len(open_depth_dataset(tmp_path, "val", protocol="diode-outdoor")) == 1
    with pytest.raises(ValueError, match="not 'train'"):
        open_depth_dataset(tmp_path, "train", protocol="diode-outdoor")


def test_sintel(tmp_path):
    write_image(tmp_path / "training/final/alley_1/frame_0001.png")
    path = tmp_path / "training/depth/alley_1/frame_0001.dpt"
    path.parent.mkdir(parents=True)
    path.write_bytes(struct.pack("<fii", 202021.25, SIZE[1], SIZE[0]) + DEPTH.tobytes())
    assert find_depth_protocol(tmp_path).name == "sintel"
    (item,) = open_depth_dataset(tmp_path, "val")
    assert np.array_equal(item["depth"], DEPTH)
    for damaged in (b"", path.read_bytes()[:-4], struct.pack("<fii", 1.0, SIZE[1], SIZE[0]) + DEPTH.tobytes()):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"frame_0001\.dpt is no whole"):
            open_depth_dataset(tmp_path, "val")[0]


def test_eth3d(tmp_path):
    write_image(tmp_path / "courtyard/images/dslr_images/DSC_0286.JPG")
    write_image(tmp_path / "courtyard/images/dslr_images/DSC_0287.JPG")
    path = tmp_path / "courtyard/ground_truth_depth/dslr_images/DSC_0286.JPG"
    path.parent.mkdir(parents=True)
    stored = DEPTH.copy()
    stored[3, :5] = np.inf
    path.write_bytes(stored.tobytes())
    assert find_depth_protocol(tmp_path).name == "eth3d"
    (item,) = open_depth_dataset(tmp_path, "val", relative=True)
    assert (item["depth"][3, :5] == 0).all()
    assert np.array_equal(item["depth"][4:], DEPTH[4:])
    path.write_bytes(stored.tobytes()[:-4])
    with pytest.raises(ValueError, match="does not hold"):
        open_depth_dataset(tmp_path, "val")[0]


def test_pairs_of_da_2k(tmp_path):
    write_image(tmp_path / "images/indoor/a.jpg")
    points = {"point1": [2, 3], "point2": [9, 14], "closer_point": "point1"}
    turned = {"point1": [1, 1], "point2": [5, 6], "closer_point": "point2"}
    (tmp_path / "annotations.json").write_text(json.dumps({"images/indoor/a.jpg": [points, turned]}))
    item = PointPairs(tmp_path)[0]
    assert item["image"].size == SIZE[::-1]
    assert item["name"] == "images/indoor/a.jpg"
    assert item["pairs"].tolist() == [[[2, 3], [9, 14]], [[5, 6], [1, 1]]]
    (tmp_path / "annotations.json").write_text(json.dumps({"images/indoor/a.jpg": [{"point1": [2, 3]}]}))
    with pytest.raises(ValueError, match="does not parse"):
        PointPairs(tmp_path)
    (tmp_path / "annotations.json").write_text(json.dumps({"images/b.jpg": [points]}))
    with pytest.raises(ValueError, match=r"images/b\.jpg, which is no file"):
        PointPairs(tmp_path)


@pytest.mark.parametrize("layout", ["folder", "table"])
def test_inverse_depth_comes_back_with_sky_and_holes(tmp_path, layout):
    inverse = np.random.default_rng(1).uniform(0.01, 3, SIZE)
    inverse[0] = 0
    inverse[1] = np.nan
    stored = store_inverse(inverse)
    assert stored.max() == 65535
    write_image(tmp_path / "images/a.png")
    if layout == "folder":
        (tmp_path / "disparity").mkdir()
        PIL.Image.fromarray(stored).save(tmp_path / "disparity/a.png")
    else:
        path = tmp_path / "map.png"
        PIL.Image.fromarray(stored).save(path)
        columns = {"image": [(tmp_path / "images/a.png").read_bytes()], "disparity": [path.read_bytes()]}
        pq.write_table(pa.table(columns), tmp_path / "train-00000.parquet")
    assert find_depth_protocol(tmp_path).name == "disparity"
    (item,) = open_depth_dataset(tmp_path, "train", relative=True)
    assert np.isposinf(item["depth"][0]).all()
    assert (item["depth"][1] == 0).all()
    np.testing.assert_allclose(1 / item["depth"][2:], inverse[2:] / inverse[2:].max(), atol=1e-5)
    with pytest.raises(ValueError, match="no metres"):
        open_depth_dataset(tmp_path, "train")


def test_sky_of_rendered_scenes_is_infinitely_far():
    plain = open_depth_dataset("synthetic-outdoor", "train", num_scenes=3, image_size=32)
    relative = open_depth_dataset("synthetic-outdoor", "train", num_scenes=3, image_size=32, relative=True)
    for one, other in zip(plain, relative, strict=False):
        assert np.array_equal(np.isposinf(other["depth"]), one["depth"] == 0)
        assert np.array_equal(other["depth"][one["depth"] > 0], one["depth"][one["depth"] > 0])
    assert any((item["depth"] == 0).any() for item in (plain[0], plain[1], plain[2]))
