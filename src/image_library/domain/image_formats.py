"""Telling formats apart by the bytes they begin with. Names only: what is inside is judged elsewhere."""

from __future__ import annotations

import re

# How many bytes ``detect`` wants to see; the ISO 9660 mark stands at 32769.
BEGINNING = 34 * 1024
_SECTOR = 512

_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vhd"),
    (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"7z\xbc\xaf", "7z"),
    (257, b"ustar", "ova"),
    (32769, b"CD001", "iso"),
)
# Possessive and atomic: a file full of comments must not be split in every possible way.
_HTML = re.compile(
    rb"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def detect(beginning: bytes) -> str:
    """The format's name, such as "qcow2" or "xz"; "raw" for a partitioned disk; "" for what has no mark."""
    for offset, magic, name in _MAGICS:
        if beginning[offset : offset + len(magic)] == magic:
            return name
    return "raw" if has_partitions(beginning) else ""


def has_partitions(beginning: bytes) -> bool:
    """Whether a disk begins here: an MBR's signature (a GPT disk has one too, for protection)."""
    return beginning[_SECTOR - 2 : _SECTOR] == b"\x55\xaa"


def web_page_title(beginning: bytes) -> str | None:
    """The title when this is a web page ("" when it has none); None when it is none."""
    text = beginning.lstrip(b"\xef\xbb\xbf")
    if not _HTML.match(text[:2048]):
        return None
    title = _TITLE.search(text[:4096])
    return " ".join(title.group(1).decode(errors="replace").split()) if title else ""
