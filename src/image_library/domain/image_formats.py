"""Telling formats apart by their marks. Names only: what is inside is judged elsewhere.

Where a mark stands is from each format's specification, and from what QEMU's own probes look at.
"""

from __future__ import annotations

import re
from collections.abc import Collection

# How many bytes ``detect`` wants to see; the marks of ISO 9660 and UDF stand at 32769 and 34817.
BEGINNING = 36 * 1024
# And of the end: a fixed VHD has its mark there, an Apple disk image too.
END = 512
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
    (0, b"WithoutFreeSpace", "ploop"),
    (0, b"WithouFreSpacExt", "ploop"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"),
    (0, b"OOOM", "user-mode-linux-cow"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"7z\xbc\xaf", "7z"),
    (257, b"ustar", "ova"),
    (32769, b"CD001", "iso"),
    (32769, b"BEA01", "iso"),
    (32769, b"NSR02", "iso"),
    (32769, b"NSR03", "iso"),
)
_ENDS = ((b"conectix", "vhd"), (b"koly", "dmg"))
# Whose bytes are noise after their mark: they may look like the end of a boot sector.
_PACKED = frozenset({"gzip", "xz", "zstd", "bzip2", "zip", "7z"})
# QEMU takes a text for a VMDK that says its version after nothing but comments and empty lines.
_VMDK_TEXT = re.compile(rb"(?:\s*+(?:#[^\n]*+\n|\n))*+\s*+version\s*=\s*[1-9]")
# Possessive and atomic: a file full of comments must not be split in every possible way.
_HTML = re.compile(
    rb"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def detect(beginning: bytes, end: bytes = b"") -> str:
    """The format's name, such as "qcow2" or "xz"; "raw" for a partitioned disk; "" for what has no mark."""
    found = marks(beginning, end)
    return next((name for name in found if name != "raw"), "raw" if found else "")


def marks(beginning: bytes, end: bytes = b"") -> tuple[str, ...]:
    """The names of all formats whose marks are there, "raw" (for partitions) last."""
    found = [name for offset, magic, name in _MAGICS if beginning.startswith(magic, offset)]
    found += [name for magic, name in _ENDS if end[-END:].startswith(magic)]
    if not found and _VMDK_TEXT.match(beginning[:4096]):
        found.append("vmdk")
    if has_partitions(beginning) and not _PACKED.intersection(found):
        found.append("raw")
    return tuple(dict.fromkeys(found))


def ambiguous(found: Collection[str]) -> bool:
    """Whether these marks may not stand in one file.

    A bootable ISO has partitions in front, and a fixed VHD is a disk with a footer behind it.
    """
    return len(found) > 1 and set(found) not in ({"iso", "raw"}, {"vhd", "raw"})


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
