# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Readers of image and map files: right pixels, and for every damage a ValueError that names the file."""

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageOps
import pytest

from pixio_hf import PixioImageProcessor
from pixio_hf.map_files import read_array
from pixio_hf.photo_files import decode_image, load_upright, open_photo
from pixio_hf.photos import BAND_PIXELS, read_photo
from pixio_hf_cli.photo_fitting import load_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
FORMATS = ["png", "jpg", "webp", "tiff", "gif", "bmp", "avif"]


def encode(ending: str, orientation: int = 1) -> bytes:
    name = {"jpg": "JPEG"}.get(ending, ending.upper())
    buffer = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a description"
    options = {} if ending in ("gif", "bmp") else {"exif": exif}
    PIL.Image.fromarray(PIXELS).save(buffer, name, **options)
    return buffer.getvalue()


def formats() -> list[str]:
    return [ending for ending in FORMATS if ending not in ("webp", "avif") or PIL.features.check(ending)]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damage that Pillow reads over
@pytest.mark.parametrize("ending", formats())
def test_damaged_photos_only_raise_value_errors_that_name_them(tmp_path, ending):
    data = encode(ending, orientation=6)
    rng = np.random.default_rng(1)
    path = tmp_path / f"a.{ending}"
    refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data) if rng.random() < 0.5 else min(200, len(data)), rng.integers(1, 8)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged)[: len(data) if rng.random() < 0.7 else int(rng.integers(1, len(data)))])
        try:
            load_photo(path)
        except ValueError as error:
            refused += 1
            assert path.name in str(error)
    assert refused > 10 or ending == "bmp"


@pytest.mark.parametrize("error", [struct.error("unpack"), SyntaxError("x"), RuntimeError("x"), EOFError(), KeyError(3),
                                   OverflowError("x"), MemoryError(), AttributeError("x"), zlib.error("x"), TypeError("x"),
                                   ZeroDivisionError(), AssertionError(), IndexError("x")])  # fmt: skip
@pytest.mark.parametrize("step", ["load", "getexif", "transpose", "open"])
def test_whatever_a_decoder_throws_is_a_value_error(tmp_path, monkeypatch, error, step):
    path = tmp_path / "a.png"
    path.write_bytes(encode("png", orientation=3))

    def fail(*_, **__):
        raise error

    if step == "open":
        monkeypatch.setattr(PIL.Image, "open", fail)
    elif step == "load":
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    else:
        monkeypatch.setattr(PIL.Image.Image, step, fail)
        monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile." + step, fail, raising=False)
    with pytest.raises(ValueError, match=r"a\.png"):
        load_photo(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tiff", "jpg"])
def test_photos_are_turned_as_pillow_turns_them_and_only_once(orientation, ending):
    image = PIL.Image.open(io.BytesIO(encode(ending, orientation)))
    expected = PIL.ImageOps.exif_transpose(image)
    upright = load_upright(PIL.Image.open(io.BytesIO(encode(ending, orientation))))
    np.testing.assert_array_equal(np.asarray(upright), np.asarray(expected))
    if orientation > 1:
        assert load_upright(upright) is upright


def test_exif_that_cannot_be_written_back_still_turns_the_photo(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encode("png", orientation=6))

    def fail(*_, **__):
        raise struct.error("required argument is not an integer")

    monkeypatch.setattr(PIL.Image.Exif, "tobytes", fail)
    np.testing.assert_array_equal(load_photo(path), np.moveaxis(np.rot90(PIXELS, -1), -1, 0))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16", "I", "LA", "1"])
def test_bands_give_the_pixels_of_the_whole(monkeypatch, mode):
    if mode.startswith("I"):
        image = PIL.Image.fromarray((PIXELS[..., 0].astype(np.uint16) * 257).astype("i4" if mode == "I" else "u2"))
    else:
        image = PIL.Image.fromarray(PIXELS).convert(mode)
        if mode == "P":
            image.info["transparency"] = 3
        elif mode in ("RGBA", "LA"):
            image.putalpha(PIL.Image.fromarray(PIXELS[..., 1]))
    whole = read_photo(image)
    monkeypatch.setattr("pixio_hf.photos.BAND_PIXELS", 32 * 5)
    np.testing.assert_array_equal(read_photo(image), whole)
    assert BAND_PIXELS >= 2**20


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    body = b"IDAT" + zlib.compress(b"\0" * 900)
    return data + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def test_absurd_claimed_sizes_are_refused_with_the_limit(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(60000, 60000))
    message = r"bomb\.png is too large: .*3600000000 pixels.*limit of 178956970 pixels"
    for read in (load_photo, decode_image, open_photo):
        with pytest.raises(ValueError, match=message):
            read(path)
    with pytest.raises(ValueError, match=message):
        PixioImageProcessor()(np.zeros((16, 16, 3), np.uint8), depth_maps=str(path))
    with pytest.raises(ValueError, match="limit of 178956970 pixels"):
        decode_image(path.read_bytes())


def test_npy_headers_that_claim_more_than_there_is_are_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    data = path.read_bytes()
    np.testing.assert_array_equal(read_array(path), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(read_array(data), np.arange(6.0).reshape(2, 3))
    path.write_bytes(data.replace(b"(2, 3), }            ", b"(99999999, 99999999),}"[:21].ljust(21)))
    with pytest.raises(ValueError, match=r"a\.npy cannot be decoded as a NumPy array"):
        read_array(path)
    path.write_bytes(data[:-8])
    with pytest.raises(ValueError, match=r"claims 48 bytes .* holds only 40"):
        read_array(path)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        read_array(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's, of a header's text
@pytest.mark.parametrize("kind", ["npy", "exr"])
def test_damaged_maps_only_raise_value_errors_that_name_them(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    depth = np.linspace(1, 5, 24 * 32, dtype=np.float32).reshape(24, 32)
    if kind == "npy":
        np.save(path, depth)
    else:
        exr = pytest.importorskip("OpenEXR")
        exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, {"Z": depth}).write(str(path))
    read = read_array
    np.testing.assert_array_equal(read(path), depth)
    photo = np.zeros((24, 32, 3), np.uint8)
    batch = PixioImageProcessor(do_resize=False, size_divisor=1)(photo, depth_maps=str(path), return_tensors="pt")
    np.testing.assert_array_equal(batch.labels[0].numpy(), depth)
    data, rng, refused = path.read_bytes(), np.random.default_rng(2), 0
    for _ in range(200):
        damaged = bytearray(data)
        for place in rng.integers(0, 130, rng.integers(1, 6)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged)[: len(data) if rng.random() < 0.7 else int(rng.integers(0, len(data)))])
        try:
            read(path)
        except ValueError as error:
            refused += 1
            assert path.name in str(error)
    assert refused > 50


def test_what_is_no_regular_file_is_refused_unopened(tmp_path):
    fifo, place = tmp_path / "f.png", tmp_path / "s.png"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        for path in (fifo, place, Path("/dev/zero")):
            for read in (load_photo, decode_image, open_photo, read_array):
                with pytest.raises(ValueError, match="not a regular file"):
                    read(path)
    with pytest.raises(ValueError, match="is a folder"):
        load_photo(tmp_path)


def test_names_that_are_no_utf8_can_be_printed(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    path.write_bytes(b"no image")
    with pytest.raises(ValueError, match="xff") as caught:
        load_photo(path)
    assert "\\xff.png" in str(caught.value).encode().decode()


def test_heic_is_read_upright_where_pillow_heif_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    smooth = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (32, 1))
    pixels = np.stack([smooth, smooth.copy(), 255 - smooth], axis=-1)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(PIL.Image.fromarray(pixels)).save(path, quality=100, exif=exif.tobytes())
    upright = load_photo(path)
    assert upright.shape == (3, 64, 32)
    assert np.abs(upright.astype(int) - np.moveaxis(np.rot90(pixels, -1), -1, 0)).mean() < 3
    assert read_photo(decode_image(path.read_bytes())).shape == (3, 64, 32)


def test_heic_without_pillow_heif_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    monkeypatch.setattr("pixio_hf.listings.register_heif", lambda: False)
    with pytest.raises(ValueError, match=r"a\.HEIC cannot be opened: HEIC needs pillow-heif \(pip install"):
        load_photo(path)
