# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""One pass over a shard that measures every image: decoded on several threads, its loss computed in batches."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

import torch
from torch import Tensor

from ..streaming.sample_order import derive_seed
from ..streaming.sample_reading import LoadedSample, load_sample
from ..streaming.shard_reading import RawSample, describe, read_shard
from .image_statistics import measure_photo
from .statistics_files import SCHEMA

Row = dict[str, Any]
_DECODED_AHEAD = 32
# (images (B, 3, S, S) uint8, a seed for each) -> loss of each.
MeasureLosses = Callable[[Tensor, list[int]], list[float]]


def measure_shard(
    shard: str,
    pool: ThreadPoolExecutor,
    measure_losses: MeasureLosses | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    image_column: str | None = None,
    on_image: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Statistics of a shard, a row of SCHEMA for each image or damaged place, in order; damage has an `error`.

    Args:
        measure_losses: gets images of side `image_size`; without it `mae_loss` stays None.
        seed: of the masks, which depend on it, on the shard's name and on the image's number in the shard.
        on_image: called for each row, to show progress.
    """
    rows: list[Row] = []
    batch: list[tuple[Row, Tensor, int]] = []
    samples = read_shard(shard, image_column=image_column)
    for index, (row, image) in enumerate(measure_samples(samples, pool, image_size if measure_losses else None)):
        rows.append(row)
        if image is not None:
            batch.append((row, image, derive_seed(seed, "mask", PurePosixPath(shard).name, index)))
        if len(batch) == batch_size:
            add_losses(batch, measure_losses)
            batch = []
        on_image()
    add_losses(batch, measure_losses)
    return rows


def add_losses(batch: list[tuple[Row, Tensor, int]], measure_losses: MeasureLosses | None) -> None:
    """Write the loss of each image of a batch into its row."""
    if measure_losses is None or not batch:
        return
    rows, images, seeds = zip(*batch, strict=True)
    for row, loss in zip(rows, measure_losses(torch.stack(images), list(seeds)), strict=True):
        row["mae_loss"] = loss


def measure_samples(
    samples: Iterable[RawSample], pool: ThreadPoolExecutor, image_size: int | None
) -> Iterator[tuple[Row, Tensor | None]]:
    """Rows without loss and, where a size is asked for, the images, in order; some are decoded ahead."""
    ahead: deque[Future[tuple[Row, Tensor | None]]] = deque()
    for sample in samples:
        # Bytes are read here, since the members of a tar have to be read in turn.
        ahead.append(pool.submit(measure_sample, load_sample(sample, 0, 0, None), image_size))
        if len(ahead) > _DECODED_AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def measure_sample(sample: LoadedSample, image_size: int | None) -> tuple[Row, Tensor | None]:
    """Row of one image without loss, and the image itself where a size is asked for."""
    row: Row = {**dict.fromkeys(SCHEMA.names), "name": sample.raw.member, "error": sample.error}
    if sample.error is not None:
        return row, None
    assert isinstance(sample.data, bytes)
    try:
        photo = measure_photo(sample.data, image_size)
    except Exception as error:  # image formats raise anything from SyntaxError to struct.error on damaged files
        return {**row, "error": describe(error)}, None
    measures = {"width": photo.width, "height": photo.height, "histogram_score": photo.histogram_score}
    return {**row, **measures}, photo.image
