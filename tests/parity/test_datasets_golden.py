# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""NYUv2 and KITTI pairs and the numbers of LoveDA masks against the original's (docs/specification.md 5.8 and 6.2)."""

import numpy as np
import PIL.Image
import pytest

from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.data.labelled.paired_augmentation import DepthAugmentation
from pixio_hf.data.labelled.segmentation_datasets import open_segmentation_dataset
from pixio_hf.image_processing_pil_pixio import PixioImageProcessorPil
from pixio_hf.label_maps import to_class_ids
from tests.golden import GOLDEN_DIR, load_case

pytestmark = pytest.mark.parity
TOLERANCE = {"rel": 1e-5, "abs": 1e-5}


@pytest.mark.parametrize("name", ["nyuv2", "kitti"])
def test_depth_pairs(name, tmp_path):
    values = load_case(f"data_{name}").values
    split_file = tmp_path / "val.txt"
    split_file.write_text(f"{values['rgb_file']} {values['depth_file']}\n")
    (item,) = open_depth_dataset(GOLDEN_DIR, "val", protocol=name, split_file=split_file)
    processor = PixioImageProcessorPil(do_resize=False, size_divisor=1)
    batch = processor(item["image"], depth_maps=item["depth"], return_tensors="pt")
    image, depth = batch["pixel_values"][0], batch["labels"][0]

    assert str(image.dtype) == values["image_dtype"]
    assert str(depth.dtype) == values["depth_dtype"]
    assert list(image.shape) == values["image_shape"]
    assert list(depth.shape) == values["depth_shape"]
    assert image.double().mean((1, 2)).tolist() == pytest.approx(values["image_mean_per_channel"], **TOLERANCE)
    deviations = image.double().std((1, 2), correction=0).tolist()
    assert deviations == pytest.approx(values["image_std_per_channel_population"], **TOLERANCE)
    assert depth.double().sum().item() == pytest.approx(values["depth_sum"], **TOLERANCE)
    assert (depth.min().item(), depth.max().item()) == pytest.approx(
        (values["depth_min"], values["depth_max"]), **TOLERANCE
    )
    assert int((depth > 0).sum()) == values["valid_count"]
    for probe in values["probes"]:
        row, column = probe["row"], probe["col"]
        assert image[:, row, column].tolist() == pytest.approx(probe["image"], **TOLERANCE)
        assert depth[row, column].item() == pytest.approx(probe["depth"], **TOLERANCE)
        assert float(depth[row, column] > 0) == probe["valid"]

    view = DepthAugmentation()(item, np.random.default_rng(0))
    assert list(view["depth"].shape) == values["train_mode_shapes_with_crop_256"]["depth"]
    assert view["image"].size == (256, 256)


def test_loveda_numbers(tmp_path):
    values = load_case("loveda_remap").values
    stored = np.array([values["input"]], dtype=np.uint8)
    once = to_class_ids(stored, do_reduce_labels=True)
    assert once[0].tolist() == values["output_once"]
    assert to_class_ids(once, do_reduce_labels=True)[0].tolist() == values["output_if_run_twice"]

    # Through the data set: as published (no 255) and as the original's script leaves it, both give the same classes.
    published = stored[:, stored[0] != 255]
    for mask, kind in ((published, "published"), (to_class_ids(published, True).astype(np.uint8), "remapped")):
        root = tmp_path / kind
        for area in ("Rural", "Urban"):
            for folder, pixels in (("images_png", np.zeros((*mask.shape, 3), np.uint8)), ("masks_png", mask)):
                (root / "Val/Val" / area / folder).mkdir(parents=True)
                PIL.Image.fromarray(pixels).save(root / "Val/Val" / area / folder / "7.png")
        dataset, protocol = open_segmentation_dataset(root, "val")
        assert protocol.do_reduce_labels == (kind == "published")
        for item in dataset:
            assert item["segmentation_map"][0].tolist() == values["output_once"][:-1]
        stored_again = np.asarray(PIL.Image.open(root / "Val/Val/Rural/masks_png/7.png"))
        assert np.array_equal(stored_again, mask), "masks must never change on disk"
