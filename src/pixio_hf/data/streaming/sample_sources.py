# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Where samples come from: shards, a folder of images or synthetic scenes, each as numbered pieces to read."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from torch.utils.data import Dataset

from ...listings import photo_endings, printable
from ...read_limits import read_image_file
from ...synthetic import SYNTHETIC_DATASETS, TRAIN_SEEDS, SyntheticSceneDataset
from .sample_order import derive_seed
from .shard_reading import RawSample, read_shard
from .shards import find_shards, list_files


class SampleSource(Protocol):
    """A data set as pieces: the unit in which samples are dealt to readers."""

    random_access: bool
    """Whether a piece is a single sample, so that shuffling the pieces shuffles everything."""

    fingerprint: str
    """Changes with the list of shards or files: a position in one list means nothing in another."""

    def num_pieces(self, num_readers: int) -> int: ...

    def read_piece(self, piece: int, num_readers: int) -> Iterator[RawSample]: ...


class ShardSource:
    """Tar or Parquet shards. With more readers than shards, each shard is shared by several, sample by sample."""

    random_access = False

    def __init__(self, shards: list[str], image_column: str | None = None):
        self.shards, self.image_column = shards, image_column
        self.fingerprint = f"{len(shards)} shards {derive_seed(*(Path(shard).name for shard in shards)):016x}"

    def num_pieces(self, num_readers: int) -> int:
        return len(self.shards) * self.readers_per_shard(num_readers)

    def readers_per_shard(self, num_readers: int) -> int:
        return -(-num_readers // len(self.shards))

    def read_piece(self, piece: int, num_readers: int) -> Iterator[RawSample]:
        number, part = divmod(piece, self.readers_per_shard(num_readers))
        for sample in read_shard(self.shards[number], number, self.image_column):
            if sample.place[1] % self.readers_per_shard(num_readers) == part:
                yield sample


class FolderSource:
    """Image files below a folder."""

    random_access = True

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.names = list_files(folder, photo_endings(), warn=True)
        if not self.names:
            raise ValueError(f"{printable(folder)} holds neither images ({', '.join(photo_endings())}) nor shards.")
        self.fingerprint = f"{len(self.names)} files {derive_seed(*self.names):016x}"

    def num_pieces(self, num_readers: int) -> int:
        return len(self.names)

    def read_piece(self, piece: int, num_readers: int) -> Iterator[RawSample]:
        name = self.names[piece]
        read = partial(read_image_file, self.folder / name)
        yield RawSample(printable(self.folder), printable(name), (0, piece), read)


class SceneSource:
    """Pictures of synthetic scenes, already of the right size: nothing is cropped."""

    random_access = True

    def __init__(self, scenes: Dataset, name: str):
        self.scenes, self.name = scenes, name
        self.fingerprint = f"{len(scenes)} {name}"  # pyright: ignore[reportArgumentType]

    def num_pieces(self, num_readers: int) -> int:
        return len(self.scenes)  # pyright: ignore[reportArgumentType]

    def read_piece(self, piece: int, num_readers: int) -> Iterator[RawSample]:
        yield RawSample(self.name, f"scene {piece}", (0, piece), lambda: self.scenes[piece]["image"])


def read_in_order(source: SampleSource) -> Iterator[RawSample]:
    """Every sample of a source once, in the order of its shards or names, not decoded; damaged ones raise when read."""
    for piece in range(source.num_pieces(1)):
        yield from source.read_piece(piece, 1)


def open_source(
    dataset: str,
    image_size: int,
    num_scenes: int,
    cache_dir: str | None = None,
    num_render_workers: int = 0,
    image_column: str | None = None,
) -> SampleSource:
    """Open a data set by name, folder, pattern or address (`find_shards`).

    Args:
        dataset: a name of SYNTHETIC_DATASETS, a folder of images, or anything that stands for shards.
        num_scenes: number of synthetic scenes, from the training seeds.
        cache_dir: where synthetic scenes are kept once rendered; None renders them again each time.
        image_column: column of the images in Parquet shards; None finds it.

    Raises:
        ValueError: none of these, or nothing is in it.
    """
    if dataset in SYNTHETIC_DATASETS:
        scenes = SyntheticSceneDataset(
            num_scenes,
            first_seed=TRAIN_SEEDS.start,
            image_size=image_size,
            kind=SYNTHETIC_DATASETS[dataset],
            cache_dir=cache_dir,
            num_workers=num_render_workers,
        )
        return SceneSource(scenes, dataset)
    try:
        shards = find_shards(dataset)
    except ValueError as error:
        raise ValueError(f"{error} The rendered data sets are {', '.join(SYNTHETIC_DATASETS)}.") from error
    return FolderSource(dataset) if shards is None else ShardSource(shards, image_column)
