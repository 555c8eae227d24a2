# Copyright 2026 The pixio-hf authors. Licensed under the Apache License, Version 2.0.
"""Focal lengths from a field of view, from EXIF and assumed."""

import io
import math

import numpy as np
import PIL.Image
import pytest
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

from pixio_hf.cameras import ASSUMED_DEGREES, find_focal_length, focal_of_fov, fov_of_focal, make_intrinsics
from pixio_hf.photo_files import load_upright


def photo_with(tags: dict[int, object], size: tuple[int, int] = (400, 300), orientation: int = 1) -> PIL.Image.Image:
    """A JPEG of (width, height) as it is opened, with tags of the lens."""
    exif = PIL.Image.Exif()
    exif[Base.Orientation] = orientation
    exif[IFD.Exif] = tags
    buffer = io.BytesIO()
    PIL.Image.new("RGB", size).save(buffer, "JPEG", exif=exif)
    return PIL.Image.open(buffer)


def test_field_of_view_across_the_width():
    found = find_focal_length(300, 400, fov=90)
    assert found.pixels == pytest.approx(200)
    assert not found.is_assumed
    assert fov_of_focal(found.pixels, 400) == pytest.approx(90)
    assert "90 degrees" in found.origin


@pytest.mark.parametrize("fov", [0, -5, 0.5, 176, math.nan, math.inf])
def test_a_field_of_view_that_no_lens_has(fov):
    with pytest.raises(ValueError, match="between 1 and 175 degrees"):
        find_focal_length(300, 400, fov=fov)


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300)])
def test_assumption_holds_across_the_longer_side(height, width):
    found = find_focal_length(height, width, image=photo_with({}, (width, height)))
    assert found.is_assumed
    assert found.pixels == pytest.approx(focal_of_fov(ASSUMED_DEGREES, 400))
    assert "assumed" in found.origin


@pytest.mark.parametrize("orientation", [1, 6])
def test_length_on_film_compares_diagonals(orientation):
    image = photo_with({Base.FocalLengthIn35mmFilm: 26}, orientation=orientation)
    width, height = load_upright(image).size
    found = find_focal_length(
        height, width, image=photo_with({Base.FocalLengthIn35mmFilm: 26}, orientation=orientation)
    )
    # A diagonal of 500 pixels stands for one of 43.27 mm.
    assert found.pixels == pytest.approx(26 * 500 / 43.266615)
    assert "26 mm on 35 mm film" in found.origin


@pytest.mark.parametrize(("unit", "per_unit"), [(2, 25.4), (3, 10.0), (4, 1.0)])
def test_length_and_density_of_the_sensor(unit, per_unit):
    tags = {
        Base.FocalLength: IFDRational(35, 1),
        Base.FocalPlaneXResolution: IFDRational(round(160 * per_unit * 100), 100),
        Base.FocalPlaneResolutionUnit: unit,
        Base.ExifImageWidth: 4000,
        Base.ExifImageHeight: 3000,
    }
    found = find_focal_length(300, 400, image=photo_with(tags))
    # 160 pixels per mm when it was taken; a tenth of the pixels are left of a side.
    assert found.pixels == pytest.approx(35 * 160 / 10, rel=1e-4)


def test_the_length_on_film_wins():
    tags = {Base.FocalLengthIn35mmFilm: 26, Base.FocalLength: 4.2, Base.FocalPlaneXResolution: 100.0}
    assert "35 mm film" in find_focal_length(300, 400, image=photo_with(tags)).origin


@pytest.mark.parametrize(
    ("tags", "size"),
    [
        ({Base.FocalLengthIn35mmFilm: 26, Base.ExifImageWidth: 4000, Base.ExifImageHeight: 3000}, (300, 300)),  # cut
        ({Base.FocalLengthIn35mmFilm: 26}, (1200, 200)),  # stitched
        ({Base.FocalLengthIn35mmFilm: 0}, (400, 300)),  # unknown, as the standard writes it
        ({Base.FocalLengthIn35mmFilm: 60000}, (400, 300)),
        ({Base.FocalLength: IFDRational(4, 0), Base.FocalPlaneXResolution: IFDRational(1, 1)}, (400, 300)),
        ({Base.FocalLength: 4.2}, (400, 300)),
    ],
)
def test_exif_that_does_not_fit_is_left_aside(tags, size):
    assert find_focal_length(size[1], size[0], image=photo_with(tags, size)).is_assumed


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_left_aside():
    image = PIL.Image.new("RGB", (400, 300))
    image.info["exif"] = b"Exif\x00\x00II*\x00\xff\xff\xff\x7f" + bytes(20)
    assert find_focal_length(300, 400, image=image).is_assumed


def test_intrinsics_put_the_centre_between_the_first_and_the_last_pixel():
    np.testing.assert_array_equal(make_intrinsics(200, 3, 5), [[200, 0, 2], [0, 200, 1], [0, 0, 1]])
