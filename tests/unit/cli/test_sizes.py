from __future__ import annotations

import pytest

from image_library.cli.sizes import disk_gib, memory_mib, parse_size, shown, shown_seconds
from image_library.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2G", 2 << 30),
        ("512M", 512 << 20),
        ("1t", 1 << 40),
        ("20GiB", 20 << 30),
        ("20 gb", 20 << 30),
        ("1.5G", 3 << 29),
        ("4", 4 << 30),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text, "--disk") == size


@pytest.mark.parametrize(
    "text", ["", "G", "-1G", "0", "0.0001M", "1e9", "2X", "9999999T", "٣G", "1,5G", "nan"]
)
def test_what_is_no_size_is_refused_with_the_option_in_the_message(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--disk"):
        parse_size(text, "--disk")


def test_a_disk_is_never_smaller_than_asked_for() -> None:
    assert disk_gib("1.5G") == 2


def test_memory_counts_in_mib() -> None:
    assert (memory_mib("2G"), memory_mib("512M")) == (2048, 512)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes_are_shown_with_their_unit(size: int, text: str) -> None:
    assert shown(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_time_spans_are_shown_in_two_units_at_most(seconds: float, text: str) -> None:
    assert shown_seconds(seconds) == text
