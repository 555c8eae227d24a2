# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The images of one shard as raw bytes, in order; damage appears as a sample whose bytes cannot be read."""

import io
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, cast

from torch import Tensor

from ...listings import check_regular, photo_endings, printable
from ...read_limits import MAX_IMAGE_BYTES, check_num_bytes
from .parquet_pages import LargestPages, find_largest_pages

_END_OF_ARCHIVE = 2 * tarfile.BLOCKSIZE
_ROWS_AT_ONCE = 16
_BATCH_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Damage:
    """Stands for `read` of something in a shard that cannot be read: raises ValueError."""

    message: str

    def __call__(self) -> bytes:
        raise ValueError(self.message)


@dataclass(frozen=True, slots=True)
class RawSample:
    """One image, not decoded: shard and member name it, `place` is (number of the shard, number in the shard).

    Bytes of a member's name that are not UTF-8 are written as escapes, so that it fits into any text file or table.
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
        if os.path.exists(shard):
            check_regular(shard)  # opening a FIFO would wait without end
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
    return f".{base.partition('.')[2].lower()}" in photo_endings() and not base.startswith(".")


def read_tar(file: IO[bytes], image_column: str | None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Image members of an uncompressed tar file: (name, read)."""
    size = file.seek(0, 2)
    file.seek(0)
    end, last = 0, "the beginning"
    # With ignore_zeros, tarfile goes on behind a broken header to the next one that is whole.
    with tarfile.open(fileobj=cast(IO[bytes], LimitedReads(file)), mode="r:", ignore_zeros=True) as archive:
        for member in archive:
            if member.offset > end and not is_valid_header(file, end):
                yield f"after {last}", Damage(f"bytes {end} to {member.offset} hold no readable tar member")
            end, last = archive.offset, printable(member.name)
            # A sparse member is longer than what is stored of it.
            is_cut = (archive.offset if member.issparse() else member.offset_data + member.size) > size
            if member.isfile() and is_image_member(member.name):
                cut = f"the shard is cut off inside this member, at {size} bytes"
                yield last, Damage(cut) if is_cut else lambda member=member: read_member(archive, member)
            elif is_cut:
                yield f"after {last}", Damage(f"the shard is cut off at {size} bytes")
            if is_cut:
                return
    if size < end + _END_OF_ARCHIVE:
        yield f"after {last}", Damage(f"the shard is cut off at {size} bytes: its end-of-archive mark is missing")
    elif not is_valid_header(file, end):
        yield f"after {last}", Damage(f"no readable tar member follows byte {end}")


class LimitedReads:
    """A file for tarfile, which trusts the sizes in headers: no read may be larger than an image."""

    def __init__(self, file: IO[bytes]):
        self.seek, self.tell, self.file = file.seek, file.tell, file

    def read(self, size: int) -> bytes:
        if size > MAX_IMAGE_BYTES + tarfile.BLOCKSIZE:
            check_num_bytes(size)
        return self.file.read(size)


def read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Bytes of one member of a tar archive; ValueError where it is larger than an image may be."""
    check_num_bytes(member.size)
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


def release_unused_memory() -> None:
    """Release the freed memory that pyarrow's pool still keeps."""
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()


# Forked readers would inherit it as their own memory: gigabytes after a large table.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=release_unused_memory)


def read_parquet(file: IO[bytes], image_column: str | None) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Rows of a Parquet file with an image column, of bytes or of `datasets`' {"bytes", "path"}: (row, read)."""
    import pyarrow.parquet

    parquet = pyarrow.parquet.ParquetFile(file, buffer_size=1 << 20)
    schema = parquet.schema_arrow
    column = image_column or find_image_column(schema)
    if column not in schema.names:
        raise ValueError(f"there is no column {column!r} among {', '.join(schema.names)}")
    if find_bytes_type(schema.field(column).type) is None:
        raise ValueError(f"column {column!r} of type {schema.field(column).type} holds no bytes of images")
    first = 0
    for group in range(parquet.num_row_groups):
        rows = RowGroup(parquet, file, group, column)
        for row in range(parquet.metadata.row_group(group).num_rows):
            yield f"row {first + row}", lambda rows=rows, row=row: rows.read(row)
        first += parquet.metadata.row_group(group).num_rows


def find_image_column(schema: Any) -> str:
    """The column that holds images: "image" or "img" or "jpg"..., else the only one with bytes in it."""
    for name in ("image", "img", "jpg", "jpeg", "png", "webp"):
        if name in schema.names:
            return name
    candidates = [field.name for field in schema if find_bytes_type(field.type) is not None]
    if len(candidates) != 1:
        raise ValueError(f"cannot tell which column holds the images: {', '.join(schema.names)}; name it")
    return candidates[0]


def find_bytes_type(column_type: Any) -> Any:
    """Type of a column's bytes (also large, of one length, views, in a dictionary or in {"bytes", ...}); None: no bytes."""
    from pyarrow import types

    column_type = getattr(column_type, "storage_type", column_type)  # of an extension type
    if types.is_struct(column_type):
        index = column_type.get_field_index("bytes")
        return None if index == -1 else find_bytes_type(column_type.field(index).type)
    if types.is_dictionary(column_type):
        return find_bytes_type(column_type.value_type)
    is_bytes = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return column_type if any(check(column_type) for check in is_bytes) else None


def read_bytes(value: Any) -> bytes | None:
    """Bytes of a value of such a column; None where there are none. Raises ValueError for more than the limit."""
    while value.is_valid:
        if hasattr(value, "keys"):
            value = value["bytes"]
        elif hasattr(value, "value"):  # of an extension type or a dictionary
            value = value.value
        else:
            check_num_bytes(value.as_buffer().size)
            return value.as_py()
    return None


class RowGroup:
    """The image column of one row group, read forward in small batches and only when a row is asked for.

    A value is never larger than its page, or the page of its dictionary entry. So only as many rows are read at a time
    as surely fit into memory, and none if a single page is too large.
    """

    def __init__(self, parquet: Any, file: IO[bytes], group: int, column: str):
        self.parquet, self.file, self.group, self.column = parquet, file, group, column
        self.error: str | None = None
        self.batches, self.values, self.first = None, [], 0

    def read(self, row: int) -> bytes:
        if self.batches is None:
            self.open()
        if self.error is not None:
            raise ValueError(self.error)
        while row >= self.first + len(self.values):
            self.first += len(self.values)
            batch = next(self.batches, None)  # pyright: ignore[reportArgumentType]
            if batch is None:
                raise ValueError("the row group ends early or is damaged")
            self.values = batch.column(0)
        value = read_bytes(self.values[row - self.first])
        if value is None:
            raise ValueError(f"column {self.column!r} holds no bytes")
        return value

    def open(self) -> None:
        """Start reading, with as many rows at a time as the largest page allows."""
        from pyarrow.types import is_fixed_size_binary

        column_type = self.parquet.schema_arrow.field(self.column).type
        row_group = self.parquet.metadata.row_group(self.group)
        chunks = {chunk.path_in_schema: chunk for chunk in map(row_group.column, range(row_group.num_columns))}
        leaf = self.column if self.column in chunks else f"{self.column}.bytes"
        size = chunks[leaf].total_uncompressed_size
        pages = LargestPages(size, size)
        # Over a network each header costs a request, so the footer is believed there unless it is suspicious.
        if isinstance(self.file, io.BufferedReader) or size > MAX_IMAGE_BYTES:
            pages = find_largest_pages(self.file, chunks[leaf])
        # pyarrow takes six times the size of a dictionary.
        if pages.inflated > MAX_IMAGE_BYTES:
            self.error = (
                f"row group {self.group} has a page of little that unpacks to {pages.inflated} bytes, the limit is"
                f" {MAX_IMAGE_BYTES} (PIXIO_HF_MAX_IMAGE_BYTES)"
            )
        largest = pages.any
        if is_fixed_size_binary(bytes_type := find_bytes_type(column_type)):
            # Nulls are not stored, but in memory each takes the room of a value.
            largest = max(largest, bytes_type.byte_width)
            if bytes_type.byte_width > MAX_IMAGE_BYTES:
                check_num_bytes(bytes_type.byte_width)
        rows_at_once = min(max(_BATCH_BYTES // max(largest, 1), 1), _ROWS_AT_ONCE)
        self.batches = self.parquet.iter_batches(rows_at_once, row_groups=[self.group], columns=[leaf])
