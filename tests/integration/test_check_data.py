# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""`pixio-hf check-data` on made-up data sets, sound ones and such with every kind of fault."""

import json
import os

import numpy as np
import PIL.Image
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from typer.testing import CliRunner

from pixio_hf.data.labelled.depth_survey import judge_unit
from pixio_hf.visualization.contact_sheet import class_palette, shrink_depth
from pixio_hf_cli import app
from tests.fake_datasets import write_image_classes, write_kitti, write_loveda, write_nyuv2, write_picture, write_voc


def check(folder, *options, code=0):
    """Run the command with its results beside the data; returns (output, report, picture or None)."""
    out = folder.parent / "checked"
    result = CliRunner().invoke(app, ["check-data", str(folder), "--out", str(out), "--overwrite", *options])
    assert result.exit_code == code, result.output
    if code == 2:
        return result.output, None, None
    sheet = out / "contact_sheet.png"
    report = json.loads((out / "report.json").read_text())
    assert (report["num_problems"] == 0) == (code == 0)
    return result.output, report, PIL.Image.open(sheet).convert("RGB") if sheet.exists() else None


def test_sound_nyuv2(tmp_path):
    maps = write_nyuv2(tmp_path / "nyu", 3, 1)
    output, report, sheet = check(tmp_path / "nyu")
    train = report["splits"]["train"]
    depths = np.concatenate([depth[45:471, 41:601].ravel() for depth in maps["train"]])
    valid = depths[depths > 0]
    assert (train["num_samples"], train["num_read"]) == (3, 3)
    assert report["task"] == "depth"
    assert train["sizes_height_x_width"] == {"480 x 640": 3}
    assert train["valid_share"] == pytest.approx(valid.size / depths.size, rel=1e-9)
    for share, depth in train["depth_quantiles_metres"].items():
        assert depth == pytest.approx(np.quantile(valid, float(share)), rel=0.01)
    assert "24231" in train["warnings"][0]
    assert "No problems" in output
    assert sheet is not None
    assert sheet.width > 1000
    assert len(sheet.getcolors(1 << 22)) > 10_000


def test_limit_spreads_and_split_selects(tmp_path):
    write_kitti(tmp_path / "kitti", 5, 1, size=(40, 120))
    _, report, _ = check(tmp_path / "kitti", "--limit", "2", "--split", "train")
    assert set(report["splits"]) == {"train"}
    assert (report["splits"]["train"]["num_samples"], report["splits"]["train"]["num_read"]) == (5, 2)


def write_depth_folder(root, depths):
    for index, depth in enumerate(depths):
        write_picture(root / "images" / f"{index}.png", np.full((*depth.shape, 3), 40 * index % 256, np.uint8))
        write_picture(root / "depth" / f"{index}.png", depth)


def test_millimetres_taken_as_metres(tmp_path):
    write_depth_folder(tmp_path / "mine", [np.full((30, 40), 3000, np.uint16)])
    output, report, _ = check(tmp_path / "mine", code=1)
    assert "--depth-scale 0.001" in report["splits"]["all"]["problems"][0]
    assert "--depth-scale 0.001" in output
    check(tmp_path / "mine", "--depth-scale", "0.001")


@pytest.mark.parametrize(
    ("median", "scale", "advice"),
    [
        (3000.0, 1.0, "--depth-scale 0.001,"),
        (0.003, 0.001, "like metres (--depth-scale 1,"),
        (1e6, 1.0, "no usual unit"),
        (4.0, 1.0, None),
        (60.0, 1 / 256, None),
    ],
)
def test_judging_units(median, scale, advice):
    sentence = judge_unit(median, scale)
    assert advice in sentence if advice else sentence == ""


def test_every_fault_of_a_depth_folder_is_listed(tmp_path):
    root = tmp_path / "mine"
    good = np.full((30, 40), 3000, np.uint16)
    empty, saturated = np.zeros_like(good), good.copy()
    saturated[:3] = 65535
    write_depth_folder(root, [good, good, good[:, :-2], empty, saturated, good])
    write_picture(root / "images/2.png", np.zeros((30, 40, 3), np.uint8))
    (root / "images/0.png").write_bytes(b"no image")
    (root / "depth/1.png").unlink()
    (root / "images/5.png").unlink()
    output, report, sheet = check(root, "--depth-scale", "0.001", code=1)
    split = report["splits"]["all"]
    problems = "\n".join(split["problems"])
    for expected in ("1.png has no counterpart", "5.png has no counterpart", "0.png cannot be decoded", "30 x 38"):
        assert expected in problems
        assert expected in output
    assert report["num_problems"] == 4
    assert split["num_read"] == 2
    assert split["num_samples"] == 4
    warnings = "\n".join(split["warnings"])
    assert "images/3.png: fewer than 10 valid pixels" in warnings
    assert "120 pixels hold 65535" in warnings
    assert sheet is not None

    check(root, "--depth-scale", "0.001", code=1)
    (root / "list.txt").write_text("images/4.png depth/4.png\n")
    _, report, _ = check(root, "--depth-scale", "0.001", "--split-file", str(root / "list.txt"))
    assert report["splits"]["all"]["num_read"] == 1


def test_masks(tmp_path):
    maps = write_voc(tmp_path / "voc", 2, 1, size=(40, 56))
    _, report, _ = check(tmp_path / "voc")
    classes = np.stack(maps["train"])
    for entry in report["splits"]["train"]["classes"]:
        assert entry["pixel_share"] == pytest.approx((classes == entry["id"]).mean(), abs=1e-12)
        assert entry["num_images"] == sum((one == entry["id"]).any() for one in classes)
    write_loveda(tmp_path / "loveda", 1, 1, size=(40, 40))
    _, report, sheet = check(tmp_path / "loveda", "--no-reduce-labels", code=1)
    assert report["splits"]["val"]["numbers_out_of_range"] == {"7": 1}
    assert sheet is not None
    assert (0, 0, 0) in {color for _, color in sheet.getcolors(1 << 22)}
    _, report, _ = check(tmp_path / "loveda")
    assert report["splits"]["val"]["do_reduce_labels"] is True


def test_classes(tmp_path):
    write_image_classes(tmp_path / "classes", 2, 1, side=24)
    _, report, _ = check(tmp_path / "classes", "--task", "classification")
    assert report["splits"]["train"]["classes"] == {"amber": 2, "green": 2, "violet": 2}
    write_picture(tmp_path / "classes/val/zinc/0.jpg", np.zeros((24, 24, 3), np.uint8))
    output, report, _ = check(tmp_path / "classes", "--task", "classification", code=1)
    assert "zinc" in report["problems_between_splits"][0]
    assert "PROBLEM: val has the classes zinc" in output


def test_tables(tmp_path):
    depth = np.full((30, 40), 4000, np.uint16)
    rows = {"image": [PIL.Image.new("RGB", (40, 30))] * 2, "metric": [PIL.Image.fromarray(depth)] * 2}
    table = Dataset.from_dict(rows, features=Features({"image": Image(), "metric": Image()}))
    DatasetDict({"train": table, "validation": table}).save_to_disk(tmp_path / "table")
    options = ("--task", "depth", "--label-column", "metric", "--depth-scale", "0.001")
    _, report, sheet = check(tmp_path / "table", *options)
    assert [report["splits"][split]["largest_depth"] for split in ("train", "val")] == [4.0, 4.0]
    assert sheet is not None
    picture = PIL.Image.new("RGB", (8, 6))
    features = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog"])})
    Dataset.from_dict({"image": [picture], "label": [1]}, features=features).save_to_disk(tmp_path / "classes")
    _, report, _ = check(tmp_path / "classes", "--task", "classification")
    assert report["splits"]["all"]["classes"] == {"cat": 0, "dog": 1}


def test_what_cannot_be_checked(tmp_path):
    (tmp_path / "nothing").mkdir()
    assert "pass --task" in check(tmp_path / "nothing", code=2)[0]
    assert "does not exist" in check(tmp_path / "gone", "--task", "depth", code=2)[0]
    assert "is for depth" in check(tmp_path / "nothing", "--task", "segmentation", "--protocol", "kitti", code=2)[0]


def write_masks(root, *masks):
    for index, mask in enumerate(masks):
        write_picture(root / "images" / f"{index:03d}.png", np.zeros((*mask.shape, 3), np.uint8))
        write_picture(root / "masks" / f"{index:03d}.png", mask)


@pytest.mark.parametrize(
    ("numbers", "options", "told"),
    [
        ((0, 255), ("--num-classes", "2"), "255 is read as no class, but class 1 never occurs: store 0 and 1."),
        ((0, 255), (), "255 is read as no class, but class 1 never occurs: store 0 and 1."),
        ((0, 1, 255), ("--num-classes", "3"), "255 is read as no class, but class 2 never occurs"),
        ((0, 1, 2), ("--num-classes", "3", "--reduce-labels"), "pass --no-reduce-labels"),
        ((1, 2, 3), ("--num-classes", "3"), "The number 3 is no class (0 to 2, or 255 for none): in 2 images"),
        ((1, 2, 3), ("--num-classes", "3"), "count from 1: pass --reduce-labels"),
        ((0, 1, 254), ("--num-classes", "2"), "If 254 marks pixels without a class, store 255 there."),
        ((0, 1, 300), (), "at most 255 classes can be told apart"),
    ],
)
def test_classes_that_vanish_or_are_none(tmp_path, numbers, options, told):
    kind = np.uint16 if max(numbers) > 255 else np.uint8
    mask = np.resize(np.array(numbers, kind), (6, 9))
    write_masks(tmp_path / "mine", mask, mask)
    output, report, _ = check(tmp_path / "mine", "--task", "segmentation", *options, code=1)
    assert told in "\n".join(report["splits"]["all"]["problems"])
    assert told in output


def test_classes_are_counted(tmp_path):
    write_masks(tmp_path / "mine", np.array([[0, 1], [255, 4]], np.uint8), np.array([[2, 2], [3, 3]], np.uint8))
    output, report, _ = check(tmp_path / "mine")
    split = report["splits"]["all"]
    assert split["num_classes"] == 5
    assert "counted 5 classes: pass --num-classes 5" in output
    assert [entry["num_images"] for entry in split["classes"]] == [1] * 5
    assert split["classes"][2]["pixel_share"] == 0.25
    assert split["ignored_share"] == 0.125
    assert "--num-classes must be 1 to 255" in check(tmp_path / "mine", "--num-classes", "0", code=2)[0]


def test_equal_problems_are_said_once_and_the_verdict_last(tmp_path):
    depths = [np.full((6, 8), 3000, np.uint16)] * 60
    write_depth_folder(tmp_path / "mine", depths)
    for path in sorted((tmp_path / "mine/depth").iterdir())[1:]:
        path.unlink()
    output, report, _ = check(tmp_path / "mine", "--depth-scale", "0.001", code=1)
    lines = output.strip().splitlines()
    assert len(report["splits"]["all"]["problems"]) == 59
    assert len(lines) < 8
    assert "The same for 58 more: " in output
    assert lines[-1].startswith("59 problems; report.json")


def test_special_files_and_outside_names(tmp_path):
    root = tmp_path / "mine"
    write_depth_folder(root, [np.full((6, 8), 3000, np.uint16)] * 2)
    os.mkfifo(root / "images/pipe.png")
    (root / os.fsdecode(b"images/$a\xff$.png")).touch()
    output, _, _ = check(root, "--depth-scale", "0.001", code=1)
    assert "pipe.png is a FIFO, not a regular file" in output
    assert r"\xff$.png has a name that is not UTF-8" in output
    (tmp_path / "far.png").write_bytes((root / "depth/0.png").read_bytes())
    (root / "list.txt").write_text("images/0.png ../far.png\n")
    options = ("--depth-scale", "0.001", "--split-file", str(root / "list.txt"))
    assert "list.txt:1: '../far.png' lies outside" in check(root, *options, code=2)[0]
    assert "pass --allow-outside" in check(root, *options, code=2)[0]
    check(root, *options, "--allow-outside")


def test_sparse_points_stay_visible():
    metres = np.zeros((100, 1000), np.float32)
    metres[50, 500] = 7
    small = shrink_depth(metres)
    assert small.shape == (34, 334)
    assert np.isfinite(small).sum() == 1
    assert small.min() == 7


def test_colors_of_classes_differ():
    palette = class_palette(150)
    used = palette[[*range(150), 255, 256]].astype(int)
    assert len(np.unique(used, axis=0)) == 152
    neighbours = np.abs(np.diff(used[:150], axis=0)).sum(axis=1)
    assert neighbours.min() > 100
