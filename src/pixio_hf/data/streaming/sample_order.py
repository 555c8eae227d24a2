# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The order of an endless stream of samples, as pure functions of a seed: who reads what, when, in which permutation.

Everything that trains together reads one data set with `num_readers` readers: one per data loader worker of every process.
The data set consists of pieces (a shard, a part of a shard, or a single image). Each epoch permutes the pieces and deals
them to the readers like cards, going on where the epoch before stopped, so that every piece is read exactly once an epoch
and all readers get equally many. A reader reads its pieces of an epoch a window of a few at a time.
"""

import hashlib
import itertools
from typing import NamedTuple

import torch


class Position(NamedTuple):
    """Where a reader is: its next sample is number `offset` in a window of an epoch, counted after shuffling."""

    epoch: int = 0
    window: int = 0
    offset: int = 0


def derive_seed(*parts: int | str) -> int:
    """Seed in [0, 2**63) that depends on every part: different parts give unrelated seeds."""
    # Names of files need not be UTF-8; Python keeps their bytes as surrogates.
    text = "/".join(str(part) for part in parts).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def draw_uniform(*parts: int | str) -> float:
    """Number in [0, 1) that depends on every part."""
    return (derive_seed(*parts) >> 10) / 2**53


def permute(size: int, *parts: int | str) -> list[int]:
    """Permutation of range(size) that depends on every part."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(derive_seed(*parts))).tolist()


def deal_pieces(num_pieces: int, num_readers: int, reader: int, epoch: int, seed: int) -> list[int]:
    """Pieces that one of the readers reads in an epoch, in its order."""
    first = (reader - epoch * num_pieces) % num_readers
    return permute(num_pieces, seed, "pieces", epoch)[first::num_readers]


def split_windows(pieces: list[int], pieces_per_window: int) -> list[list[int]]:
    """Cut a list into the fewest windows of at most `pieces_per_window`, as equal in length as can be."""
    num_windows = -(-len(pieces) // pieces_per_window)
    edges = [len(pieces) * window // num_windows for window in range(num_windows + 1)] if num_windows else [0]
    return [pieces[start:stop] for start, stop in itertools.pairwise(edges)]
