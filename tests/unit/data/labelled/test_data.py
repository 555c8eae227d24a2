# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Batches of images with depth, and the mean depth of a data set."""

import json
import random
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from pixio_hf import PixioImageProcessor, PixioImageProcessorPil
from pixio_hf.data.labelled.batches import DepthCollator, mean_depth
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset

PROCESSORS = (PixioImageProcessor, PixioImageProcessorPil)


def random_pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


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
    collate = DepthCollator(processor_class(do_resize=False))
    for split, count, seed in (("train", 3, 0), ("val", 2, 9)):
        millimetres = write_depth_split(tmp_path / split, count, seed)
        dataset = open_depth_dataset(tmp_path, split, depth_scale=0.001)
        assert len(dataset) == count
        batch = collate([dataset[index] for index in range(len(millimetres))])
        expected = torch.from_numpy((np.stack(millimetres).astype(np.float64) / 1000).astype(np.float32))
        assert torch.equal(batch["labels"], expected)
        assert batch["labels"].dtype == torch.float32
        assert (batch["labels"][:, :5, :7] == 0).all()
        assert batch["pixel_values"].shape == (len(millimetres), 3, 48, 64)


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
    train = open_depth_dataset(tmp_path, "train", depth_scale=0.001)
    values = np.stack(millimetres)
    metres = values[values > 0].mean() / 1000
    assert mean_depth(train, PixioImageProcessor(do_resize=False)) == pytest.approx(metres, rel=1e-6)


def test_no_valid_depth_at_all():
    items = make_items(2)
    for item in items:
        item["depth"] = torch.zeros(32, 48)
    with pytest.raises(ValueError, match="no valid depth"):
        mean_depth(items, PixioImageProcessor(do_resize=False))  # pyright: ignore[reportArgumentType]
