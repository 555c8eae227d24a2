# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Shards and photos of some kB that unpack to gigabytes are damage; kinds of columns and names that are read."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zlib

import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest

from pixio_hf.data.curation.image_statistics import measure_photo
from pixio_hf.data.streaming.decoding import decode_random_crop
from pixio_hf.data.streaming.loader import open_pretraining_stream
from pixio_hf.data.streaming.parquet_pages import find_largest_pages
from pixio_hf.data.streaming.sample_sources import open_source
from pixio_hf.data.streaming.shard_reading import read_shard
from pixio_hf.data.streaming.stream import StreamOptions
from tests.shard_files import encode_color, write_tar

# The peak of a process by itself: what it inherits from pytest does not count.
PEAK = """
import re, sys
from pixio_hf.data.streaming.shard_reading import read_shard
messages = []
for sample in read_shard(sys.argv[1]):
    try:
        messages.append(str(len(sample.read())))
    except ValueError as error:
        messages.append(str(error))
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
print("\\n".join(messages))
"""


def write_bomb(path, kind):
    value = bytes(300 * 10**6)
    types = {"binary": pyarrow.binary(), "struct": pyarrow.struct({"bytes": pyarrow.binary()})}
    values = [{"bytes": value}] * 4 if kind == "struct" else [value] * 4
    table = pyarrow.table({"image": pyarrow.array(values, types[kind])})
    pyarrow.parquet.write_table(table, path, compression="zstd")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["binary", "struct"])
def test_parquet_that_unpacks_to_gigabytes(tmp_path, kind):
    path = tmp_path / "a.parquet"
    write_bomb(path, kind)
    result = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    peak, *messages = result.stdout.splitlines()
    assert path.stat().st_size < 10**5
    assert int(peak) < 1500
    assert len(messages) == 4
    assert all("unpacks to" in message for message in messages)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_page_sizes(tmp_path, version):
    values = [os.urandom(50_000) for _ in range(30)]
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"image": values, "zeros": [bytes(50_000 + index) for index in range(30)]})
    pyarrow.parquet.write_table(table, path, use_dictionary=False, compression="zstd", data_page_version=version)
    group = pyarrow.parquet.ParquetFile(path).metadata.row_group(0)
    with path.open("rb") as file:
        noise, zeros = (find_largest_pages(file, group.column(index)) for index in range(2))
    assert 1_500_000 <= noise.any < 1_501_000
    assert noise.inflated == 0
    assert 1_500_000 <= zeros.any < 1_502_000
    assert zeros.inflated == zeros.any


@pytest.mark.parametrize(
    "column_type",
    [
        pyarrow.binary(),
        pyarrow.large_binary(),
        pyarrow.binary_view(),
        pyarrow.binary(69),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.binary()),
        pyarrow.struct({"path": pyarrow.string(), "bytes": pyarrow.large_binary()}),
    ],
    ids=str,
)
def test_columns_of_bytes(tmp_path, column_type):
    encoded = [encode_color(0, index)[:69] for index in range(20)]
    values = [{"bytes": data, "path": "x"} for data in encoded] if pyarrow.types.is_struct(column_type) else encoded
    table = pyarrow.table({"a.b": pyarrow.array([*values, None], column_type), "n": list(range(21))})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=9)
    samples = read_shard(str(tmp_path / "a.parquet"))
    read = [sample.read() for sample, _ in zip(samples, encoded, strict=False)]
    assert read == encoded


def test_columns_of_lists_are_damage_and_not_unpacked(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"image": [[b"a"] * 10]}), tmp_path / "a.parquet")
    (sample,) = read_shard(str(tmp_path / "a.parquet"))
    with pytest.raises(ValueError, match=r"of type list.* holds no bytes"):
        sample.read()


def claim_png(width: int, height: int) -> bytes:
    """A PNG of some bytes whose header claims a size."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    content = encode_color(0, 0)
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


def claim_jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (16, 16)).save(buffer, "JPEG")
    content = bytearray(buffer.getvalue())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


@pytest.mark.parametrize("data", [claim_png(13000, 13000), claim_jpeg(60000, 60000), claim_jpeg(12000, 12000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_sizes_that_no_photo_has_are_refused_before_decoding(data):
    for read in (lambda: decode_random_crop(data, 64, (0.2, 1.0), 0), lambda: measure_photo(data)):
        with pytest.raises((ValueError, PIL.Image.DecompressionBombError), match="pixels"):
            read()


def test_tar_members_of_absurd_size(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"a.png": encode_color(0, 0)})
    huge = tarfile.TarInfo("b.png")
    huge.size = 10**12
    with path.open("r+b") as file:
        with tarfile.open(path) as archive:
            end = archive.getmembers()[-1].offset_data + 512
        file.seek(end)
        file.write(huge.tobuf())
        file.truncate(end + 512 + 3 * 10**8)  # a hole: it takes no room on disk
        file.seek(0, 2)
    first, second = (sample for sample in read_shard(str(path)))
    with pytest.raises(ValueError, match="cut off"):
        second.read()
    assert first.member == "a.png"
    huge.size = 2 * 10**8
    with path.open("r+b") as file:
        file.seek(end)
        file.write(huge.tobuf())
    errors = []
    for sample in read_shard(str(path)):
        try:
            sample.read()
        except ValueError as error:
            errors.append(str(error))
    assert "unpacks to 200000000 bytes" in errors[0]


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs, and names are UTF-8")
def test_folder_with_what_is_no_regular_file(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr("pixio_hf.data.streaming.shards.logger.warning", logged.append)
    os.mkfifo(tmp_path / "f.png")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "A.PNG").write_bytes(encode_color(0, 1))
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb") as file:
        file.write(encode_color(0, 2))
    PIL.Image.fromarray(np.full((16, 16, 3), 9, np.uint8)).save(tmp_path / "z.webp", lossless=True)
    loader = open_pretraining_stream(str(tmp_path), StreamOptions(8), 3, num_scenes=0)
    assert sorted(next(iter(loader))["keys"]) == ["A.PNG", "\\xff.png", "z.webp"]
    assert json.dumps(loader.state_dict()).encode()
    assert "f.png is a FIFO" in logged[0]
    assert "gone.jpg is a link" in logged[0]
    assert "notes.txt" in logged[1]
    with pytest.raises(ValueError, match="is a FIFO"):
        open_source(str(tmp_path / "f.png"), 8, num_scenes=0)
