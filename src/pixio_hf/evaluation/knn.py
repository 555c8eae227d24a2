# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Evaluate an encoder without training: k-NN classification of its class tokens (docs/specification.md 7)."""

import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional as F

from ..metrics.knn import NUM_NEIGHBORS, KNNMetrics, accuracy_from_ranks
from ..photos import read_photo
from .processes import gather_rows, share_items


@dataclass(frozen=True)
class KNNEvaluation:
    """Accuracies in percent with counts, the place of the true class of every test image for each k, and the time."""

    metrics: dict[str, Any]
    rows: list[dict[str, Any]]
    seconds: float


@torch.inference_mode()
def evaluate_knn(
    model: Any,
    processor: Any,
    train_items: Iterable[dict[str, Any]],
    test_items: Iterable[dict[str, Any]],
    num_neighbors: Sequence[int] = NUM_NEIGHBORS,
    *,
    batch_size: int = 128,
    num_classes: int | None = None,
    progress: bool = True,
) -> KNNEvaluation:
    """Classify test images by their nearest training images (docs/specification.md 7): items hold "image" and "label".

    Only descriptors are kept, of the training set in every process. Several processes share the items, and each returns
    the whole result.

    Raises:
        ValueError: no items, labels that are no classes, or a k above the number of training images.
    """
    started = time.perf_counter()
    if isinstance(train_items, Sized) and max(num_neighbors, default=1) > len(train_items):
        raise ValueError(
            f"k = {max(num_neighbors)} neighbours need as many training images; there are {len(train_items)}. Give a"
            " smaller k (num_neighbors)."
        )
    train = _describe(model, processor, train_items, batch_size, "training images", progress)
    train = gather_rows(train)
    features = torch.from_numpy(np.stack([row["descriptor"] for row in train])).to(model.device)
    labels = torch.tensor([row["label"] for row in train])
    vote = KNNMetrics(features, labels, num_neighbors, num_classes=num_classes)
    test = _describe(model, processor, test_items, batch_size, "test images", progress)
    rows = []
    if test:
        queries = torch.from_numpy(np.stack([row["descriptor"] for row in test]))
        ranks = vote.rank(queries, torch.tensor([row["label"] for row in test])).tolist()
        rows = [
            {"index": row["index"], "label": row["label"], "ranks": rank}
            for row, rank in zip(test, ranks, strict=True)
        ]
    rows = gather_rows(rows)
    accuracies = accuracy_from_ranks(np.array([row["ranks"] for row in rows]), vote.num_neighbors)
    metrics = {**accuracies, "num_train_images": len(train), "num_classes": vote.num_classes}
    return KNNEvaluation(metrics, rows, time.perf_counter() - started)


def _describe(
    model: Any, processor: Any, items: Iterable[dict[str, Any]], batch_size: int, title: str, progress: bool
) -> list[dict[str, Any]]:
    """Number, label and descriptor of this process's items."""
    rows = []
    for batch in _batches(share_items(items, title, progress), batch_size):
        images = [center_crop(item["image"], model.config.image_size) for _, item in batch]
        pixel_values = processor(images, do_resize=False, return_tensors="pt")["pixel_values"]
        descriptors = class_descriptors(model, pixel_values.to(model.device, model.dtype)).cpu().numpy()
        for (index, item), descriptor in zip(batch, descriptors, strict=True):
            rows.append({"index": index, "label": int(item["label"]), "descriptor": descriptor})
    return rows


def _batches(items: Iterator[tuple[int, Any]], batch_size: int) -> Iterator[list[tuple[int, Any]]]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
    batch = []
    for numbered in items:
        batch.append(numbered)
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


@torch.inference_mode()
def class_descriptors(model: Any, pixel_values: Tensor) -> Tensor:
    """Mean class token of the last block before the final LayerNorm, of unit length: (B, 3, H, W) -> (B, D) float32."""
    tokens = model(pixel_values, output_hidden_states=True).hidden_states[-1]
    return F.normalize(tokens[:, : model.config.n_cls_tokens].float().mean(dim=1), dim=-1)


def center_crop(image: Any, side: int) -> PIL.Image.Image:
    """Middle square of a photo resized bicubically to a short side of `side` pixels (docs/specification.md 7)."""
    pixels = read_photo(image)
    if pixels.dtype != np.uint8:
        raise ValueError("The photo holds floats of unknown range; k-NN needs 8 or 16 bits a channel.")
    photo = PIL.Image.fromarray(np.moveaxis(pixels, 0, -1))
    width, height = photo.size
    short = min(width, height)
    # The long side is rounded down, as torchvision's Resize does.
    photo = photo.resize((side * width // short, side * height // short), PIL.Image.Resampling.BICUBIC)
    left, top = (round((length - side) / 2) for length in photo.size)
    return photo.crop((left, top, left + side, top + side))
