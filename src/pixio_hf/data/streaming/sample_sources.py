# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Where samples come from: shards, a folder of images, synthetic scenes or a mixture, each as numbered pieces to read."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from torch.utils.data import Dataset

from ...listings import photo_endings, printable
from ...read_limits import read_image_file
from ...synthetic import (
    SCENE_GENERATOR_VERSION,
    SYNTHETIC_DATASETS,
    TRAIN_SEEDS,
    check_scene_photographs,
    find_scene_set,
)
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


class MixedSource:
    """Several sources of single samples, mixed: each sample comes as often an epoch as its source's weight says.

    The copies of a sample count as samples of their own: they are cropped and masked differently.

    Raises:
        ValueError: a source of shards, whose samples do not mix with single ones.
    """

    random_access = True

    def __init__(self, weighted_sources: list[tuple[int, SampleSource]]):
        if not all(source.random_access for _, source in weighted_sources):
            raise ValueError(
                "Shards cannot be mixed with other data: they are read in a row. Put the images of all into one set of"
                " shards, or all into folders."
            )
        self.copies = [source for weight, source in weighted_sources for _ in range(weight)]
        self.starts = [0, *accumulate(source.num_pieces(1) for source in self.copies)]
        self.fingerprint = " + ".join(f"{weight} x {source.fingerprint}" for weight, source in weighted_sources)

    def num_pieces(self, num_readers: int) -> int:
        return self.starts[-1]

    def read_piece(self, piece: int, num_readers: int) -> Iterator[RawSample]:
        copy = bisect_right(self.starts, piece) - 1
        for sample in self.copies[copy].read_piece(piece - self.starts[copy], num_readers):
            # The place is what crops and masks depend on; of single samples, the first number is free.
            yield replace(sample, place=(copy, sample.place[1]))


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
    scene_version: int = SCENE_GENERATOR_VERSION,
    scene_photographs: str | None = None,
) -> SampleSource:
    """Open a data set by name, folder, pattern or address (`find_shards`).

    Args:
        dataset: a name of SYNTHETIC_DATASETS, with "-v1" or "-v2" behind it for another version than `scene_version`; a
            folder of images; anything that stands for shards; or several of the first two with weights, such as
            "4 x kitchens + flowers + 2 x synthetic-rooms" (`MixedSource`).
        num_scenes: number of synthetic scenes, from the training seeds.
        cache_dir: where synthetic scenes are kept once rendered; None renders them again each time.
        scene_version, scene_photographs: `version` and `photographs` of SyntheticSceneDataset.
        image_column: column of the images in Parquet shards; None finds it.

    Raises:
        ValueError: none of these, or nothing is in it; photographs for scenes that cannot show them.
    """
    is_mixture = " + " in dataset and not Path(dataset).exists()
    parts = [split_weight(part) for part in dataset.split(" + ")] if is_mixture else [(1, dataset)]
    check_scene_photographs(scene_photographs, [name for _, name in parts], scene_version)
    sources: list[tuple[int, SampleSource]] = []
    for weight, name in parts:
        if scene_set := find_scene_set(name, scene_version):
            scenes = scene_set.open(
                num_scenes, TRAIN_SEEDS.start, image_size, cache_dir, num_render_workers, scene_photographs
            )
            sources.append((weight, SceneSource(scenes, scene_set.title)))
        else:
            sources.append((weight, open_folder_or_shards(name, image_column)))
    return MixedSource(sources) if is_mixture else sources[0][1]


def open_folder_or_shards(dataset: str, image_column: str | None = None) -> FolderSource | ShardSource:
    """A folder of images, or shards. Raises ValueError where the name stands for neither."""
    try:
        shards = find_shards(dataset)
    except ValueError as error:
        raise ValueError(f"{error} The rendered data sets are {', '.join(SYNTHETIC_DATASETS)}.") from error
    return FolderSource(dataset) if shards is None else ShardSource(shards, image_column)


def split_weight(part: str) -> tuple[int, str]:
    """Weight and name of one part of a mixture: "4 x kitchens" -> (4, "kitchens"), "kitchens" -> (1, "kitchens").

    Raises:
        ValueError: a weight of 0.
    """
    match = re.fullmatch(r"(\d+) x (.+)", part.strip())
    weight, name = (int(match[1]), match[2]) if match else (1, part.strip())
    if weight < 1:
        raise ValueError(f"{part.strip()!r} has the weight 0; leave it out or give it a weight of at least 1.")
    return weight, name
