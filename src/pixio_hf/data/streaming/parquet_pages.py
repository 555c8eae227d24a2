# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""How much memory a Parquet column takes once unpacked, read from its page headers before any data.

pyarrow unpacks page by page and has no limit of its own. The footer's sums can be wrong, and do not show single pages;
the header in front of each page tells its size, and a page that unpacks to more than that is refused by pyarrow.
Headers are Thrift structs in the compact protocol.
"""

from typing import IO, Any, NamedTuple

_LARGEST_HEADER = 16 * 2**20  # pyarrow's own limit; statistics in a header may hold whole values
_DEEPEST_STRUCT = 16
_INFLATED = 8  # images hardly shrink; a page that grows by more than this holds something else
_I32, _BINARY, _LIST, _SET, _STRUCT = 5, 8, 9, 10, 12


class LargestPages(NamedTuple):
    """Unpacked bytes of the largest page of a column chunk, and of the largest page that grows more than eightfold."""

    any: int
    inflated: int


def find_largest_pages(file: IO[bytes], chunk: Any) -> LargestPages:
    """Look at the header of each page of a column chunk; `chunk` is pyarrow's metadata of it.

    If headers cannot be read, both are at least the size that the footer states for the whole chunk.
    """
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset and chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    pages, position, end = [(0, 0)], start, start + chunk.total_compressed_size
    previous = file.tell()
    try:
        while position < end:
            unpacked, packed, header_length = read_page_header(file, position)
            pages.append((unpacked, packed))
            position += header_length + packed
    except (ValueError, OSError):
        pages.append((chunk.total_uncompressed_size, chunk.total_compressed_size))
    finally:
        file.seek(previous)
    inflated = max(unpacked if unpacked > _INFLATED * packed else 0 for unpacked, packed in pages)
    return LargestPages(max(unpacked for unpacked, _ in pages), inflated)


def read_page_header(file: IO[bytes], position: int) -> tuple[int, int, int]:
    """Bytes of a page unpacked and packed, and of the header itself. Raises ValueError for what is no page header."""
    length = 256
    while length <= _LARGEST_HEADER:
        file.seek(position)
        content = file.read(length)
        reader = _CompactReader(content)
        try:
            fields = reader.read_struct()
        except IndexError:
            if len(content) < length:
                break
            length *= 16
            continue
        unpacked, packed = fields.get(2), fields.get(3)
        if unpacked is None or packed is None or unpacked < 0 or packed < 0:
            break
        return unpacked, packed, reader.position
    raise ValueError(f"there is no page header at byte {position}")


class _CompactReader:
    """Reads one struct; IndexError where the bytes end before it does."""

    def __init__(self, content: bytes):
        self.content, self.position = content, 0

    def read_struct(self, depth: int = 0) -> dict[int, int]:
        """The 32-bit fields of a struct by number; all others are passed over."""
        if depth > _DEEPEST_STRUCT:
            raise ValueError("structs are nested too deep")
        fields, number = {}, 0
        while header := self.read_byte():
            delta, kind = header >> 4, header & 15
            number = number + delta if delta else self.read_signed()
            value = self.read_value(kind, depth)
            if kind == _I32:
                fields[number] = value
        return fields

    def read_value(self, kind: int, depth: int, in_list: bool = False) -> int | None:
        if kind in (1, 2):  # a boolean: its kind is its value, but in a list it takes a byte
            self.position += in_list
        elif kind == 3:
            self.position += 1
        elif kind in (4, _I32, 6):
            return self.read_signed()
        elif kind == 7:
            self.position += 8
        elif kind == _BINARY:
            self.position += self.read_unsigned()
        elif kind in (_LIST, _SET):
            header = self.read_byte()
            for _ in range(self.read_unsigned() if header >> 4 == 15 else header >> 4):
                if self.position > len(self.content):
                    raise IndexError
                self.read_value(header & 15, depth, in_list=True)
        elif kind == _STRUCT:
            self.read_struct(depth + 1)
        else:
            raise ValueError(f"unknown type {kind}")
        return None

    def read_byte(self) -> int:
        value = self.content[self.position]
        self.position += 1
        return value

    def read_unsigned(self) -> int:
        value = shift = 0
        while shift < 64:
            byte = self.read_byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("a number is too long")

    def read_signed(self) -> int:
        value = self.read_unsigned()
        return (value >> 1) ^ -(value & 1)
