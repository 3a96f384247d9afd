"""What a PNG says, as far as tests look: its size, and whether there is anything on it. Source: RFC 2083."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of a BIOS that writes.
TEXT_MODE = (720, 400)


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(SIGNATURE)
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def lines_of(png: bytes) -> bytes:
    """The lines as they were packed, each with its filter's number before it; every checksum is looked at."""
    assert png.startswith(SIGNATURE)
    at, packed = len(SIGNATURE), b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        body = png[at + 4 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(body)
        if body[:4] == b"IDAT":
            packed += body[4:]
        at += 12 + length
    return zlib.decompress(packed)


def has_text(png: bytes) -> bool:
    """Whether a BIOS has written something by now; one line of a text mode is nothing but black before."""
    if size_of(png) != TEXT_MODE:
        return False
    lines, step = lines_of(png), TEXT_MODE[0] * 3 + 1
    return any(any(lines[at + 1 : at + step]) for at in range(0, len(lines), step))
