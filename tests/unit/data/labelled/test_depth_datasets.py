# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Depth data sets: the true layouts, folders, tables and synthetic scenes; what is wrong with them is named."""

import json
import pickle
from collections import Counter

import numpy as np
import PIL.Image
import pytest
from datasets import Array2D, Dataset, DatasetDict, Features, Image

from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.data.labelled.depth_protocols import DEPTH_PROTOCOLS, find_depth_protocol, list_kitti
from pixio_hf.data.labelled.kitti_split import KITTI_TEST_FRAMES
from pixio_hf.synthetic import HELD_OUT_SEEDS, TRAIN_SEEDS, SyntheticSceneDataset
from tests.fake_datasets import write_kitti, write_nyuv2

SIZE = (12, 16)


def make_pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and depth (H, W) uint16 millimetres with a hole."""
    generator = np.random.default_rng(seed)
    depth = generator.integers(500, 9000, SIZE, dtype=np.uint16)
    depth[0, 0] = 0
    return generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8), depth


def write_folder(root, names=("a", "b"), ending=".png"):
    """images/NAME.png and depth/NAME.ending; the millimetres of each."""
    stored = []
    for folder in ("images", "depth"):
        (root / folder).mkdir(parents=True)
    for index, name in enumerate(names):
        image, depth = make_pair(index)
        PIL.Image.fromarray(image).save(root / "images" / f"{name}.png")
        if ending == ".npy":
            np.save(root / "depth" / f"{name}.npy", depth)
        else:
            PIL.Image.fromarray(depth).save(root / "depth" / f"{name}{ending}")
        stored.append(depth)
    return stored


def test_nyuv2_by_listing_and_by_split_file(tmp_path):
    maps = write_nyuv2(tmp_path, 3, 1, write_lists=True)
    assert find_depth_protocol(tmp_path).name == "nyuv2"
    for split, count in (("train", 3), ("val", 1)):
        listed = open_depth_dataset(tmp_path, split)
        from_file = open_depth_dataset(tmp_path, split, split_file=tmp_path / f"{split}.txt")
        assert len(listed) == len(from_file) == count
        for index, (item, other) in enumerate(zip(listed, from_file, strict=True)):
            assert item["name"] == other["name"]
            assert item["image"] == other["image"]
            assert np.array_equal(item["depth"], maps[split][index][45:471, 41:601])
            stored = PIL.Image.open(tmp_path / item["name"])
            assert item["image"] == stored.crop((41, 45, 601, 471))
            assert item["image"].size == (560, 426)
    assert np.array_equal(pickle.loads(pickle.dumps(listed))[0]["depth"], listed[0]["depth"])


def test_kitti_by_listing_and_by_split_file(tmp_path):
    maps = write_kitti(tmp_path, 2, 1, size=(40, 120), write_lists=True)
    for split, count in (("train", 2), ("val", 1)):
        listed = open_depth_dataset(tmp_path, split)
        from_file = open_depth_dataset(tmp_path, split, split_file=tmp_path / f"{split}.txt")
        assert len(listed) == len(from_file) == count
        for item, other, depth in zip(listed, from_file, maps[split], strict=True):
            assert item["name"] == other["name"]
            assert np.array_equal(item["depth"], depth)
            assert item["depth"].dtype == np.float32
            assert np.array_equal(np.asarray(item["image"]), np.asarray(PIL.Image.open(tmp_path / item["name"])))


def touch_kitti_frames(root, drive, frames):
    """Empty files where KITTI has these frames; listing opens none."""
    for folder in (
        f"images/{drive[:10]}/{drive}/image_02/data",
        f"annotations/{drive}/proj_depth/groundtruth/image_02",
    ):
        (root / folder).mkdir(parents=True)
        for frame in frames:
            (root / folder / frame).touch()


def test_kitti_splits_are_those_of_eigen(tmp_path):
    # Counts per date from the list of the 652 frames: github.com/nianticlabs/monodepth2, splits/eigen_benchmark.
    dates = Counter(dict.fromkeys(("2011_09_26", "2011_09_28", "2011_09_29", "2011_09_30", "2011_10_03"), 0))
    for drive, frames in KITTI_TEST_FRAMES.items():
        dates[drive[:10]] += len(frames)
        # The real folders hold many more annotated frames than the list.
        touch_kitti_frames(tmp_path, drive, {*frames, "0000009998.png", "0000009999.png"})
    assert list(dates.values()) == [487, 23, 23, 71, 48]
    assert len(KITTI_TEST_FRAMES) == 28
    listed = list_kitti(tmp_path, "val").checked("")
    assert len(listed) == 652 == DEPTH_PROTOCOLS["kitti"].num_pairs["val"]
    assert {(label.parts[-5], label.name) for _, label in listed} == {
        (drive, frame) for drive, frames in KITTI_TEST_FRAMES.items() for frame in frames
    }
    # An excerpt of KITTI is listed as it is.
    (tmp_path / "annotations/2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000069.png").unlink()
    assert len(list_kitti(tmp_path, "val").checked("")) == 651 + 2 * 28
    # Eigen trains on drives through city, residential areas and on roads; the campus and persons are in neither split.
    train = ["2011_09_26_drive_0001_sync", "2011_09_28_drive_0001_sync", "2011_10_03_drive_0042_sync"]
    for drive in [*train, "2011_09_28_drive_0016_sync", "2011_09_28_drive_0222_sync"]:
        touch_kitti_frames(tmp_path, drive, ["0000000005.png"])
    assert [label.parts[-5] for _, label in list_kitti(tmp_path, "train").checked("")] == train


@pytest.mark.parametrize("ending", [".png", ".npy", ".tiff"])
def test_folder_of_ones_own(tmp_path, ending):
    stored = write_folder(tmp_path / "train", ending=ending)
    dataset = open_depth_dataset(tmp_path, "train", depth_scale=0.001)
    for item, depth in zip(dataset, stored, strict=True):
        assert np.array_equal(item["depth"], (depth / 1000).astype(np.float32))
    assert np.array_equal(open_depth_dataset(tmp_path / "train", None)[0]["depth"], stored[0])
    with pytest.raises(ValueError, match="no folder 'val'"):
        open_depth_dataset(tmp_path, "val")


def test_exr_folder(tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    write_folder(tmp_path, names=("a",))
    (tmp_path / "depth/a.png").unlink()
    metres = np.linspace(0.5, 9, SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    metres[1, 1] = np.inf
    openexr.File({"type": openexr.scanlineimage}, {"Z": metres}).write(str(tmp_path / "depth/a.exr"))
    expected = np.where(np.isfinite(metres), metres, 0)
    assert np.array_equal(open_depth_dataset(tmp_path, None)[0]["depth"], expected)


def test_metadata_lines(tmp_path):
    stored = write_folder(tmp_path)
    lines = [{"file_name": f"images/{name}.png", "depth_file_name": f"depth/{name}.png"} for name in "ba"]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    dataset = open_depth_dataset(tmp_path, None, depth_scale=0.001)
    assert [item["name"] for item in dataset] == ["images/b.png", "images/a.png"]
    assert dataset[0]["image"].mode == "RGB"
    assert np.array_equal(np.asarray(dataset[0]["image"]), make_pair(1)[0])
    assert np.allclose(dataset[0]["depth"], stored[1] / 1000)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "images/a.png"}\n')
    with pytest.raises(ValueError, match=r"metadata\.jsonl:1: expected .*depth_file_name"):
        open_depth_dataset(tmp_path, None)


def test_invalid_depth_becomes_zero(tmp_path):
    write_folder(tmp_path, names=("a",), ending=".npy")
    metres = np.full(SIZE, 2.0, np.float32)
    metres[0, :4] = (np.nan, np.inf, -1, 0)
    np.save(tmp_path / "depth/a.npy", metres)
    depth = open_depth_dataset(tmp_path, None)[0]["depth"]
    assert not depth[0, :4].any()
    assert (depth.ravel()[4:] == 2).all()


def test_tables(tmp_path):
    pairs = [make_pair(seed) for seed in range(3)]
    table = Dataset.from_dict(
        {
            "photo": [PIL.Image.fromarray(image) for image, _ in pairs],
            "depth_map": [PIL.Image.fromarray(depth) for _, depth in pairs],
            "metres": [depth / np.float32(1000) for _, depth in pairs],
        },
        features=Features({"photo": Image(), "depth_map": Image(), "metres": Array2D(SIZE, "float32")}),
    )
    DatasetDict({"train": table, "validation": table.select([2])}).save_to_disk(tmp_path / "saved")
    (tmp_path / "hub/data").mkdir(parents=True)
    table.to_parquet(tmp_path / "hub/data/train-00000-of-00001.parquet")
    options = {"image_column": "photo", "depth_column": "depth_map", "depth_scale": 0.001}
    for path, split, first in (
        (tmp_path / "saved", "train", 0),
        (tmp_path / "saved", "val", 2),
        (tmp_path / "hub", "train", 0),
    ):
        item = open_depth_dataset(path, split, **options)[0]
        assert np.array_equal(np.asarray(item["image"]), pairs[first][0])
        assert np.array_equal(item["depth"], (pairs[first][1] / 1000).astype(np.float32))
        assert item["name"] == "row 0"
    as_array = open_depth_dataset(tmp_path / "saved", image_column="photo", depth_column="metres")[1]
    assert np.array_equal(as_array["depth"], pairs[1][1] / np.float32(1000))
    with pytest.raises(ValueError, match=r"no column 'depth' .* it has photo, depth_map, metres"):
        open_depth_dataset(tmp_path / "saved", image_column="photo")
    with pytest.raises(ValueError, match="splits train, validation, not 'test'"):
        open_depth_dataset(tmp_path / "saved", "test", **options)


@pytest.mark.parametrize(("split", "seeds"), [("train", TRAIN_SEEDS), ("val", HELD_OUT_SEEDS)])
def test_synthetic_scenes(split, seeds):
    scenes = open_depth_dataset("synthetic-rooms", split, num_scenes=2, image_size=32)
    expected = SyntheticSceneDataset(2, first_seed=seeds.start, image_size=32)[1]
    item = scenes[1]
    assert np.array_equal(np.asarray(item["image"]), expected["image"].permute(1, 2, 0).numpy())
    assert np.array_equal(item["depth"], expected["depth"].numpy())
    assert len(scenes) == 2
    assert item["name"] == f"scene {seeds.start + 1}"


def test_synthetic_scenes_have_two_splits():
    with pytest.raises(ValueError, match="train and val, not 'test'"):
        open_depth_dataset("synthetic-rooms", "test")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/a.png", r"list\.txt:2: expected two paths"),
        ("images/a.png depth/a.png 518.85", r"list\.txt:2: expected two paths"),
        ("/images/a.png depth/a.png", r"list\.txt:2: ./images/a\.png. lies outside"),
        ("images/a.png depth/gone.png", r"depth/gone\.png: no such file"),
    ],
)
def test_split_file_lines(tmp_path, line, message):
    write_folder(tmp_path)
    (tmp_path / "list.txt").write_text(f"images/b.png\tdepth/b.png\n{line}\n")
    with pytest.raises(ValueError, match=message):
        open_depth_dataset(tmp_path, split_file=tmp_path / "list.txt")


def test_missing_counterparts_and_empty_folders(tmp_path):
    write_folder(tmp_path / "gap")
    (tmp_path / "gap/depth/b.png").unlink()
    with pytest.raises(ValueError, match=r"images/b\.png has no counterpart"):
        open_depth_dataset(tmp_path / "gap", None)
    write_folder(tmp_path / "empty", names=())
    with pytest.raises(ValueError, match="no pair"):
        open_depth_dataset(tmp_path / "empty", None)
    write_nyuv2(tmp_path / "nyu", 1, 0)
    next((tmp_path / "nyu").rglob("sync_depth*.png")).unlink()
    with pytest.raises(ValueError, match=r"sync_depth_00000\.png: no such file"):
        open_depth_dataset(tmp_path / "nyu")
    with pytest.raises(ValueError, match="images and depth"):
        open_depth_dataset(tmp_path, None)


def test_unreadable_and_unequal_files_are_named_when_read(tmp_path):
    write_folder(tmp_path, names=("a", "b", "c"))
    (tmp_path / "images/a.png").write_bytes((tmp_path / "images/a.png").read_bytes()[:60])
    PIL.Image.fromarray(make_pair()[1][:, :-1]).save(tmp_path / "depth/b.png")
    PIL.Image.fromarray(make_pair()[0]).save(tmp_path / "depth/c.png")
    dataset = open_depth_dataset(tmp_path, None)
    for index, message in enumerate(
        (r"a\.png cannot be decoded", r"b\.png is 12 x 15 .* is 12 x 16", r"c\.png.*mode RGB")
    ):
        with pytest.raises(ValueError, match=message):
            dataset[index]
    PIL.Image.fromarray(make_pair()[0]).save(tmp_path / "images/a.png")
    nyu = open_depth_dataset(tmp_path, protocol="nyuv2", split_file=write_list(tmp_path, "images/a.png depth/a.png"))
    with pytest.raises(ValueError, match="480 x 640"):
        nyu[0]


def write_list(root, line):
    (root / "list.txt").write_text(f"{line}\n")
    return root / "list.txt"


def test_exif_orientation(tmp_path):
    write_folder(tmp_path, names=("a",), ending=".npy")
    image, depth = make_pair()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    PIL.Image.fromarray(image).save(tmp_path / "images/a.png", exif=exif)
    np.save(tmp_path / "depth/a.npy", np.rot90(depth, -1))
    item = open_depth_dataset(tmp_path, None)[0]
    assert np.array_equal(np.asarray(item["image"]), np.rot90(image, -1))
    assert np.array_equal(item["depth"], np.rot90(depth, -1).astype(np.float32))
    np.save(tmp_path / "depth/a.npy", depth)
    with pytest.raises(ValueError, match=r"a\.npy is 12 x 16 .* once upright"):
        open_depth_dataset(tmp_path, None)[0]
    exif[0x0112] = 3  # upside down: the sizes do not tell whether the depth is, too
    PIL.Image.fromarray(image).save(tmp_path / "images/a.png", exif=exif)
    with pytest.raises(ValueError, match=r"EXIF orientation 3, its label .* 1"):
        open_depth_dataset(tmp_path, None)[0]


def test_neither_folder_nor_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="neither a folder"):
        open_depth_dataset(tmp_path / "nothing")
    with pytest.raises(ValueError, match="Unknown depth protocol"):
        open_depth_dataset(tmp_path, protocol="make3d")
    with pytest.raises(ValueError, match="above 0"):
        open_depth_dataset(tmp_path, depth_scale=0)
