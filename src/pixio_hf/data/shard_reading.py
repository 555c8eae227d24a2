# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The images of one shard as raw bytes, in order; damage is a sample like any other whose bytes cannot be read."""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, cast

from torch import Tensor

from .shards import IMAGE_SUFFIXES

_END_OF_ARCHIVE = 2 * tarfile.BLOCKSIZE
_ROWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Damage:
    """The `read` of something in a shard that cannot be read: raises ValueError."""

    message: str

    def __call__(self) -> bytes:
        raise ValueError(self.message)


@dataclass(frozen=True, slots=True)
class RawSample:
    """One image, not decoded: shard and member name it, `place` is (number of the shard, number in the shard).

    `read` returns the bytes of the file, or the finished image (3, H, W) uint8 of a rendered scene; it raises for a
    damaged sample. Samples of a shard must be read before the next one is asked for, or not at all.
    """

    shard: str
    member: str
    place: tuple[int, int]
    read: Callable[[], bytes | Tensor]


def read_shard(shard: str, number: int = 0, image_column: str | None = None) -> Iterator[RawSample]:
    """All images of a .tar or .parquet file in order, local or remote: a pass over the raw data, without shuffling.

    What cannot be read (a truncated end, a broken header, the whole file) appears as a sample whose `read` raises, at
    the same number in every pass, whether the others are read or not.
    """
    read_members = read_parquet if shard.lower().endswith(".parquet") else read_tar
    index = 0
    try:
        with open_shard(shard) as file:
            for member, read in read_members(file, image_column):
                yield RawSample(shard, member, (number, index), read)
                index += 1
    except Exception as error:  # every format and file system has its own; the rest of the shard is lost with each
        yield RawSample(shard, f"sample {index} and what follows", (number, index), Damage(describe(error)))
        return
    if index == 0:
        yield RawSample(shard, "whole shard", (number, 0), Damage("holds no image"))


def open_shard(shard: str) -> IO[bytes]:
    """Open a local path or an address for reading, with the retries of `datasets` for the latter."""
    if "://" not in shard:
        return open(shard, "rb")
    from datasets.utils.file_utils import xopen

    return cast(IO[bytes], xopen(shard, "rb"))


def describe(error: BaseException) -> str:
    """One line that says what went wrong."""
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def is_image_member(name: str) -> bool:
    """Whether a member of a tar in WebDataset layout is a sample's image: the part after the first dot is jpg, png, ...

    "n01/0007.jpg" is one, "n01/0007.mask.png" is another field of the same sample.
    """
    base = PurePosixPath(name).name
    return f".{base.partition('.')[2].lower()}" in IMAGE_SUFFIXES and not base.startswith(".")


def read_tar(file: IO[bytes], image_column: str | None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Image members of an uncompressed tar file: (name, read)."""
    size = file.seek(0, 2)
    file.seek(0)
    end, last = 0, "the beginning"
    # With ignore_zeros, tarfile goes on behind a broken header to the next one that is whole.
    with tarfile.open(fileobj=file, mode="r:", ignore_zeros=True) as archive:
        for member in archive:
            if member.offset > end and not is_valid_header(file, end):
                yield f"after {last}", Damage(f"bytes {end} to {member.offset} hold no readable tar member")
            end, last = archive.offset, member.name
            is_cut = member.offset_data + member.size > size
            if member.isfile() and is_image_member(member.name):
                cut = f"the shard is cut off inside this member, at {size} bytes"
                yield member.name, Damage(cut) if is_cut else lambda member=member: read_member(archive, member)
            elif is_cut:
                yield f"after {last}", Damage(f"the shard is cut off at {size} bytes")
            if is_cut:
                return
    if size < end + _END_OF_ARCHIVE:
        yield f"after {last}", Damage(f"the shard is cut off at {size} bytes: its end-of-archive mark is missing")
    elif not is_valid_header(file, end):
        yield f"after {last}", Damage(f"no readable tar member follows byte {end}")


def read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Bytes of one member of a tar archive."""
    content = archive.extractfile(member)
    assert content is not None
    return content.read()


def is_valid_header(file: IO[bytes], offset: int) -> bool:
    """Whether the block at an offset is a tar header (such as a global one, which is no member) or all zeros."""
    position = file.tell()
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    file.seek(position)
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return not any(block)
    return True


def read_parquet(file: IO[bytes], image_column: str | None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Rows of a Parquet file with an image column, of bytes or of `datasets`' {"bytes", "path"}: (row, read)."""
    import pyarrow.parquet

    parquet = pyarrow.parquet.ParquetFile(file, buffer_size=1 << 20)
    column = image_column or find_image_column(parquet.schema_arrow)
    if column not in parquet.schema_arrow.names:
        raise ValueError(f"there is no column {column!r} among {', '.join(parquet.schema_arrow.names)}")
    first = 0
    for group in range(parquet.num_row_groups):
        rows = RowGroup(parquet, group, column)
        for row in range(parquet.metadata.row_group(group).num_rows):
            yield f"row {first + row}", lambda rows=rows, row=row: rows.read(row)
        first += parquet.metadata.row_group(group).num_rows


def find_image_column(schema: Any) -> str:
    """The column that holds images: "image" or "img" or "jpg"..., else the only one with bytes in it."""
    for name in ("image", "img", "jpg", "jpeg", "png", "webp"):
        if name in schema.names:
            return name
    candidates = [field.name for field in schema if "binary" in str(field.type)]
    if len(candidates) != 1:
        raise ValueError(f"cannot tell which column holds the images: {', '.join(schema.names)}; name it")
    return candidates[0]


class RowGroup:
    """The image column of one row group, read forward in small batches and only when a row is asked for."""

    def __init__(self, parquet: Any, group: int, column: str):
        self.parquet, self.group, self.column = parquet, group, column
        self.batches, self.values, self.first = None, [], 0

    def read(self, row: int) -> bytes:
        if self.batches is None:
            self.batches = self.parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[self.group], columns=[self.column])
        while row >= self.first + len(self.values):
            self.first += len(self.values)
            batch = next(self.batches, None)
            if batch is None:
                raise ValueError("the row group ends early or is damaged")
            self.values = batch.column(0)
        value = self.values[row - self.first].as_py()
        value = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(value, bytes):
            raise ValueError(f"column {self.column!r} holds no bytes")
        return value
