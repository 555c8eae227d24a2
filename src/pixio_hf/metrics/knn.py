# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Weighted k-nearest-neighbour classification of image descriptors: exact search in chunks, top-1 and top-5.

See docs/specification.md 7.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
import torch
from torch import Tensor

from ..arrays import to_class_tensor, to_tensor
from ..losses import check_class_ids
from .stored_rows import RowMetric

NUM_NEIGHBORS = (10, 20, 100, 200)
TEMPERATURE = 0.07
NO_VOTE = 2**31 - 1
"""Rank of a class that no neighbour belongs to: after all others, however few classes there are."""

_DESCRIPTION = """\
Accuracy of a weighted vote of the k nearest training descriptors: weight exp(similarity / 0.07), classes ranked by the
sum of their weights, for several k.
"""
_INPUTS_DESCRIPTION = """
Args:
    predictions: descriptors of test images (B, D), unit length.
    references: their classes (B,).
Returns:
    k{k}_top1 and k{k}_top5 in percent for every k, and num_images.
"""


@torch.no_grad()
def nearest_neighbors(
    queries: Tensor, train_features: Tensor, num_neighbors: int, chunk_size: int = 16384
) -> tuple[Tensor, Tensor]:
    """Largest dot products of (B, D) with (n, D): similarities (B, k) descending, and training indices (B, k).

    The search is exact and looks at `chunk_size` training images at a time. Of equally similar ones the first in the
    training set wins.
    """
    best = queries.new_empty(len(queries), 0)
    indices = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(train_features), chunk_size):
        similarities = queries @ train_features[start : start + chunk_size].T
        new = torch.arange(start, start + similarities.shape[1], device=queries.device).expand_as(similarities)
        # Earlier finds come first: they have the lower indices.
        best, chosen = _stable_topk(torch.cat((best, similarities), dim=1), num_neighbors)
        indices = torch.cat((indices, new), dim=1).gather(1, chosen)
    return best, indices


def _stable_topk(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, descending, equal ones by position; torch.topk leaves their choice open."""
    k = min(k, values.shape[1])
    top, chosen = values.topk(k)
    tied = (values >= top[:, -1:]).sum(dim=1) > k
    if tied.any():
        chosen[tied] = values[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    chosen = chosen.sort(dim=1).values
    ordered, order = values.gather(1, chosen).sort(dim=1, descending=True, stable=True)
    return ordered, chosen.gather(1, order)


def rank_of_true_class(
    similarities: Tensor, neighbor_labels: Tensor, labels: Tensor, num_classes: int, temperature: float = TEMPERATURE
) -> Tensor:
    """Place of the true class in a vote: (B, k), (B, k), (B,) -> (B,) int64 from 0; NO_VOTE without one.

    Every neighbour gives its class exp(similarity / temperature). Of classes with equal sums the lower number comes
    first. A class that no neighbour belongs to is never counted as found: the paper's protocol leaves the order of
    such classes open. See docs/specification.md 7.
    """
    weights = (similarities.double() / temperature).exp()
    scores = weights.new_zeros(len(labels), num_classes).scatter_add_(1, neighbor_labels, weights)
    own = scores.gather(1, labels[:, None])
    earlier = torch.arange(num_classes, device=labels.device) < labels[:, None]
    rank = ((scores > own) | ((scores == own) & earlier)).sum(dim=1)
    return torch.where(own[:, 0] > 0, rank, NO_VOTE)


class KNNMetrics(RowMetric):
    """k-NN accuracy against a training set as an `evaluate.Metric`; stores places of the true class, never descriptors.

    `train_features` (n, D) and `train_labels` (n,) stay on their device; descriptors must have unit length. Test
    images are processed `query_chunk` at a time, so that any number is fine.

    Raises:
        ValueError: shapes that do not fit, descriptors that are not of unit length, k outside 1 .. n, no class.
    """

    def __init__(
        self,
        train_features: Tensor | np.ndarray | Sequence[Any],
        train_labels: Tensor | np.ndarray | Sequence[Any],
        num_neighbors: Sequence[int] = NUM_NEIGHBORS,
        *,
        num_classes: int | None = None,
        temperature: float = TEMPERATURE,
        query_chunk: int = 256,
        **kwargs: Any,
    ) -> None:
        train_features, train_labels = to_tensor(train_features), to_class_tensor(train_labels)
        _check_descriptors(train_features, train_labels, "training")
        if not len(train_features):
            raise ValueError("The training set of k-NN is empty.")
        self.num_classes = int(train_labels.max()) + 1 if num_classes is None else num_classes
        check_class_ids(train_labels, self.num_classes)
        if not num_neighbors or min(num_neighbors) < 1 or max(num_neighbors) > len(train_features):
            raise ValueError(
                f"num_neighbors must lie between 1 and the {len(train_features)} training images, got"
                f" {list(num_neighbors)}."
            )
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}.")
        self.train_features = train_features.float()
        self.train_labels = train_labels.to(train_features.device)
        self.num_neighbors = tuple(num_neighbors)
        self.temperature = temperature
        self.query_chunk = query_chunk
        super().__init__(**kwargs)

    def _info(self) -> evaluate.MetricInfo:
        # What is stored, not what is passed: the place of the true class for every k, and the class.
        features = datasets.Features(
            {"predictions": datasets.Sequence(datasets.Value("int64")), "references": datasets.Value("int64")}
        )
        return evaluate.MetricInfo(
            description=_DESCRIPTION, citation="", inputs_description=_INPUTS_DESCRIPTION, features=features
        )

    @torch.no_grad()
    def rank(self, features: Tensor, labels: Tensor) -> Tensor:
        """Place of the true class for every k, from 0: descriptors (B, D), classes (B,) -> (B, len(num_neighbors))."""
        features, labels = to_tensor(features), to_class_tensor(labels)
        _check_descriptors(features, labels, "test")
        if features.shape[1] != self.train_features.shape[1]:
            raise ValueError(
                f"Test descriptors have {features.shape[1]} numbers, training ones {self.train_features.shape[1]}."
            )
        check_class_ids(labels, self.num_classes)
        ranks = [torch.empty(0, len(self.num_neighbors), dtype=torch.int64)]
        for start in range(0, len(features), self.query_chunk):
            chunk = slice(start, start + self.query_chunk)
            queries = features[chunk].to(self.train_features)
            similarities, indices = nearest_neighbors(queries, self.train_features, max(self.num_neighbors))
            votes, true = self.train_labels[indices], labels[chunk].to(queries.device)
            per_k = [
                rank_of_true_class(similarities[:, :k], votes[:, :k], true, self.num_classes, self.temperature)
                for k in self.num_neighbors
            ]
            ranks.append(torch.stack(per_k, dim=1).cpu())
        return torch.cat(ranks)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Classify test descriptors (B, D) with classes (B,) and store the places of the true classes."""
        if kwargs or predictions is None or references is None:
            raise ValueError("add_batch takes predictions (descriptors) and references (classes).")
        features, labels = to_tensor(predictions), to_class_tensor(references)
        if len(features):
            super().add_batch(predictions=self.rank(features, labels).tolist(), references=labels.tolist())

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Classify one descriptor (D,)."""
        self.add_batch(predictions=to_tensor(prediction)[None], references=to_class_tensor(reference)[None], **kwargs)

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Accuracies of what was added, and of these if given; None on all but the first process."""
        if kwargs:
            raise ValueError(f"Unknown arguments {sorted(kwargs)}: the vote is set when KNNMetrics is created.")
        if (predictions is None) != (references is None):
            raise ValueError("predictions and references must be given together.")
        if predictions is not None:
            self.add_batch(predictions=predictions, references=references)
        if self.writer is None and self.num_process == 1:
            raise ValueError("No descriptor was added: call add_batch first, or pass predictions and references.")
        return super().compute()

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        return accuracy_from_ranks(np.asarray(predictions), self.num_neighbors)


def accuracy_from_ranks(ranks: np.ndarray, num_neighbors: Sequence[int]) -> dict[str, Any]:
    """Top-1 and top-5 accuracy in percent from places (n, len(num_neighbors)) of the true class, n >= 1."""
    scores: dict[str, Any] = {}
    for k, column in zip(num_neighbors, ranks.T, strict=True):
        scores |= {f"k{k}_top1": 100 * float((column < 1).mean()), f"k{k}_top5": 100 * float((column < 5).mean())}
    return {**scores, "num_images": len(ranks)}


def _check_descriptors(features: Tensor, labels: Tensor, which: str) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(
            f"The {which} descriptors must be (n, D) with labels (n,), got {tuple(features.shape)} and"
            f" {tuple(labels.shape)}."
        )
    lengths = features.float().norm(dim=1)
    if not ((lengths - 1).abs() < 1e-2).all():  # false for NaN as well
        raise ValueError(f"The {which} descriptors must have unit length: divide each by its Euclidean norm.")
