# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Fast random crops: torchvision's crop law, the plain path's pixels, and every file that needs the plain path."""

import io
import math
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torchvision.transforms import RandomResizedCrop

import pixio_hf
from pixio_hf.data.streaming.decoding import (
    decode_random_crop,
    decode_rows,
    normalize_crops,
    read_jpeg_header,
    stack_crops,
)
from pixio_hf.data.streaming.random_crop import crop_photo, draw_crop

PHOTO = PIL.Image.open(Path(pixio_hf.__file__).parent / "assets" / "photos" / "coffee.jpg").convert("RGB")


def to_jpeg(photo: PIL.Image.Image, size: tuple[int, int] = (500, 375), **options) -> bytes:
    buffer = io.BytesIO()
    photo.resize(size, PIL.Image.Resampling.BICUBIC).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return 10 * math.log10(255**2 / (a.double() - b.double()).square().mean().clamp(min=1e-9).item())


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance between two empirical distribution functions."""
    values = np.concatenate((a, b))
    positions = (np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (a, b))
    first, second = positions
    return float(np.abs(first - second).max())


@pytest.mark.parametrize("size", [(375, 500), (200, 700)])
def test_crops_follow_the_law_of_torchvision(size):
    """Two samples of 4,000 crops; 0.0365 is the two-sample Kolmogorov-Smirnov bound at a probability of 1 %."""
    height, width = size
    image = torch.empty(3, height, width)
    torch.manual_seed(0)
    theirs = np.array([RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)])
    generator = torch.Generator().manual_seed(1)
    ours = np.array([draw_crop(height, width, (0.2, 1.0), generator) for _ in range(4000)])
    for column in range(4):
        assert kolmogorov_smirnov(theirs[:, column], ours[:, column]) < 0.0365
    assert kolmogorov_smirnov(theirs[:, 2] * theirs[:, 3], ours[:, 2] * ours[:, 3]) < 0.0365
    # A shifted law is told apart.
    other = np.array([draw_crop(height, width, (0.3, 1.0), generator) for _ in range(4000)])
    assert kolmogorov_smirnov(theirs[:, 2] * theirs[:, 3], other[:, 2] * other[:, 3]) > 0.0365


@pytest.mark.parametrize(
    ("size", "image_size", "least_psnr"),
    [((500, 375), 256, 38), ((1024, 768), 256, 33), ((2048, 1536), 256, 33), ((2048, 1536), 64, 28)],
)
def test_fast_crops_look_like_plain_ones(size, image_size, least_psnr):
    data = to_jpeg(PHOTO, size)
    values = [
        psnr(decode_random_crop(data, image_size, (0.2, 1.0), seed), crop_photo(data, image_size, (0.2, 1.0), seed))
        for seed in range(8)
    ]
    assert np.mean(values) > least_psnr, values


def test_a_crop_is_a_function_of_its_seed():
    data = to_jpeg(PHOTO)
    first, again, other = (decode_random_crop(data, 64, (0.2, 1.0), seed) for seed in (5, 5, 6))
    assert first.shape == (3, 64, 64)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"subsampling": 1}, {"restart_marker_blocks": 4}])
def test_rows_below_the_crop_are_left_out_without_a_trace(options):
    data = to_jpeg(PHOTO, **options)
    header = read_jpeg_header(data)
    assert header is not None
    assert (header.height, header.width) == (375, 500)
    assert header.height_offset is not None
    whole, upper = decode_rows(data, header, 375, 1), decode_rows(data, header, 200, 1)
    assert whole.shape[1] == 375
    assert 200 <= upper.shape[1] < 250
    assert torch.equal(whole[:, :200], upper[:, :200])
    half = decode_rows(data, header, 200, 2)
    assert half.shape[2] == 250
    assert half.shape[1] < 125
    assert torch.equal(decode_rows(data, header, 375, 2)[:, :100], half[:, :100])


def test_progressive_files_are_decoded_whole():
    data = to_jpeg(PHOTO, progressive=True)
    header = read_jpeg_header(data)
    assert header is not None
    assert header.height_offset is None
    assert decode_rows(data, header, 100, 1).shape == (3, 375, 500)
    difference = psnr(decode_random_crop(data, 128, (0.2, 1.0), 3), crop_photo(data, 128, (0.2, 1.0), 3))
    assert difference > 35


def test_grey_files_take_the_fast_path():
    data = to_jpeg(PHOTO.convert("L"))
    assert read_jpeg_header(data) is not None
    crop = decode_random_crop(data, 64, (0.2, 1.0), 0)
    assert torch.equal(crop[0], crop[1])
    assert psnr(crop, crop_photo(data, 64, (0.2, 1.0), 0)) > 33


@pytest.mark.parametrize("kind", ["rotated", "cmyk", "png", "palette"])
def test_other_files_take_the_plain_path(kind):
    buffer = io.BytesIO()
    if kind == "rotated":
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        data = to_jpeg(PHOTO, exif=exif)
    elif kind == "cmyk":
        data = to_jpeg(PHOTO.convert("CMYK"))
    else:
        (PHOTO.quantize(64) if kind == "palette" else PHOTO).save(buffer, "PNG")
        data = buffer.getvalue()
    assert read_jpeg_header(data) is None
    assert torch.equal(decode_random_crop(data, 64, (0.2, 1.0), 1), crop_photo(data, 64, (0.2, 1.0), 1))


def test_upright_exif_keeps_the_fast_path():
    exif = PIL.Image.Exif()
    exif[0x0112] = 1
    exif[0x010F] = "camera"
    assert read_jpeg_header(to_jpeg(PHOTO, exif=exif)) is not None


@pytest.mark.parametrize("length", [0, 1, 10, 300, 5_000, 20_000])
def test_truncated_files_are_errors_not_grey(length):
    data = to_jpeg(PHOTO)[:length]
    with pytest.raises((ValueError, OSError)):
        decode_random_crop(data, 64, (0.2, 1.0), 0)


def test_stacked_crops_keep_the_colours_of_a_pixel_together():
    crops = [decode_random_crop(to_jpeg(PHOTO), 64, (0.2, 1.0), seed) for seed in range(3)]
    stacked = stack_crops(crops)
    assert stacked.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(stacked, torch.stack(crops))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_normalisation_equals_the_image_processor(memory_format):
    crops = torch.randint(0, 256, (3, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    crops = crops.contiguous(memory_format=memory_format)
    assert normalize_crops(crops).is_contiguous(memory_format=memory_format)
    expected = pixio_hf.PixioImageProcessor(do_resize=False)(list(crops), return_tensors="pt").pixel_values
    torch.testing.assert_close(normalize_crops(crops), expected, atol=1e-6, rtol=0)
