"""What the parsers of disk formats share: bounds, checksums, archives, and one table of judges."""

from __future__ import annotations

import random

import pytest

from image_library.domain import errors
from image_library.domain.disk_formats import tar, vhd, vhdx
from image_library.domain.disk_formats.crc32c import crc32c
from image_library.domain.disk_formats.judging import JUDGES
from image_library.domain.disk_formats.reading import (
    MAX_READ,
    MAX_VIRTUAL_SIZE,
    Bounded,
    Memory,
    Window,
    check_virtual_size,
    entries,
    whole,
)
from image_library.domain.disk_formats.recognising import recognise_early
from image_library.domain.image import ImageFormat
from tests.support.corpus import good
from tests.support.corpus.patching import be32, patched


def test_each_disk_format_has_its_judge() -> None:
    assert set(JUDGES) == set(ImageFormat) - {ImageFormat.OVA}


@pytest.mark.parametrize(
    ("data", "value"),
    # The examples of RFC 3720, B.4, and of the catalogue of CRCs.
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
    ],
)
def test_a_checksum_is_the_standards(data: bytes, value: int) -> None:
    assert crc32c(data) == value


def test_zeros_at_the_end_count() -> None:
    sums = {crc32c(b"abc" + bytes(n)) for n in range(300)}
    assert len(sums) == 300


def test_a_bounded_reader_reads_no_more_than_it_may() -> None:
    file = Bounded(Memory(bytes(4 << 20)), name="it")
    assert len(file.read(0, MAX_READ)) == MAX_READ
    assert file.read(4 << 20, 100) == b""
    with pytest.raises(errors.UnsafeMetadata, match=r"reading 2\.0 MiB"):
        file.read(MAX_READ, 1)


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (2, 3), (4, 100), (9, 1), (-1, 2), (3, -1)])
def test_a_window_shows_its_part_only(offset: int, length: int) -> None:
    window = Window(Memory(b"0123456789abcdef"), offset=4, size=5)
    shown = window.read(offset, length) if offset >= 0 else window.read(0, length)
    assert shown in b"45678"
    with pytest.raises(errors.ImageTruncated):
        whole(window, 4, 2, name="it", what="end")


def test_the_size_that_an_image_may_claim_is_met_exactly() -> None:
    check_virtual_size(MAX_VIRTUAL_SIZE, MAX_VIRTUAL_SIZE, name="it")
    with pytest.raises(errors.VirtualSizeTooLarge):
        check_virtual_size(MAX_VIRTUAL_SIZE + 1, MAX_VIRTUAL_SIZE, name="it")


def test_a_tables_entries_are_its_numbers_without_the_zeros_behind_them() -> None:
    assert list(entries(b"\0\0\0\1\0\0\0\0\0\0\1\0" + bytes(100), "I", big_endian=True)) == [1, 0, 256]
    assert list(entries(b"\1\0\0\0\0\0\0\0\0", "Q")) == [1]


def test_the_newer_header_of_a_vhdx_counts_unless_it_is_damaged() -> None:
    open_log = good.vhdx_header(number=5, log=b"l" * 16)
    closed = good.vhdx_header(number=4)
    with pytest.raises(errors.UnsupportedFeature, match="log"):
        vhdx.judge(Memory(good.vhdx(headers=(open_log, closed))), name="it")
    damaged = patched(open_log, (100, b"\1"))
    assert vhdx.judge(Memory(good.vhdx(headers=(damaged, closed))), name="it") == good.DISK


def test_a_fixed_vhd_is_known_by_its_end() -> None:
    assert vhd.judge(Memory(good.vhd_fixed()), name="it") == 1 << 20
    recognise_early(good.mbr()[:1024], name="it", declared=ImageFormat.VHD)
    with pytest.raises(errors.FormatMismatch):
        recognise_early(good.qcow2()[:1024], name="it", declared=ImageFormat.VHD)


def test_a_table_may_be_as_long_as_the_limit() -> None:
    header = good.vhd_header(blocks=(32 << 20) // 4)
    with pytest.raises(errors.ImageTruncated):
        vhd.judge(Memory(good.vhd_dynamic(header=header)), name="it")
    header = good.vhd_header(blocks=(32 << 20) // 4 + 1)
    with pytest.raises(errors.UnsafeMetadata):
        vhd.judge(Memory(good.vhd_dynamic(header=header)), name="it")


def test_an_archives_files_are_where_they_are_said_to_be() -> None:
    archive = good.tar(("a", b"first"), ("b", b""), ("c", random.Random(1).randbytes(1500)))
    found = tar.members(Memory(archive), name="it")
    assert [(m.name, m.size) for m in found] == [("a", 5), ("b", 0), ("c", 1500)]
    assert archive[found[0].offset :][:5] == b"first"


def test_an_archive_may_hold_64_files_and_files_beyond_8_gib() -> None:
    files = [(f"f{n}", b"") for n in range(tar.MAX_MEMBERS)]
    assert len(tar.members(Memory(good.tar(*files)), name="it")) == tar.MAX_MEMBERS
    with pytest.raises(errors.UnsupportedArchive):
        tar.members(Memory(good.tar(*files, ("more", b""))), name="it")
    large = good.member("disk")
    large.size = 9 << 30
    header = large.tobuf(format=good.tarfile.GNU_FORMAT)
    [member] = tar.members(Memory(header, size=512 + large.size), name="it")
    assert member.size == 9 << 30


def test_a_size_below_zero_is_refused() -> None:
    header = bytearray(good.tar(("a", b"x")))
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header[:512]):06o}\0 ".encode()
    with pytest.raises(errors.UnsupportedArchive):
        tar.members(Memory(bytes(header)), name="it")


def test_blocks_beyond_the_end_are_found_among_many() -> None:
    table = be32(1) + b"\xff" * 508
    vhd.judge(Memory(patched(good.vhd_dynamic(), (1536, table))), name="it")
    with pytest.raises(errors.ImageTruncated):
        vhd.judge(Memory(patched(good.vhd_dynamic(), (1540, be32(1 << 20)))), name="it")
