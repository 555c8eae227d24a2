# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What one reader reads, in its shuffled order and as bytes: windows of pieces, interleaved, permuted block by block.

Within a window the pieces take turns, a sample each; `block_size` samples at a time are permuted. A position is just
(epoch, window, offset): to start in the middle, skip the samples before its block without reading their bytes, then
read one block. While one block is handed out the next is read, so that at most `block_size` encoded images are held.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from .sample_order import Position, deal_pieces, draw_uniform, permute, split_windows
from .sample_sources import SampleSource
from .shard_reading import Damage, RawSample, describe

# (shard, member, draw in [0, 1)) -> whether to train on it in this epoch.
KeepRule = Callable[[str, str, float], bool]


@dataclass(frozen=True, slots=True)
class LoadedSample:
    """A sample with its bytes. No data: dropped by the keep rule, or damaged if there is an error."""

    raw: RawSample
    epoch: int
    data: bytes | Tensor | None
    error: str | None = None


@dataclass(frozen=True)
class ReadingOrder:
    """Everything that the order of a data set depends on, apart from who reads where."""

    seed: int
    num_readers: int
    block_size: int
    pieces_per_window: int


def read_samples(
    source: SampleSource, order: ReadingOrder, reader: int, start: Position, keep: KeepRule | None = None
) -> Iterator[tuple[Position, LoadedSample]]:
    """Endless stream of one reader from a position on: (position behind the sample, sample)."""
    position, block = start, []
    for next_position, loading in read_blocks(source, order, reader, start, keep):
        next_block: list[LoadedSample] = []
        for rank, index in enumerate(permute(len(block), order.seed, "block", reader, *position)):
            behind = position._replace(offset=position.offset + rank + 1)
            # Only the block that the stream starts in has samples before the start.
            if behind > start:
                next_block.extend(itertools.islice(loading, 1))
                yield behind, block[index]
        next_block.extend(loading)
        position, block = next_position, next_block


def read_blocks(
    source: SampleSource, order: ReadingOrder, reader: int, start: Position, keep: KeepRule | None
) -> Iterator[tuple[Position, Iterator[LoadedSample]]]:
    """Blocks of a reader, from the one that a position lies in: (position of its start, its samples as they are read).

    A block must be used up before the next one is asked for.
    """
    num_pieces = source.num_pieces(order.num_readers)
    for epoch in itertools.count(start.epoch):
        pieces = deal_pieces(num_pieces, order.num_readers, reader, epoch, order.seed)
        for window, in_window in enumerate(split_windows(pieces, order.pieces_per_window)):
            position = Position(epoch, window)
            if position < start[:2]:
                continue
            samples = take_turns([source.read_piece(piece, order.num_readers) for piece in in_window])
            if position[:2] == start[:2]:
                position = start._replace(offset=start.offset - start.offset % order.block_size)
                for _ in itertools.islice(samples, position.offset):
                    pass
            while (first := next(samples, None)) is not None:
                block = itertools.chain([first], itertools.islice(samples, order.block_size - 1))
                yield position, (load_sample(raw, epoch, order.seed, keep) for raw in block)
                position = position._replace(offset=position.offset + order.block_size)


def take_turns(pieces: list[Iterator[RawSample]]) -> Iterator[RawSample]:
    """One sample of each piece in turn until all are at their end."""
    while pieces:
        unfinished = []
        for piece in pieces:
            sample = next(piece, None)
            if sample is not None:
                unfinished.append(piece)
                yield sample
        pieces = unfinished


def load_sample(raw: RawSample, epoch: int, seed: int, keep: KeepRule | None) -> LoadedSample:
    """Read a sample's bytes, unless the keep rule drops it; the rule is not asked about damage, which is counted."""
    if keep is not None and not isinstance(raw.read, Damage):
        draw = draw_uniform(seed, "keep", epoch, *raw.place)
        if not keep(raw.shard, raw.member, draw):
            return LoadedSample(raw, epoch, None)
    try:
        return LoadedSample(raw, epoch, raw.read())
    except Exception as error:  # whatever a file system, a tar or a Parquet reader raises, it costs this sample only
        return LoadedSample(raw, epoch, None, describe(error))
