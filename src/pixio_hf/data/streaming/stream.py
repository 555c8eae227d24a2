# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The endless stream of crops that one process trains on, replayable from any position.

Its order is a function of seed, number of processes and workers and nothing else: no global random state, no state of
`datasets`. `PretrainingLoader` makes batches of it and remembers which were used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ...listings import printable
from .decoding import decode_random_crop, load_simplejpeg
from .sample_order import Position, derive_seed
from .sample_reading import KeepRule, LoadedSample, ReadingOrder, read_samples
from .sample_sources import SampleSource
from .shard_reading import describe

_ENOUGH_TO_JUDGE = 1000


@dataclass(frozen=True)
class StreamOptions:
    """What a stream does with the samples, and how much it shuffles.

    Args:
        image_size: side of the square crops in pixels.
        crop_scale: smallest and largest share of the photo's area in a crop.
        shuffle_buffer: samples that are permuted at a time; each worker holds that many encoded images.
        open_shards: shards that a worker reads in turns.
        max_damaged: tolerated damaged samples, as a share below 1 (of at least 1000) or as a number.
        keep: optional rule (shard, member, draw) -> bool that chooses samples; the draw in [0, 1) belongs to sample and
            epoch. It must be picklable where workers are spawned.
    """

    image_size: int
    seed: int = 0
    crop_scale: tuple[float, float] = (0.2, 1.0)
    shuffle_buffer: int = 1024
    open_shards: int = 8
    max_damaged: float = 0.01
    keep: KeepRule | None = None

    def __post_init__(self):
        if self.image_size < 1 or self.shuffle_buffer < 1 or self.open_shards < 1 or self.max_damaged < 0:
            raise ValueError(
                f"image_size, shuffle_buffer and open_shards must be positive and max_damaged not negative: {self}."
            )
        if not 0 < self.crop_scale[0] <= self.crop_scale[1] <= 1:
            raise ValueError(
                f"crop_scale must be (smallest, largest) share of the area in (0, 1], got {self.crop_scale}."
            )


@dataclass(frozen=True)
class ReaderPlace:
    """Which part of the stream a process reads, with one reader per data loader worker, or one in all without workers."""

    rank: int = 0
    world_size: int = 1
    num_workers: int = 0

    def __post_init__(self):
        if not 0 <= self.rank < self.world_size or self.num_workers < 0:
            raise ValueError(f"Need 0 <= rank < world_size and num_workers >= 0, got {self}.")

    @property
    def num_readers(self) -> int:
        return max(self.num_workers, 1)


class PretrainingStream(IterableDataset):
    """Endless stream of one process: item -> dict(image=(3, S, S) uint8, key, seed, ...).

    `key` is the member's name; `seed` belongs to sample and epoch; `position` is where `reader`, a number within this
    process, goes on behind the item; `damaged` names what could not be read since the reader's last item, `num_dropped`
    counts what the keep rule refused. Each sample is delivered once an epoch over all processes and workers. A reader goes
    on into its next epoch without a break.

    Args:
        starts: position of each reader of this process.
        first_reader: the reader of data loader worker 0; batches come from the workers in turns.

    Raises:
        ValueError: simplejpeg is not installed; too much is damaged, or nothing was kept of a whole epoch (these two while
            iterating).
    """

    def __init__(
        self,
        source: SampleSource,
        options: StreamOptions,
        place: ReaderPlace,
        starts: list[Position] | None = None,
        first_reader: int = 0,
    ):
        load_simplejpeg()  # before any work, and in this process: a worker's error would be wrapped in its traceback
        self.source, self.options, self.place = source, options, place
        self.starts = starts or [Position()] * place.num_readers
        self.first_reader = first_reader

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        num_workers = worker.num_workers if worker else 0
        if max(num_workers, 1) != self.place.num_readers:
            raise ValueError(
                f"The stream was made for {self.place.num_workers} workers, the data loader has {num_workers}."
            )
        reader = ((worker.id if worker else 0) + self.first_reader) % self.place.num_readers
        return self.read(reader)

    def read(self, reader: int) -> Iterator[dict[str, Any]]:
        """Items of one reader of this process, from its start on."""
        options, place = self.options, self.place
        order = ReadingOrder(
            options.seed,
            place.world_size * place.num_readers,
            1 if self.source.random_access else options.shuffle_buffer,
            options.open_shards,
        )
        global_reader = place.rank * place.num_readers + reader
        num_damaged = num_dropped = 0
        first_dropped: LoadedSample | None = None
        damaged: list[str] = []
        samples = read_samples(self.source, order, global_reader, self.starts[reader], options.keep)
        for num_seen, (position, sample) in enumerate(samples, start=1):
            seed = derive_seed(options.seed, "sample", sample.epoch, *sample.raw.place)
            image, error = self.decode(sample, seed)
            if error is not None:
                damaged.append(f"{printable(sample.raw.shard)}: {sample.raw.member}: {error}")
                num_damaged += 1
                check_damage(num_damaged, num_seen, options.max_damaged, damaged[-3:])
            elif image is None:
                num_dropped += 1
                first_dropped = first_dropped or sample
                if num_dropped >= _ENOUGH_TO_JUDGE and sample.epoch > first_dropped.epoch + 1:
                    raise ValueError(f"The keep rule dropped all of {num_dropped} samples in a row; loosen it.")
            else:
                yield {
                    "image": image,
                    "key": sample.raw.member,
                    "seed": seed,
                    "reader": reader,
                    "position": position,
                    "damaged": damaged,
                    "num_dropped": num_dropped,
                }
                damaged, num_dropped, first_dropped = [], 0, None

    def decode(self, sample: LoadedSample, seed: int) -> tuple[Tensor | None, str | None]:
        """Crop of a sample and what is wrong with it; neither for one that the keep rule dropped."""
        if not isinstance(sample.data, bytes):
            return sample.data, sample.error
        try:
            return decode_random_crop(sample.data, self.options.image_size, self.options.crop_scale, seed), None
        except Exception as error:  # image formats raise anything from SyntaxError to struct.error on damaged files
            return None, describe(error)


def check_damage(num_damaged: int, num_seen: int, max_damaged: float, examples: list[str]) -> None:
    """Raise ValueError when more samples are damaged than `max_damaged` allows, a share below 1 or else a number."""
    limit = max_damaged * max(num_seen, _ENOUGH_TO_JUDGE) if max_damaged < 1 else max_damaged
    if num_damaged > limit:
        raise ValueError(
            f"{num_damaged} of {num_seen} samples could not be read, more than max_damaged={max_damaged:g} allows."
            f" The last ones: {'; '.join(examples)}. Repair the data or raise the limit."
        )
