# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""k-NN: exact search in chunks against brute force, votes by hand, ties, bad input."""

import pytest
import torch
from torch.nn import functional as F

from pixio_hf.metrics import KNNMetrics
from pixio_hf.metrics.knn import NO_VOTE, nearest_neighbors, rank_of_true_class


def random_descriptors(count: int, size: int = 8, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, size, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("chunk_size", [7, 50, 64, 1000])
def test_search_in_chunks_is_exact(chunk_size: int) -> None:
    queries, train = random_descriptors(9, seed=1), random_descriptors(200)
    similarities, indices = nearest_neighbors(queries, train, 20, chunk_size)
    expected = (queries @ train.T).sort(dim=1, descending=True, stable=True)
    assert torch.equal(indices, expected.indices[:, :20])
    torch.testing.assert_close(similarities, expected.values[:, :20])


@pytest.mark.parametrize("chunk_size", [3, 5, 100])
def test_of_equally_similar_images_the_first_wins(chunk_size: int) -> None:
    # Small whole numbers: every dot product is exact, and most occur many times.
    generator = torch.Generator().manual_seed(0)
    queries, train = (torch.randint(-1, 2, (n, 3), generator=generator).float() for n in (6, 60))
    _, indices = nearest_neighbors(queries, train, 10, chunk_size)
    expected = (queries @ train.T).sort(dim=1, descending=True, stable=True).indices[:, :10]
    assert torch.equal(indices, expected)


def test_votes_by_hand() -> None:
    # One near neighbour of class 2 outweighs two far ones of class 0: e^(0.9/0.07) > 2 e^(0.8/0.07).
    similarities = torch.tensor([[0.9, 0.8, 0.8]]).repeat(4, 1)
    neighbors = torch.tensor([[2, 0, 0]]).repeat(4, 1)
    labels = torch.tensor([2, 0, 1, 3])
    assert rank_of_true_class(similarities, neighbors, labels, 4).tolist() == [0, 1, NO_VOTE, NO_VOTE]
    # At a high temperature the number of votes decides.
    assert rank_of_true_class(similarities, neighbors, labels, 4, temperature=1.0).tolist() == [1, 0, NO_VOTE, NO_VOTE]
    equal = torch.tensor([[0.5, 0.5]]).repeat(2, 1)
    assert rank_of_true_class(equal, torch.tensor([[3, 1], [3, 1]]), torch.tensor([3, 1]), 4).tolist() == [1, 0]


def test_a_class_without_votes_is_not_among_the_top_five() -> None:
    train = torch.eye(3)
    vote = KNNMetrics(train, torch.tensor([0, 1, 2]), [1, 3], num_classes=4)
    result = vote.compute(predictions=torch.eye(3)[[0, 0]], references=torch.tensor([0, 1]))
    assert result == {"k1_top1": 50.0, "k1_top5": 50.0, "k3_top1": 50.0, "k3_top5": 100.0, "num_images": 2}


def test_one_test_image_and_many_give_the_same_places() -> None:
    train, labels = random_descriptors(120), torch.arange(120) % 6
    test, true = random_descriptors(101, seed=3), torch.arange(101) % 6
    vote = KNNMetrics(train, labels, [5, 17], query_chunk=10)
    together = vote.rank(test, true)
    assert together.shape == (101, 2)
    assert together.float().std() > 0
    assert torch.equal(vote.rank(test[40:41], true[40:41]), together[40:41])


def test_bad_input() -> None:
    train, labels = random_descriptors(5), torch.tensor([0, 1, 0, 1, 2])
    for arguments, message in (
        ((train, labels, [6]), "between 1 and the 5 training images"),
        ((train, labels, [0]), "between 1 and the 5"),
        ((2 * train, labels, [1]), "unit length"),
        ((train * float("nan"), labels, [1]), "unit length"),
        ((train, labels[:4], [1]), r"labels \(n,\)"),
        ((train[:0], labels[:0], [1]), "empty"),
        ((train, labels - 1, [1]), "got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            KNNMetrics(*arguments)
    vote = KNNMetrics(train, labels, [2])
    with pytest.raises(ValueError, match="have 4 numbers"):
        vote.rank(random_descriptors(2, size=4), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"0 \.\. 2, got 3"):
        vote.rank(train[:1], torch.tensor([3]))
    with pytest.raises(ValueError, match="No descriptor"):
        vote.compute()
