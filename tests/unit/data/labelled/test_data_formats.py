# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""What labelled data sets read and refuse: file formats, table columns, text files, odd files, and numbers of classes."""

import io
import json
import os
import pickle
import struct
import zlib

import datasets
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packaging.version import Version

from pixio_hf.data.labelled.class_numbers import tell_vanished_class
from pixio_hf.data.labelled.depth_datasets import open_depth_dataset
from pixio_hf.data.labelled.file_pairs import read_metadata, read_split_file
from pixio_hf.data.labelled.image_labels import open_image_labels
from pixio_hf.data.labelled.segmentation_datasets import open_segmentation_dataset

SIZE = (6, 8)
METRES = np.linspace(0.5, 9, 48, dtype=np.float32).reshape(SIZE)
PHOTO = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
CLASSES = np.arange(48, dtype=np.uint8).reshape(SIZE) % 3


def encode(array, kind="PNG") -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def pfm(order: str) -> bytes:
    scale = {"<": -1, ">": 1}[order]
    return f"Pf\n8 6\n{scale}.0\n".encode() + METRES[::-1].astype(f"{order}f4").tobytes()


def exr(tmp_path) -> bytes:
    openexr = pytest.importorskip("OpenEXR")
    openexr.File({"type": openexr.scanlineimage}, {"Z": METRES}).write(str(tmp_path / "z.exr"))
    return (tmp_path / "z.exr").read_bytes()


def write_pair(root, label: bytes, name: str, folder="depth", photo="a.png"):
    for kind in ("images", folder):
        (root / kind).mkdir(parents=True, exist_ok=True)
    (root / "images" / photo).write_bytes(encode(PHOTO))
    (root / folder / name).write_bytes(label)
    return root


DEPTH_FILES = {
    "a.npz": npz(anything=METRES),
    "a.NPZ": npz(depth=METRES, mask=METRES > 1),
    "a.pfm": pfm("<"),
    "a.PFM": pfm(">"),
    "a.npy": npy(np.asfortranarray(METRES.astype(">f8"))),
    "a.tiff": encode(METRES, "TIFF"),
    "a.TIF": encode(METRES, "TIFF"),
}


@pytest.mark.parametrize("name", DEPTH_FILES)
def test_depth_formats(tmp_path, name):
    root = write_pair(tmp_path, DEPTH_FILES[name], name, photo="a.PNG")
    item = open_depth_dataset(root, None)[0]
    assert np.array_equal(item["depth"], METRES)
    assert np.array_equal(np.asarray(item["image"]), PHOTO)


@pytest.mark.parametrize(
    ("label", "name", "message"),
    [
        (npz(a=METRES, b=METRES), "a.npz", "one array or one named depth, got a, b"),
        (npy(METRES)[:-9], "a.npy", "holds only"),
        (npy(METRES).replace(b"(6, 8), ", b"(6666666666, 8), ".ljust(8))[:128], "a.npy", "is too large"),
        (npy(np.array([[{}]], dtype=object)), "a.npy", "Python objects"),
        (pickle.dumps(METRES), "a.npy", r"no \.npy file"),
        (encode(METRES, "TIFF")[:-40], "a.tif", "cannot be decoded"),
        (b"\x76\x2f\x31\x01" + bytes(50), "a.exr", "cannot be decoded"),
        (b"Pf\n99999 99999\n-1\n" + bytes(8), "a.pfm", "is too large"),
    ],
)
def test_damaged_depth_is_a_value_error_with_its_name(tmp_path, label, name, message):
    data = open_depth_dataset(write_pair(tmp_path, label, name), None)
    with pytest.raises(ValueError, match=message) as caught:
        data[0]
    assert name in str(caught.value)


def test_a_small_file_of_absurd_size_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(bytes(1000)), b"IEND"]
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    root = write_pair(tmp_path, npy(METRES), "a.npy")
    (root / "images/a.png").write_bytes(bomb)
    with pytest.raises(ValueError, match=r"a\.png is too large: .*3600000000 pixels"):
        open_depth_dataset(root, None)[0]


def depth_columns(tmp_path):
    millimetres = np.round(METRES * 1000).astype(np.uint16)
    return {
        "binary": pa.array([npy(METRES)], pa.binary()),
        "large_binary": pa.array([encode(METRES, "TIFF")], pa.large_binary()),
        "fixed_size_binary": pa.array([npy(METRES)], pa.binary(len(npy(METRES)))),
        "binary_view": pa.array([npy(METRES)], pa.binary_view()),
        "exr": pa.array([exr(tmp_path)], pa.binary()),
        "npz": pa.array([npz(depth=METRES)], pa.binary()),
        "pfm": pa.array([pfm("<")], pa.binary()),
        "lists": pa.array([METRES.tolist()], pa.list_(pa.list_(pa.float32()))),
        "struct": pa.array([{"bytes": npy(METRES), "path": None}]),
        "path": pa.array(["maps/a.npy"]),
        "list of bytes": pa.array([list(npy(METRES))], pa.list_(pa.uint8())),
        "millimetres": pa.array([encode(millimetres)], pa.binary()),
    }


# datasets reads these columns with the newest pyarrow only; other releases refuse the table, naming the type.
NEWEST = pytest.mark.skipif(
    Version(datasets.__version__) < Version("5.2") or Version(pa.__version__) < Version("26"),
    reason="this release of datasets or pyarrow does not read such columns",
)
KINDS = [
    "binary",
    "large_binary",
    pytest.param("fixed_size_binary", marks=NEWEST),
    pytest.param("binary_view", marks=NEWEST),
    "exr",
    "npz",
    "pfm",
    "lists",
    "struct",
    "path",
    "millimetres",
    "list of bytes",
]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_depth(tmp_path, kind):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/a.npy").write_bytes(npy(METRES))
    images = pa.array([encode(PHOTO)], pa.binary_view() if kind == "binary_view" else pa.binary())
    file = tmp_path / "table.PARQUET"
    pq.write_table(pa.table({"image": images, "depth": depth_columns(tmp_path)[kind]}), file)
    item = open_depth_dataset(file, "train", depth_scale=0.001 if kind == "millimetres" else 1.0)[0]
    expected = np.round(METRES * 1000) / 1000 if kind == "millimetres" else METRES
    assert np.allclose(item["depth"], expected, atol=1e-7)
    assert np.array_equal(np.asarray(item["image"]), PHOTO)


def test_columns_of_photos_masks_and_classes(tmp_path):
    table = {
        "image": pa.array([PHOTO.tolist()] * 3, pa.list_(pa.list_(pa.list_(pa.uint8())))),
        "segmentation_map": pa.array([encode(CLASSES)] * 3, pa.large_binary()),
        "label": ["zebra", "ape", "zebra"],
        "number": pa.array([10, 9, 10]),
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    item = open_segmentation_dataset(tmp_path / "t.parquet", num_classes=3)[0][1]
    assert np.array_equal(item["segmentation_map"], CLASSES)
    assert np.array_equal(np.asarray(item["image"]), PHOTO)
    items, names = open_image_labels(tmp_path / "t.parquet")
    assert names == ["ape", "zebra"]
    assert [item["label"] for item in items] == [1, 0, 1]
    items, names = open_image_labels(tmp_path / "t.parquet", label_column="number", class_names=["9", "8", "10"])
    assert [item["label"] for item in items] == [2, 0, 2]
    with pytest.raises(ValueError, match="classes 10"):
        open_image_labels(tmp_path / "t.parquet", label_column="number", class_names=["9"])


def test_text_files_of_other_programs(tmp_path):
    write_pair(tmp_path, npy(METRES), "a.npy")
    metadata = tmp_path / "metadata.jsonl"
    line = json.dumps({"file_name": "images/a.png", "depth_file_name": "depth/a.npy"})
    for ending in ("\n", "\r\n", "\r"):
        metadata.write_bytes(f"{line}{ending}{ending}{line}".encode("utf-8-sig"))
        assert len(read_metadata(metadata, "depth_file_name").pairs) == 2
        (tmp_path / "s.txt").write_bytes(f"images/a.png depth/a.npy{ending}".encode("utf-8-sig"))
        assert len(read_split_file(tmp_path / "s.txt", tmp_path).pairs) == 1
    for encoding in ("utf-16", "utf-16-le"):
        metadata.write_bytes(line.encode(encoding))
        with pytest.raises(ValueError, match=r"metadata\.jsonl:1: .*save it as UTF-8"):
            read_metadata(metadata, "depth_file_name")
    metadata.unlink()
    (tmp_path / "metadata.csv").write_bytes(
        "file_name,depth_file_name\r\nimages/a.png,depth/a.npy\r\n".encode("utf-8-sig")
    )
    assert np.array_equal(open_depth_dataset(tmp_path, None)[0]["depth"], METRES)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"file_name": "' + b"a" * 5000 + b'", "d": "d"}',
        b'{"file_name": "\xff", "d": "d"}',
        b"7" * 5000,
        b'{"file_name": "a\\u0000b", "d": "d"}',
        b'{"file_name": "\\ud800", "d": "d"}',
        b'{"file_name": 3, "d": "d"}',
    ],
)
def test_damaged_metadata_names_its_line(tmp_path, content):
    (tmp_path / "metadata.jsonl").write_bytes(b"\n" + content + b"\n")
    with pytest.raises(ValueError, match=r"metadata\.jsonl:2: ") as caught:
        read_metadata(tmp_path / "metadata.jsonl", "d")
    assert len(str(caught.value)) < 600


def test_names_stay_inside_of_the_folder(tmp_path):
    (tmp_path / "secret.npy").write_bytes(npy(METRES))
    root = write_pair(tmp_path / "real", npy(METRES), "a.npy")
    (root / "depth/link.npy").symlink_to(tmp_path / "secret.npy")
    (root / "up").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(root)
    split, metadata = tmp_path / "s.txt", root / "metadata.jsonl"
    for name in (
        "../secret.npy",
        str(tmp_path / "secret.npy"),
        "depth/link.npy",
        "up/secret.npy",
        "depth/../../secret.npy",
    ):
        split.write_text(f"images/a.png\t{name}\n")
        metadata.write_text(json.dumps({"file_name": "images/a.png", "depth_file_name": name}))
        for options in ({"split_file": split}, {}):
            with pytest.raises(ValueError, match=r"(s\.txt|jsonl):1: .* lies outside of .*allow_outside=True"):
                open_depth_dataset(root, None, **options)
            item = open_depth_dataset(root, None, allow_outside=True, **options)[0]
            assert np.array_equal(item["depth"], METRES)
    for folder in (root, tmp_path / "linked"):
        for name in ("depth/a.npy", str(root / "depth/a.npy"), "./depth/../depth/a.npy"):
            split.write_text(f"images/a.png\t{name}\n")
            assert len(open_depth_dataset(folder, None, split_file=split)) == 1


def test_a_downloaded_snapshot_links_to_its_blobs(tmp_path):
    blobs, snapshot = tmp_path / "datasets--me--rooms/blobs", tmp_path / "datasets--me--rooms/snapshots/abc"
    for folder in (blobs, snapshot):
        folder.mkdir(parents=True)
    for name, content in (("a.png", encode(PHOTO)), ("a.npy", npy(METRES))):
        (blobs / name[::-1]).write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/{name[::-1]}")
    (snapshot / "metadata.jsonl").write_text('{"file_name": "a.png", "depth_file_name": "a.npy"}')
    assert np.array_equal(open_depth_dataset(snapshot, None)[0]["depth"], METRES)


def test_only_regular_files_with_names_of_text_count(tmp_path):
    root = write_pair(tmp_path, npy(METRES), "a.npy")
    os.mkfifo(root / "images/fifo.png")
    os.mkfifo(root / "depth/fifo.npy")
    (root / "images/folder.jpg").mkdir()
    (root / "images/gone.png").symlink_to("nowhere")
    (root / os.fsdecode(b"images/\xff.png")).write_bytes(encode(PHOTO))
    with pytest.raises(ValueError, match="gone") as caught:
        open_depth_dataset(root, None)
    text = str(caught.value)
    for part in (
        r"fifo.png is a FIFO",
        "folder.jpg is a folder",
        "gone.png is a link to a file",
        r"\xff.png has a name",
    ):
        assert part in text
    text.encode("utf-8")
    (root / "s.txt").write_text("images/fifo.png depth/fifo.npy\n")
    with pytest.raises(ValueError, match="is a FIFO"):
        open_depth_dataset(root, None, split_file=root / "s.txt")
    with pytest.raises(ValueError, match="is a FIFO"):
        open_depth_dataset(root, None, split_file=root / "depth/fifo.npy")


def test_formats_beside_the_pattern_are_named(tmp_path):
    root = write_pair(tmp_path, b"", "a.mat")
    with pytest.raises(ValueError, match=r"a\.mat lies there, .* \.exr \.npy \.npz"):
        open_depth_dataset(root, None)
    (root / "depth/a.mat").rename(root / "depth/a_depth.npy")
    with pytest.raises(ValueError, match=r"\(a_depth\.npy lies there\)"):
        open_depth_dataset(root, None)
    for name in ("images/b.raw", "depth/b.h5"):
        (root / name).touch()
    with pytest.raises(ValueError, match=r"b\.raw and b\.h5 are of formats that are not read"):
        open_depth_dataset(root, None)


def write_masks(root, *masks):
    for index, mask in enumerate(masks):
        photo = np.zeros((*mask.shape, 3), np.uint8)
        for folder, pixels in (("images", photo), ("masks", mask)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels).save(root / folder / f"{index}.png")
    return root


def test_lowering_keeps_class_255_apart_from_no_class(tmp_path):
    stored = np.arange(256, dtype=np.uint16).reshape(16, 16)
    items, _ = open_segmentation_dataset(
        write_masks(tmp_path / "a", stored), None, num_classes=255, do_reduce_labels=True
    )
    assert items[0]["segmentation_map"].ravel().tolist() == [255, *range(255)]
    for number in (256, 257, 300):
        root = write_masks(tmp_path / str(number), np.full((2, 2), number, np.uint16))
        items, _ = open_segmentation_dataset(root, None, num_classes=255, do_reduce_labels=True)
        with pytest.raises(ValueError, match=rf"has the numbers \[{number}\]; expected classes 1 to 255"):
            items[0]
    with pytest.raises(ValueError, match="num_classes must be 1 to 255, since 255"):
        open_segmentation_dataset(tmp_path / "a", None, num_classes=300, do_reduce_labels=True)


@pytest.mark.parametrize(
    ("stored", "num_classes", "reduce", "told"),
    [
        ({0, 255}, 2, False, "255 is read as no class, but class 1 never occurs: store 0 and 1."),
        ({0, 1, 255}, 3, False, "class 2 never occurs"),
        ({0, 1, 255}, 2, False, None),
        ({0, 1}, 3, False, None),
        ({0, 1, 255}, 150, False, None),
        ({0, 1, 2}, 3, True, "0 is read as no class (do_reduce_labels=True), but class 2 (stored as 3) never occurs"),
        ({1, 255}, 2, True, "store 1 and 2"),
        ({0, 1, 2, 3}, 3, True, None),
    ],
)
def test_telling_a_class_that_vanishes(stored, num_classes, reduce, told):
    sentence = tell_vanished_class(stored, num_classes, reduce)
    assert told in sentence if told else sentence == ""


def test_colours_are_no_class_numbers(tmp_path):
    root = write_masks(tmp_path, np.zeros((4, 4, 3), np.uint8)[..., 0])
    PIL.Image.new("RGB", (4, 4)).save(root / "masks/0.png")
    with pytest.raises(ValueError, match=r"holds colours .PIL mode RGB., not class numbers"):
        open_segmentation_dataset(root, None, num_classes=2)[0][0]
