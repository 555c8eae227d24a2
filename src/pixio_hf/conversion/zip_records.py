# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""The records of a zip file of torch.save: where each lies, and whether its bytes are those that its checksum was made of.

torch maps the weights straight from the file and never looks at their checksums, so a flipped bit would become a weight.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from tqdm.auto import tqdm

MAX_PICKLE_BYTES = 16 * 2**20  # the largest known, 5B-sized with optimizer state, has under one megabyte
# magic, version, flags, method, time, date, CRC-32, two sizes, lengths of name and extra field
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_DESCRIPTOR = struct.Struct("<4sI")  # magic and CRC-32; sizes of four or eight bytes follow
_HAS_DESCRIPTOR = 0x08
_IN_EXTRA_FIELD = 0xFFFFFFFF  # a size that does not fit into 32 bits
_CHUNK = 4 * 2**20


def list_records(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Records of an archive by their names without the archive's own, as torch asks for them.

    Raises:
        ValueError: not an archive of torch.save, or a damaged one. The message is the end of a sentence.
    """
    infos = archive.infolist()
    records = {info.filename.partition("/")[2]: info for info in infos}
    if "constants.pkl" in records:
        raise ValueError("is a TorchScript archive, which holds code. Save the model's state dict instead.")
    if "data.pkl" not in records:
        raise ValueError("is a zip archive, but none of torch.save: it holds no data.pkl. Unpack it if need be.")
    if len(records) != len(infos):
        raise ValueError("is damaged: two of its records have the same name.")
    if compressed := [name for name, info in records.items() if info.compress_type != zipfile.ZIP_STORED]:
        raise ValueError(f"has compressed records ({compressed[0]}), which torch.save never writes.")
    if wrong := [name for name, info in records.items() if info.compress_size != info.file_size]:
        raise ValueError(f"is damaged: its directory gives {wrong[0]} two sizes. Download it again.")
    if records["data.pkl"].file_size > MAX_PICKLE_BYTES:
        raise ValueError(f"has a pickle of more than {MAX_PICKLE_BYTES} bytes beside its tensors; none needs that.")
    return records


def find_record(file: BinaryIO, record: zipfile.ZipInfo, file_size: int) -> int:
    """Where the bytes of a stored record begin: behind its own header, a name and padding.

    Raises:
        ValueError: the header is missing or contradicts the directory, or the record ends beyond the file. The message is
            the end of a sentence.
    """
    file.seek(record.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise ValueError(f"is damaged: its record {record.filename!r} has no header. Download it again.")
    _, _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    name = file.read(name_length)
    start = record.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    end = start + record.file_size
    if end > file_size:
        raise ValueError(f"is truncated: its record {record.filename!r} ends beyond the end of the file.")
    # A writer that streams leaves numbers out here and puts them behind the data.
    unknown = {0} if flags & _HAS_DESCRIPTOR else set()
    agrees = (
        name.decode("utf-8" if flags & 0x800 else "cp437", errors="replace") == record.orig_filename
        and method == record.compress_type
        and crc in unknown | {record.CRC}
        and {compressed_size, size} <= unknown | {record.file_size, _IN_EXTRA_FIELD}
    )
    if agrees and flags & _HAS_DESCRIPTOR:
        file.seek(end)
        descriptor = file.read(_DESCRIPTOR.size)
        agrees = len(descriptor) == _DESCRIPTOR.size
        agrees = agrees and (descriptor[:4] != b"PK\x07\x08" or _DESCRIPTOR.unpack(descriptor)[1] == record.CRC)
    if not agrees:
        raise ValueError(
            f"is damaged: its record {record.filename!r} and the archive's directory contradict each other. Download it"
            " again."
        )
    return start


def check_records(path: Path, records: Mapping[str, zipfile.ZipInfo], names: Iterable[str]) -> None:
    """Compare the checksum of the named records with their bytes: one pass over them, in a buffer of a few megabytes.

    Raises:
        ValueError: names the first record that is damaged. The message is the end of a sentence.
    """
    chosen = sorted((records[name] for name in names), key=lambda record: record.header_offset)
    file_size, buffer = path.stat().st_size, memoryview(bytearray(_CHUNK))
    total = sum(record.file_size for record in chosen)
    bar = tqdm(total=total, desc="checking", unit="B", unit_scale=True, delay=0.5)
    with path.open("rb", buffering=0) as file, bar:
        for record in chosen:
            file.seek(find_record(file, record, file_size))
            checksum, left = 0, record.file_size
            while left and (count := file.readinto(buffer[: min(left, _CHUNK)])):
                checksum = zlib.crc32(buffer[:count], checksum)
                left -= count
                bar.update(count)
            if left or checksum != record.CRC:
                raise ValueError(
                    f"is damaged: the checksum (CRC-32) of its record {record.filename!r} is wrong. Download it again."
                )
