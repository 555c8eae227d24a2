# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Segmentation data sets and class folders: the true layouts, both ways of counting, and what is wrong is named."""

import numpy as np
import PIL.Image
import pytest
from datasets import ClassLabel, Dataset, Features, Image

from pixio_hf.data.labelled.class_names import ADE20K_CLASSES, LOVEDA_CLASSES, VOC_CLASSES
from pixio_hf.data.labelled.image_labels import open_image_labels
from pixio_hf.data.labelled.segmentation_datasets import open_segmentation_dataset
from tests.fake_datasets import write_ade20k, write_image_classes, write_loveda, write_voc


def assert_maps(root, split, maps, num_classes, **options):
    """The data set has these maps, and returns the protocol it was read by."""
    dataset, protocol = open_segmentation_dataset(root, split, **options)
    assert protocol.num_classes == len(protocol.class_names) == num_classes
    assert len(dataset) == len(maps[split]) > 0
    for item, expected in zip(dataset, maps[split], strict=True):
        assert item["segmentation_map"].dtype == np.int64
        assert np.array_equal(item["segmentation_map"], expected)
        stored = PIL.Image.open(root / item["name"])
        assert np.array_equal(np.asarray(item["image"]), np.asarray(stored))
    return protocol


def test_class_names():
    assert [len(set(names)) for names in (ADE20K_CLASSES, VOC_CLASSES, LOVEDA_CLASSES)] == [150, 21, 7]
    # Every seventh row of objectInfo150.txt, see class_names.py.
    rows = "wall bed door water rug wardrobe column fireplace pool_table blind countertop bar tower dirt_track bottle"
    rows += " conveyer_belt basket ball animal hood pier glass"
    assert [name.replace(" ", "_") for name in ADE20K_CLASSES[::7]] == rows.split()
    assert (VOC_CLASSES[1], VOC_CLASSES[15], VOC_CLASSES[20]) == ("aeroplane", "person", "tvmonitor")
    assert LOVEDA_CLASSES == ("background", "building", "road", "water", "barren", "forest", "agriculture")


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("raw", [False, True])
def test_ade20k(tmp_path, split, raw):
    maps = write_ade20k(tmp_path, 2, 2, size=(40, 56), raw=raw)
    assert assert_maps(tmp_path, split, maps, 150).do_reduce_labels is raw


def test_the_rare_mask_that_tells_how_ade20k_counts_is_found(tmp_path):
    maps = write_ade20k(tmp_path, 0, 100, size=(8, 8), raw=True)["val"]
    flag = sorted((tmp_path / "annotations/validation").iterdir())[42]
    for path in (tmp_path / "annotations/validation").iterdir():
        if path != flag:
            PIL.Image.fromarray(np.full((8, 8), 3, np.uint8)).save(path)
    (tmp_path / "annotations/training").mkdir()
    dataset, protocol = open_segmentation_dataset(tmp_path, "val")
    assert protocol.do_reduce_labels
    assert np.array_equal(dataset[42]["segmentation_map"], maps[42])


def test_voc_with_the_masks_of_sbd(tmp_path):
    write_voc(tmp_path, 3, 1, size=(16, 16))
    lists = tmp_path / "ImageSets/Segmentation"
    (lists / "train.txt").rename(lists / "trainaug.txt")
    (lists / "train.txt").write_text("train_000000\n")
    (tmp_path / "SegmentationClassAug").mkdir()
    for name in ("train_000001.png", "train_000002.png"):
        (tmp_path / "SegmentationClass" / name).rename(tmp_path / "SegmentationClassAug" / name)
    names = [item["name"] for item in open_segmentation_dataset(tmp_path, "train")[0]]
    assert names == [f"JPEGImages/train_{index:06d}.jpg" for index in range(3)]
    assert len(open_segmentation_dataset(tmp_path, "val")[0]) == 1


@pytest.mark.parametrize("split", ["train", "val"])
def test_voc_by_its_lists_and_by_a_split_file(tmp_path, split):
    maps = write_voc(tmp_path, 2, 1, size=(40, 56))
    assert_maps(tmp_path, split, maps, 21)
    names = (tmp_path / f"ImageSets/Segmentation/{split}.txt").read_text().split()
    pairs = "".join(f"JPEGImages/{name}.jpg SegmentationClass/{name}.png\n" for name in names)
    (tmp_path / "pairs.txt").write_text(pairs)
    assert_maps(tmp_path, split, maps, 21, split_file=tmp_path / "pairs.txt")


@pytest.mark.parametrize("remapped", [False, True])
def test_loveda_as_published_and_remapped(tmp_path, remapped):
    maps = write_loveda(tmp_path, 3, 2, size=(40, 40), remapped=remapped)
    for split in ("train", "val"):
        protocol = assert_maps(tmp_path, split, maps, 7)
        assert protocol.do_reduce_labels is not remapped
    assert_maps(tmp_path, "val", maps, 7, do_reduce_labels=not remapped)
    with pytest.raises(ValueError, match="holds 255, so its numbers" if remapped else r"has the numbers \[7\]"):
        open_segmentation_dataset(tmp_path, "val", do_reduce_labels=remapped)[0][0]


def test_loveda_unpacked_without_a_folder_of_its_own(tmp_path):
    maps = write_loveda(tmp_path / "zips", 2, 2, size=(40, 40))
    for name in ("Train", "Val"):
        (tmp_path / "zips" / name / name).rename(tmp_path / name)
    for split in ("train", "val"):
        assert assert_maps(tmp_path, split, maps, 7).name == "loveda"
    with pytest.raises(ValueError, match="holds no LoveDA"):
        open_segmentation_dataset(tmp_path / "zips", protocol="loveda")


def test_a_data_set_remapped_by_half_is_an_error(tmp_path):
    write_loveda(tmp_path, 2, 0, size=(40, 40))
    done = tmp_path / "Train/Train/Urban/masks_png/0.png"
    mask = np.asarray(PIL.Image.open(done))
    PIL.Image.fromarray(mask - 1).save(done)  # 0 becomes 255
    dataset, _ = open_segmentation_dataset(tmp_path)
    dataset[0]
    with pytest.raises(ValueError, match=r"Urban/masks_png/0\.png: holds 255.*both kinds mixed"):
        dataset[1]


def test_masks_that_do_not_tell_how_they_count(tmp_path):
    write_loveda(tmp_path, 2, 0, size=(16, 16))
    for path in tmp_path.glob("Train/Train/*/masks_png/*.png"):
        PIL.Image.fromarray(np.full((16, 16), 3, np.uint8)).save(path)
    with pytest.raises(ValueError, match="do_reduce_labels=False or do_reduce_labels=True"):
        open_segmentation_dataset(tmp_path)
    for reduce, expected in ((True, 2), (False, 3)):
        dataset, _ = open_segmentation_dataset(tmp_path, do_reduce_labels=reduce)
        assert (dataset[0]["segmentation_map"] == expected).all()


def write_pair(root, classes: np.ndarray) -> None:
    for folder, pixels in (("images", np.zeros((*classes.shape, 3), np.uint8)), ("masks", classes)):
        (root / folder).mkdir(parents=True)
        PIL.Image.fromarray(pixels).save(root / folder / "a.png")


def test_folder_and_table(tmp_path):
    classes = np.array([[0, 1, 2], [255, 2, 1]], np.uint8)
    write_pair(tmp_path, classes)
    dataset, protocol = open_segmentation_dataset(tmp_path, None, num_classes=3)
    assert np.array_equal(dataset[0]["segmentation_map"], classes)
    assert protocol.class_names[2] == "class 2"
    with pytest.raises(ValueError, match="number of classes"):
        open_segmentation_dataset(tmp_path, None)
    with pytest.raises(ValueError, match=r"has the numbers \[2\]"):
        open_segmentation_dataset(tmp_path, None, num_classes=2)[0][0]
    with pytest.raises(ValueError, match="loveda has 7 classes, not 3"):
        open_segmentation_dataset(tmp_path, None, protocol="loveda", num_classes=3)

    row = {"image": [str(tmp_path / "images/a.png")], "mask": [str(tmp_path / "masks/a.png")]}
    table = Dataset.from_dict(row, features=Features({"image": Image(), "mask": Image()}))
    table.save_to_disk(tmp_path / "table")
    rows, _ = open_segmentation_dataset(tmp_path / "table", num_classes=3, label_column="mask")
    assert np.array_equal(rows[0]["segmentation_map"], classes)


def test_missing_files_are_named(tmp_path):
    write_voc(tmp_path / "voc", 1, 1, size=(16, 16))
    (tmp_path / "voc/SegmentationClass/val_000000.png").unlink()
    with pytest.raises(ValueError, match=r"SegmentationClass/val_000000\.png: no such file"):
        open_segmentation_dataset(tmp_path / "voc", "val")
    (tmp_path / "voc/ImageSets/Segmentation/val.txt").write_text("val_000000 1\n")
    with pytest.raises(ValueError, match=r"val\.txt:1: expected one image name"):
        open_segmentation_dataset(tmp_path / "voc", "val")
    write_loveda(tmp_path / "loveda", 1, 1, size=(16, 16))
    (tmp_path / "loveda/Val/Val/Rural/images_png/0.png").unlink()
    with pytest.raises(ValueError, match=r"masks_png/0\.png has no counterpart"):
        open_segmentation_dataset(tmp_path / "loveda", "val")
    with pytest.raises(ValueError, match="splits train, val, not 'test'"):
        open_segmentation_dataset(tmp_path / "loveda", "test")


def test_image_classes(tmp_path):
    names = write_image_classes(tmp_path, 3, 2, side=16)
    train, found = open_image_labels(tmp_path, "train")
    assert found == names == ["amber", "green", "violet"]
    assert len(train) == 9
    for item in train:
        assert item["name"].split("/")[1] == names[item["label"]]
        assert np.array_equal(np.asarray(item["image"]), np.asarray(PIL.Image.open(tmp_path / item["name"])))
    turned = ["violet", "amber", "green"]
    val, _ = open_image_labels(tmp_path, "val", class_names=turned)
    assert [turned[item["label"]] for item in val] == [item["name"].split("/")[1] for item in val]
    with pytest.raises(ValueError, match="classes violet"):
        open_image_labels(tmp_path, "val", class_names=names[:2])
    (tmp_path / "val/grey").mkdir()
    with pytest.raises(ValueError, match="val/grey holds no image"):
        open_image_labels(tmp_path, "val")
    (tmp_path / "val/grey").rmdir()
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "val/lost.png")
    with pytest.raises(ValueError, match=r"lost\.png lies in no class folder"):
        open_image_labels(tmp_path, "val")


def test_table_of_image_classes(tmp_path):
    picture = PIL.Image.new("L", (8, 6), 77)
    features = Features({"image": Image(), "label": ClassLabel(names=["cat", "dog"]), "number": ClassLabel(3)})
    table = Dataset.from_dict({"image": [picture], "label": [1], "number": [2]}, features=features)
    table.save_to_disk(tmp_path / "classes")
    dataset, names = open_image_labels(tmp_path / "classes")
    assert names == ["cat", "dog"]
    assert dataset[0]["label"] == 1
    assert dataset[0]["image"].mode == "RGB"
    assert (np.asarray(dataset[0]["image"]) == 77).all()
    with pytest.raises(ValueError, match="numbers its classes"):
        open_image_labels(tmp_path / "classes", class_names=["dog", "cat"])
    table.cast_column("label", features["number"]).rename_column("label", "kind").save_to_disk(tmp_path / "kinds")
    with pytest.raises(ValueError, match="no column 'label'"):
        open_image_labels(tmp_path / "kinds")
