"""Telling formats apart by their first bytes."""

from __future__ import annotations

import pytest

from image_library.domain.image_formats import ambiguous, detect, marks, web_page_title
from tests.fakes.node_images import Qcow2, raw_disk


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (Qcow2().header(), "qcow2"),
        (raw_disk(), "raw"),
        (b"KDMV" + bytes(600), "vmdk"),
        (b"# Disk DescriptorFile\nversion=1", "vmdk"),
        (b"vhdxfile", "vhdx"),
        (b"conectix", "vhd"),
        (b"LUKS\xba\xbe\0\1", "luks"),
        (bytes(64) + b"\x7f\x10\xda\xbe", "vdi"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (bytes(257) + b"ustar\x0000", "ova"),
        (bytes(32769) + b"CD001", "iso"),
        (b"", ""),
        (b"hello", ""),
        (bytes(1024), ""),
    ],
)
def test_a_format_is_known_by_its_mark(beginning: bytes, name: str) -> None:
    assert detect(beginning) == name


def test_a_container_with_a_boot_sector_is_the_container() -> None:
    sector = bytearray(Qcow2().header().ljust(512, b"\0"))
    sector[510:] = b"\x55\xaa"
    assert detect(bytes(sector)) == "qcow2"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b"<!DOCTYPE html><html><title>Log  in\n please</title>", "Log in please"),
        (b"\xef\xbb\xbf  \n<HTML><head></head>", ""),
        (b"<!-- proxy --> <html>", ""),
    ],
)
def test_a_web_page_is_known_with_its_title(page: bytes, title: str) -> None:
    assert web_page_title(page) == title


@pytest.mark.parametrize("other", [b"", b"QFI\xfb", b"<?xml version='1.0'?><a/>", b"see <html>"])
def test_other_bytes_are_no_web_page(other: bytes) -> None:
    assert web_page_title(other) is None


def test_a_file_full_of_comments_is_judged_at_once() -> None:
    assert web_page_title(b"<!---->" * 290 + b"x") is None
    assert web_page_title(b"<!-- a --> <!-- b --><html>") == ""


@pytest.mark.parametrize(
    ("beginning", "end", "found", "doubtful"),
    [
        (raw_disk(), b"", ("raw",), False),
        (raw_disk(), b"conectix".ljust(512, b"\0"), ("vhd", "raw"), False),
        (bytes(32769) + b"CD001", b"", ("iso",), False),
        (raw_disk(32769) + b"CD001", b"", ("iso", "raw"), False),
        (bytes(32769) + b"NSR02", b"", ("iso",), False),
        (Qcow2().header().ljust(32769, b"\0") + b"CD001", b"", ("qcow2", "iso"), True),
        (b"\x1f\x8b" + raw_disk()[2:], b"", ("gzip",), False),
        (bytes(1024), b"koly".ljust(512, b"\0"), ("dmg",), False),
        (b"#\n\n# comment\nversion=1\n", b"", ("vmdk",), False),
        (b"#!/bin/sh\nversion=1\n", b"", ("vmdk",), False),
        (b"# only a comment\nsomething else\n", b"", (), False),
    ],
)
def test_all_marks_are_found_and_some_may_stand_together(
    beginning: bytes, end: bytes, found: tuple[str, ...], doubtful: bool
) -> None:
    assert marks(beginning, end) == found
    assert ambiguous(found) == doubtful
