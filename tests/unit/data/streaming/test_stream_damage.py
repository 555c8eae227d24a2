# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Damaged samples of a stream, which are named, counted, replaced and limited, and rules that drop samples."""

import io
import itertools
import tarfile
from pathlib import Path

import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest

from pixio_hf.data.streaming.loader import PretrainingLoader, open_pretraining_stream
from pixio_hf.data.streaming.sample_order import draw_uniform
from pixio_hf.data.streaming.stream import StreamOptions
from tests.shard_files import encode_color, write_color_shards, write_tar


def open_loader(dataset: Path | str, num_workers: int = 0, **options) -> PretrainingLoader:
    options = {"shuffle_buffer": 4, **options}
    return open_pretraining_stream(
        str(dataset), StreamOptions(16, **options), 1, num_workers=num_workers, num_scenes=1
    )


# Damage


def damage_shards(folder: Path) -> tuple[list[str], set[str]]:
    """Five tars with one damage each and one whole one, of 4 images; keys that are left, and parts of the messages."""
    paths = write_color_shards(folder, [4] * 6)
    images = [[f"{shard}-{index}.png" for index in range(4)] for shard in range(6)]
    with tarfile.open(paths[0]) as archive:
        offsets = {member.name: (member.offset, member.offset_data, member.size) for member in archive}
    paths[0].write_bytes(paths[0].read_bytes()[: offsets["0-2.png"][1] + 20])  # cut inside a member
    paths[1].write_bytes(paths[1].read_bytes()[: offsets["0-3.cls"][0]])  # cut between members
    content = bytearray(paths[2].read_bytes())
    content[offsets["0-1.png"][0] : offsets["0-1.png"][0] + 512] = b"\xff" * 512  # a header
    paths[2].write_bytes(content)
    content = bytearray(paths[3].read_bytes())
    start = offsets["0-1.png"][1]
    content[start : start + 30] = b"\xff" * 30  # the start of a PNG
    content[offsets["0-3.png"][1] + 50] ^= 0xFF  # pixels of a PNG
    paths[3].write_bytes(content)
    paths[4].write_bytes(b"<html>404</html>" * 100)
    left = [*images[0][:2], *images[1][:3], "2-0.png", "2-2.png", "2-3.png", "3-0.png", "3-2.png", *images[5]]
    messages = {
        "000.tar: 0-2.png: the shard is cut off inside this member",
        "001.tar: after 1-2.png: the shard is cut off",
        "002.tar: after 2-1.cls: bytes",
        "003.tar: 3-1.png: is no image in a known format",
        "003.tar: 3-3.png: image cannot be decoded",
        "004.tar: after the beginning: no readable tar member",
        "006.tar: sample 0 and what follows: FileNotFoundError",  # one that is not there at all
    }
    return left, messages


@pytest.mark.parametrize("num_workers", [0, 2])
def test_damage_is_named_counted_and_replaced_also_after_resuming(tmp_path, num_workers):
    left, messages = damage_shards(tmp_path)
    pattern = str(tmp_path / "{000..006}.tar")
    options = {"max_damaged": 100, "num_workers": num_workers, "open_shards": 2}
    whole = list(itertools.islice(open_loader(pattern, **options), 3 * len(left)))
    in_epoch = [key for batch in whole if batch["position"].epoch == 0 for key in batch["keys"]]
    assert sorted(in_epoch) == sorted(left)
    damaged = [message for batch in whole for message in batch["damaged"]]
    assert {part for part in messages if any(part in message for message in damaged)} == messages
    assert len(set(damaged)) == len(messages)

    counts = list(itertools.accumulate(len(batch["damaged"]) for batch in whole))
    for stop in (1, 5, len(left) + 3):
        loader = open_loader(pattern, **options)
        for _ in itertools.islice(loader, stop):
            pass
        resumed = open_loader(pattern, **options)
        resumed.load_state_dict(loader.state_dict())
        for expected, batch in zip(whole[stop:], resumed, strict=False):
            assert (batch["keys"], batch["damaged"]) == (expected["keys"], expected["damaged"])
        assert resumed.num_damaged == counts[-1] > counts[stop - 1]


def test_damaged_row_of_parquet(tmp_path):
    rows = [encode_color(0, 0), b"no image", encode_color(0, 2), None]
    pyarrow.parquet.write_table(pyarrow.table({"image": rows}), tmp_path / "0.parquet")
    (tmp_path / "1.parquet").write_bytes(b"PAR1 but nothing else")
    loader = open_loader(tmp_path, max_damaged=3)
    keys = [batch["keys"][0] for batch in itertools.islice(loader, 2)]
    assert sorted(keys) == ["row 0", "row 2"]
    with pytest.raises(ValueError, match=r"4 of \d+ samples could not be read, more than max_damaged=3 allows"):
        list(itertools.islice(loader, 4))


@pytest.mark.parametrize(("max_damaged", "num_read"), [(0, 0), (2, 2), (0.003, 3)])
def test_limit_of_damage_stops_the_stream(tmp_path, max_damaged, num_read):
    """Every second image is damaged; a share counts against at least a thousand."""
    members = {f"{index:03d}.png": b"damaged" if index % 2 == 0 else encode_color(0, index) for index in range(100)}
    write_tar(tmp_path / "0.tar", members)
    loader = open_loader(tmp_path, max_damaged=max_damaged, shuffle_buffer=1, num_workers=1)
    seen = []
    with pytest.raises(ValueError, match=rf"more than max_damaged={max_damaged:g} allows.*0\d\d\.png"):
        for batch in loader:
            seen += batch["keys"]
    assert len(seen) == num_read


def test_damage_is_logged(tmp_path, monkeypatch):
    write_tar(tmp_path / "0.tar", {"a.png": b"damaged", "b.png": encode_color(0, 0)})
    logged = []
    monkeypatch.setattr("pixio_hf.data.streaming.loader.logger.warning", logged.append)
    list(itertools.islice(open_loader(tmp_path, max_damaged=5), 2))
    assert logged
    assert all("0.tar: a.png: is no image in a known format" in message for message in logged)


# Rules that drop samples


def test_keep_rule_is_asked_with_a_draw_of_sample_and_epoch(tmp_path):
    write_color_shards(tmp_path, [30, 30])
    asked = {}

    def keep(shard: str, member: str, draw: float) -> bool:
        asked.setdefault((Path(shard).name, member), []).append(draw)
        return member != "0-3.png" and draw < 0.5

    loader = open_loader(tmp_path, keep=keep, seed=3)
    epochs: dict[int, list[str]] = {0: [], 1: []}
    for batch in loader:
        if batch["position"].epoch == 2:
            break
        epochs[batch["position"].epoch] += batch["keys"]
    for epoch, keys in epochs.items():
        draws = {f"{s}-{i}.png": draw_uniform(3, "keep", epoch, s, i) for s in range(2) for i in range(30)}
        assert sorted(keys) == sorted(key for key, draw in draws.items() if draw < 0.5 and key != "0-3.png")
        assert [asked["000.tar", f"0-{i}.png"][epoch] for i in range(30)] == [draws[f"0-{i}.png"] for i in range(30)]
    assert epochs[0] != epochs[1]
    assert loader.num_samples + loader.num_dropped > 120
    assert loader.num_damaged == 0


def test_a_rule_that_drops_everything(tmp_path):
    write_color_shards(tmp_path, [2])
    with pytest.raises(ValueError, match="keep rule dropped all of 1000 samples"):
        next(iter(open_loader(tmp_path, keep=lambda shard, member, draw: False)))


def test_bytes_of_dropped_samples_are_not_read(tmp_path):
    path = write_tar(tmp_path / "0.tar", {"a.png": b"damaged", "b.png": encode_color(0, 0)})
    loader = open_loader(path, keep=lambda shard, member, draw: member == "b.png", max_damaged=0)
    batches = list(itertools.islice(loader, 4))
    assert {tuple(batch["keys"]) for batch in batches} == {("b.png",)}
    assert PIL.Image.open(io.BytesIO(encode_color(0, 0))).getpixel((0, 0)) == tuple(
        batches[0]["images"][0, :, 0, 0].tolist()
    )


def test_damage_of_a_shard_is_counted_whatever_the_rule_says(tmp_path):
    path = write_tar(tmp_path / "0.tar", {"a.png": encode_color(0, 0), "b.png": encode_color(0, 1)})
    path.write_bytes(path.read_bytes()[: 4 * tarfile.BLOCKSIZE])  # two headers and two blocks of data, no end
    loader = open_loader(path, keep=lambda shard, member, draw: member == "a.png", max_damaged=9)
    batches = list(itertools.islice(loader, 4))
    assert {tuple(batch["keys"]) for batch in batches} == {("a.png",)}
    damaged = [message for batch in batches for message in batch["damaged"]]
    assert len(damaged) >= 3
    assert all("after b.png: the shard is cut off" in message for message in damaged)
