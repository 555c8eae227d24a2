# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Data sets of images with depth: synthetic scenes and folders written by the test."""

import json
import random
from pathlib import Path

import datasets
import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioImageProcessor, PixioImageProcessorPil
from pixio_hf.data.depth import DepthCollator, mean_depth, open_depth_datasets
from pixio_hf.data.synthetic_scenes import HELD_OUT_SEEDS, TRAIN_SEEDS, render_scenes

PROCESSORS = (PixioImageProcessor, PixioImageProcessorPil)


@pytest.fixture(autouse=True)
def own_datasets_cache(monkeypatch, tmp_path_factory):
    """The library's cache of folders stays out of the home directory."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets_cache"))


def random_pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["synthetic-room", "no/such/folder"])
def test_neither_a_data_set_nor_a_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"neither .*synthetic-rooms, synthetic-outdoor, synthetic-mixed"):
        open_depth_datasets(name, 32, 4, 4)


def write_depth_split(folder: Path, count: int, seed: int, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Write images, 16-bit depth in millimetres and metadata.jsonl of one split; return the millimetres."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    millimetres, lines = [], []
    for index in range(count):
        depth = generator.integers(500, 10_000, size, dtype=np.uint16)
        depth[:5, :7] = 0
        depth[-1, -1] = 65535
        PIL.Image.fromarray(random_pixels(*size, seed=seed + index)).save(folder / f"{index}.png")
        PIL.Image.fromarray(depth).save(folder / f"{index}_depth.png")
        millimetres.append(depth)
        lines.append(json.dumps({"file_name": f"{index}.png", "depth_file_name": f"{index}_depth.png"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return millimetres


@pytest.mark.parametrize("processor_class", PROCESSORS)
def test_folder_of_millimetres_becomes_exact_metres(tmp_path, processor_class):
    truth = [
        write_depth_split(tmp_path / split, count, seed) for split, count, seed in (("train", 3, 0), ("val", 2, 9))
    ]
    train, evaluation = open_depth_datasets(str(tmp_path), 64, 0, 0)
    assert (len(train), len(evaluation)) == (3, 2)  # pyright: ignore[reportArgumentType]
    collate = DepthCollator(processor_class(do_resize=False, depth_scale=0.001))
    for dataset, millimetres in zip((train, evaluation), truth, strict=True):
        batch = collate([dataset[index] for index in range(len(millimetres))])
        expected = torch.from_numpy((np.stack(millimetres).astype(np.float64) / 1000).astype(np.float32))
        assert torch.equal(batch["labels"], expected)
        assert batch["labels"].dtype == torch.float32
        assert (batch["labels"][:, :5, :7] == 0).all()
        assert batch["pixel_values"].shape == (len(millimetres), 3, 48, 64)


def test_folder_keeps_images_and_depths_together(tmp_path):
    write_depth_split(tmp_path / "train", 2, seed=0)
    write_depth_split(tmp_path / "val", 1, seed=5)
    train, _ = open_depth_datasets(str(tmp_path), 64, 0, 0)
    for index in range(2):
        item = train[index]
        assert item["image"].mode == "RGB"
        assert np.array_equal(np.asarray(item["image"]), random_pixels(48, 64, seed=index))
        stored = np.asarray(PIL.Image.open(tmp_path / "train" / f"{index}_depth.png"))
        assert np.array_equal(np.asarray(item["depth"]), stored)


def test_folder_without_metadata(tmp_path):
    write_depth_split(tmp_path / "train", 1, seed=0)
    with pytest.raises(ValueError, match=r"val.metadata\.jsonl is missing"):
        open_depth_datasets(str(tmp_path), 64, 0, 0)


def test_metadata_without_depth(tmp_path):
    for split in ("train", "val"):
        write_depth_split(tmp_path / split, 1, seed=0)
        (tmp_path / split / "metadata.jsonl").write_text(json.dumps({"file_name": "0.png", "label": 3}) + "\n")
    with pytest.raises(ValueError, match="depth_file_name"):
        open_depth_datasets(str(tmp_path), 64, 0, 0)


def test_synthetic_depth_trains_and_evaluates_on_other_seeds():
    train, held_out = open_depth_datasets("synthetic-rooms", 32, 3, 2)
    assert (len(train), len(held_out)) == (3, 2)  # pyright: ignore[reportArgumentType]
    for dataset, seeds in ((train, TRAIN_SEEDS), (held_out, HELD_OUT_SEEDS)):
        expected = render_scenes(seeds[:2], 32)
        assert torch.equal(dataset[1]["image"], expected.images[1])
        assert torch.equal(dataset[1]["depth"], expected.depth[1])
    assert not set(TRAIN_SEEDS[:: len(TRAIN_SEEDS) - 1]) & set(HELD_OUT_SEEDS)


# Batches


def make_items(count: int = 16) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "image": torch.randint(0, 256, (3, 32, 48), generator=generator, dtype=torch.uint8),
            "depth": torch.rand(32, 48, generator=generator) * 9 + 0.5,
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize("processor_class", PROCESSORS)
def test_flip_mirrors_image_and_depth_together(processor_class):
    items, processor = make_items(), processor_class(do_resize=False)
    plain = DepthCollator(processor)(items)
    assert set(plain) == {"pixel_values", "labels"}
    assert torch.equal(plain["labels"], torch.stack([item["depth"] for item in items]))
    never = DepthCollator(processor, flip_probability=0.0)(items)
    always = DepthCollator(processor, flip_probability=1.0)(items)
    for name in plain:
        assert torch.equal(never[name], plain[name])
        assert torch.equal(always[name], plain[name].flip(-1))
        assert not torch.equal(always[name], plain[name])

    random.seed(0)
    sometimes = DepthCollator(processor, flip_probability=0.5)(items)
    flipped = [
        bool(torch.equal(label, depth.flip(-1)))
        for label, depth in zip(sometimes["labels"], plain["labels"], strict=True)
    ]
    assert 0 < sum(flipped) < len(items)
    for index, is_flipped in enumerate(flipped):
        source = always if is_flipped else plain
        assert torch.equal(sometimes["pixel_values"][index], source["pixel_values"][index])
        assert torch.equal(sometimes["labels"][index], source["labels"][index])


def test_mean_depth_counts_valid_pixels_of_the_first_items():
    items = make_items(5)
    for index, item in enumerate(items):
        item["depth"] = torch.full((32, 48), 1.0 + index)
        item["depth"][: 6 * index] = (0.0, float("nan"), float("inf"), -1.0, 0.0)[index]
    processor = PixioImageProcessor(do_resize=False)
    rows = [32 - 6 * index for index in range(5)]

    def expected(count: int) -> float:
        return sum(rows[i] * (1.0 + i) for i in range(count)) / sum(rows[:count])

    for batch_size in (1, 2, 32):
        assert mean_depth(items, processor, batch_size=batch_size) == pytest.approx(expected(5), rel=1e-9)  # pyright: ignore[reportArgumentType]
    assert mean_depth(items, processor, num_items=2) == pytest.approx(expected(2), rel=1e-9)  # pyright: ignore[reportArgumentType]


def test_mean_depth_in_metres_of_a_folder(tmp_path):
    millimetres = write_depth_split(tmp_path / "train", 2, seed=0)
    write_depth_split(tmp_path / "val", 1, seed=5)
    train, _ = open_depth_datasets(str(tmp_path), 64, 0, 0)
    values = np.stack(millimetres)
    processor = PixioImageProcessor(do_resize=False, depth_scale=0.001)
    assert mean_depth(train, processor) == pytest.approx(values[values > 0].mean() / 1000, rel=1e-6)


def test_no_valid_depth_at_all():
    items = make_items(2)
    for item in items:
        item["depth"] = torch.zeros(32, 48)
    with pytest.raises(ValueError, match="no valid depth"):
        mean_depth(items, PixioImageProcessor(do_resize=False))  # pyright: ignore[reportArgumentType]
