# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Small tar and Parquet shards with pictures of one colour each, written for the tests of streams."""

import io
import tarfile
from pathlib import Path

import PIL.Image


def encode_color(shard: int, index: int, size: tuple[int, int] = (12, 9)) -> bytes:
    """PNG whose every pixel is (shard, index, 7)."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size, (shard, index, 7)).save(buffer, "PNG")
    return buffer.getvalue()


def add_member(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            add_member(archive, name, content)
    return path


def write_color_shards(folder: Path, lengths: list[int]) -> list[Path]:
    """One tar per length in WebDataset layout: member s-i.png of shard s shows the colour (s, i, 7), s-i.cls a label."""
    shards = []
    for shard, length in enumerate(lengths):
        members = {}
        for index in range(length):
            members[f"{shard}-{index}.cls"] = b"3"
            members[f"{shard}-{index}.png"] = encode_color(shard, index)
        shards.append(write_tar(folder / f"{shard:03d}.tar", members))
    return shards
