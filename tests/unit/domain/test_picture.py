"""What a display shows becomes a PNG, which has a largest size."""

from __future__ import annotations

import random

import pytest

from image_library.domain.picture import picture_of
from tests.support.png import lines_of, size_of

RED, BLUE = b"\xff\0\0", b"\0\0\xff"


def ppm(width: int, height: int, pixels: bytes) -> bytes:
    return f"P6\n{width} {height}\n255\n".encode() + pixels


def test_each_pixel_is_where_it_was() -> None:
    picture = picture_of(ppm(2, 2, RED + BLUE + BLUE + RED))
    assert (picture.width, picture.height) == size_of(picture.data) == (2, 2)
    assert lines_of(picture.data) == b"\0" + RED + BLUE + b"\0" + BLUE + RED


def test_one_that_is_too_large_loses_every_second_line_and_column() -> None:
    noise = random.Random(7).randbytes(64 * 50 * 3)
    picture = picture_of(ppm(64, 50, noise), most=4000)
    assert (picture.width, picture.height) == size_of(picture.data) == (32, 25)
    assert len(picture.data) <= 4000
    first, third = noise[0:3], noise[6:9]
    assert lines_of(picture.data)[1:7] == first + third


def test_a_png_is_taken_as_it_is_unless_it_is_too_large() -> None:
    png = picture_of(ppm(3, 1, RED + BLUE + RED)).data
    same = picture_of(png)
    assert (same.data, same.width, same.height) == (png, 3, 1)
    with pytest.raises(ValueError, match="large"):
        picture_of(png, most=len(png) - 1)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"P5\n1 1\n255\n" + RED,
        b"P6\n0 0\n255\n",
        b"P6\n1 1\n65535\n" + RED,
        b"P6\n999999 1\n255\n",
        ppm(2, 2, RED * 3),
        ppm(1, 1, RED * 2),
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT",
    ],
)
def test_what_is_no_picture_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="no"):
        picture_of(broken)
