# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Shards and folders of every kind as streams of images: formats, photo modes, listing, the raw pass."""

import itertools
from pathlib import Path

import fsspec
import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest
import torch

from pixio_hf.data.streaming.loader import PretrainingLoader, open_pretraining_stream
from pixio_hf.data.streaming.sample_sources import open_source, read_in_order
from pixio_hf.data.streaming.shard_reading import read_shard
from pixio_hf.data.streaming.shards import expand_braces, find_shards
from pixio_hf.data.streaming.stream import StreamOptions
from tests.shard_files import encode_color, write_color_shards, write_tar


def open_loader(dataset: Path | str, num_workers: int = 0, **options) -> PretrainingLoader:
    options = {"shuffle_buffer": 4, **options}
    return open_pretraining_stream(
        str(dataset), StreamOptions(16, **options), 1, num_workers=num_workers, num_scenes=1
    )


def colors_of_an_epoch(dataset: Path | str, count: int, **options) -> list[tuple[int, ...]]:
    """Colours of the pictures of one epoch, each of one colour, sorted; the next picture is of the second epoch."""
    loader = open_loader(dataset, **options)
    batches = list(itertools.islice(loader, count + 1))
    assert [batch["position"].epoch for batch in batches] == [0] * count + [1]
    images = torch.cat([batch["images"] for batch in batches[:count]])
    assert images.shape == (count, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert bool((images == images[:, :, :1, :1]).all())
    return sorted(tuple(image[:, 0, 0].tolist()) for image in images)


# Kinds of data


@pytest.mark.parametrize("layout", ["struct", "bytes", "named"])
def test_parquet(tmp_path, layout):
    """Row groups of two rows, as `datasets` writes them, as plain bytes, and in a column that has to be named."""
    for shard in range(2):
        encoded = [encode_color(shard, index) for index in range(5)]
        values = [{"bytes": data, "path": None} for data in encoded] if layout == "struct" else encoded
        column = {"struct": "image", "bytes": "payload", "named": "second"}[layout]
        columns = {"label": list(range(5)), column: values}
        if layout == "named":
            columns["first"] = [b"no image"] * 5
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / f"{shard}.parquet", row_group_size=2)
    image_column = "second" if layout == "named" else None
    options = StreamOptions(16, shuffle_buffer=3)
    loader = open_pretraining_stream(str(tmp_path), options, 10, num_scenes=0, image_column=image_column)
    batch = next(iter(loader))
    assert batch["damaged"] == []
    colors = sorted(tuple(image[:, 3, 3].tolist()) for image in batch["images"])
    assert colors == [(shard, index, 7) for shard in range(2) for index in range(5)]


def test_parquet_rows_can_be_skipped_without_being_read(tmp_path, monkeypatch):
    encoded = [encode_color(0, index) for index in range(40)]
    path = tmp_path / "0.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": encoded}), path, row_group_size=35)
    reads = []
    iter_batches = pyarrow.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        pyarrow.parquet.ParquetFile,
        "iter_batches",
        lambda self, *args, **kwargs: reads.append(kwargs["row_groups"]) or iter_batches(self, *args, **kwargs),
    )
    samples = [sample.read() if index in (3, 34) else None for index, sample in enumerate(read_shard(str(path)))]
    assert (samples[3], samples[34], len(samples)) == (encoded[3], encoded[34], 40)
    assert reads == [[0]]


def test_photos_of_every_mode_in_a_folder(tmp_path):
    """EXIF orientation, CMYK, palettes, transparency and 16 bits give the colours they stand for."""
    PIL.Image.new("RGB", (40, 30), (200, 100, 50)).save(tmp_path / "rgb.png")
    PIL.Image.new("L", (17, 90), 77).save(tmp_path / "grey.png")
    PIL.Image.new("RGBA", (64, 64), (10, 20, 30, 128)).save(tmp_path / "transparent.png")
    palette = PIL.Image.new("P", (64, 64), 2)
    palette.putpalette([0, 0, 0, 9, 9, 9, 11, 22, 33])
    palette.save(tmp_path / "palette.png")
    # CMYK of (0, 255, 255, 0) inks is red; JPEG moves colours by a few steps at most.
    PIL.Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(tmp_path / "inks.jpg", quality=100)
    # 25700 / 257 = 100.
    PIL.Image.fromarray(np.full((20, 20), 25700, dtype=np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "notes.txt").write_text("no image")
    (tmp_path / "more" / "test-1.PNG").write_bytes(encode_color(4, 5))
    colors = colors_of_an_epoch(tmp_path, 7)
    expected = [(4, 5, 7), (11, 22, 33), (77, 77, 77), (100, 100, 100), (132, 137, 142), (200, 100, 50)]
    assert colors[:6] == expected
    assert np.abs(np.array(colors[6]) - (254, 0, 0)).max() <= 2


def test_photos_are_turned_upright(tmp_path):
    """A picture that is dark above and bright below, stored lying on its side with the orientation 6 that rights it."""
    upright = np.zeros((16, 16, 3), dtype=np.uint8)
    upright[8:] = 250
    stored = PIL.Image.fromarray(np.rot90(upright).copy())
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "turned.png", exif=exif)
    # A crop of the whole picture; other aspect ratios than 1 show the same halves.
    image = next(iter(open_loader(tmp_path, crop_scale=(1.0, 1.0))))["images"][0].float()
    assert image[:, :6].mean() < 10
    assert image[:, -6:].mean() > 240
    assert (image.std(dim=2) < 1).all()


def test_tar_members_that_are_no_images_of_a_sample_are_left_out(tmp_path):
    long_name = "folder/" * 20 + "b.png"  # longer than a plain tar header holds
    members = {
        "a.json": b"{}",
        "a.jpg.txt": b"text",
        "a.mask.png": encode_color(9, 9),
        "a.png": encode_color(1, 1),
        "._a.png": b"what macOS adds",
        long_name: encode_color(1, 2),
        "c.PNG": encode_color(1, 3),
    }
    path = write_tar(tmp_path / "0.tar", members)
    samples = [(sample.member, sample.place, sample.read()) for sample in read_shard(str(path), number=5)]
    assert [sample[:2] for sample in samples] == [("a.png", (5, 0)), (long_name, (5, 1)), ("c.PNG", (5, 2))]
    assert [sample[2] for sample in samples] == [members["a.png"], members[long_name], members["c.PNG"]]


def test_shards_behind_an_address(tmp_path):
    """Any file system of fsspec, as hf:// is one: here one in memory."""
    memory = fsspec.filesystem("memory")
    for path in write_color_shards(tmp_path, [2, 3]):
        memory.pipe(f"/corpus/{path.name}", path.read_bytes())
    assert find_shards("memory://corpus/*.tar") == ["memory:///corpus/000.tar", "memory:///corpus/001.tar"]
    assert colors_of_an_epoch("memory://corpus/*.tar", 5) == [(0, 0, 7), (0, 1, 7), (1, 0, 7), (1, 1, 7), (1, 2, 7)]


def test_name_on_the_hub(tmp_path, monkeypatch):
    """The files of the training split, as `datasets` lists them; read from disk in place of the Hub."""
    shards = [str(path) for path in write_color_shards(tmp_path, [1, 2])]

    class Builder:
        def __init__(self, files):
            self.config = type("Config", (), {"data_files": files})

    monkeypatch.setattr("datasets.load_dataset_builder", lambda name: Builder({"train": shards, "test": ["x.tar"]}))
    assert colors_of_an_epoch("owner/corpus", 3) == [(0, 0, 7), (1, 0, 7), (1, 1, 7)]
    monkeypatch.setattr("datasets.load_dataset_builder", lambda name: Builder({"test": ["x.tar"]}))
    with pytest.raises(ValueError, match="no split called train; found test"):
        find_shards("owner/corpus")


def test_raw_pass_in_order(tmp_path):
    """What statistics are computed from: shard, member and bytes of everything, once; damage raises when it is read."""
    paths = write_color_shards(tmp_path, [2, 3])
    write_tar(tmp_path / "002.tar", {})
    samples = []
    for sample in read_in_order(open_source(str(tmp_path), 16, num_scenes=0)):
        if sample.shard == str(tmp_path / "002.tar"):
            with pytest.raises(ValueError, match="holds no image"):
                sample.read()
        else:
            samples.append((sample.shard, sample.member, sample.read()))
    assert samples == [
        (str(paths[shard]), f"{shard}-{index}.png", encode_color(shard, index))
        for shard, length in enumerate((2, 3))
        for index in range(length)
    ]


# Listing


def test_training_shards_of_a_folder_are_preferred(tmp_path):
    for name in ("a-train-0.tar", "sub/a-train-1.tar", "a-validation-0.tar"):
        write_tar(tmp_path / name, {"0.png": encode_color(0, 0)})
    assert find_shards(str(tmp_path)) == [str(tmp_path / "a-train-0.tar"), str(tmp_path / "sub" / "a-train-1.tar")]
    assert find_shards(str(tmp_path / "*.tar")) == [
        str(tmp_path / f"a-{name}-0.tar") for name in ("train", "validation")
    ]
    assert find_shards(str(tmp_path / "a-validation-0.tar")) == [str(tmp_path / "a-validation-0.tar")]


def test_ranges_in_braces():
    assert expand_braces("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert expand_braces("{0..1}-{1..2}.tar") == ["0-1.tar", "0-2.tar", "1-1.tar", "1-2.tar"]


def test_what_is_no_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tar(tmp_path / "mixed" / "0.tar", {})
    (tmp_path / "mixed" / "a.png").write_bytes(encode_color(0, 0))
    write_tar(tmp_path / "kinds" / "0.tar", {})
    (tmp_path / "kinds" / "1.parquet").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "photo.png").write_bytes(encode_color(0, 0))
    for dataset, message in {
        "synthetic-room": "neither a folder nor .* synthetic-rooms, synthetic-outdoor, synthetic-mixed",
        "no/such/folder": "neither a folder",
        "mixed": "both shards and single images",
        "kinds": "expected only .tar or only .parquet",
        "empty": "neither images .* nor shards",
        "photo.png": "end in .png",
        "*.tar": "No file matches",
    }.items():
        with pytest.raises(ValueError, match=message):
            open_loader(dataset)
