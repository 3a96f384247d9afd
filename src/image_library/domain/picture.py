"""What a display shows, as a picture that everybody can open.

Sources: Netpbm's PPM (https://netpbm.sourceforge.net/doc/ppm.html); PNG (RFC 2083).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

CONTENT_TYPE = "image/png"
# One call's answer, with room to spare below gRPC's own limit.
LARGEST_PICTURE = 7 << 19
# Twice the 16 MiB of a display's memory, at three bytes a pixel.
LARGEST_SCREEN = 96 << 20

_HEADER = re.compile(rb"P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Eight bits, red green blue, and nothing special: IHDR's last five bytes.
_TRUE_COLOUR = bytes((8, 2, 0, 0, 0))
_PIXEL = 3
# Screens are mostly plain: the first effort takes most of it.
_EFFORT = 3


@dataclass(frozen=True, kw_only=True)
class Picture:
    """PNG; the size in pixels."""

    data: bytes
    width: int
    height: int


def picture_of(shown: bytes, *, most: int = LARGEST_PICTURE) -> Picture:
    """The picture that a hypervisor gave: PPM, or PNG, as newer libvirts have it.

    A PPM that would have more than ``most`` bytes as PNG loses every second line and column, again and again.

    Raises:
        ValueError: it is no whole PPM of eight bits a colour, or a PNG that is too large.
    """
    if not shown.startswith(_SIGNATURE):
        return _from_ppm(shown, most)
    if len(shown) > most or shown[12:16] != b"IHDR":
        raise ValueError("no PNG, or a large one")
    width, height = struct.unpack(">II", shown[16:24])
    return Picture(data=shown, width=width, height=height)


def _from_ppm(ppm: bytes, most: int) -> Picture:
    header = _HEADER.match(ppm)
    if header is None:
        raise ValueError("no PPM")
    width, height = int(header[1]), int(header[2])
    pixels = ppm[header.end() :]
    if not width or not height or len(pixels) != width * height * _PIXEL:
        raise ValueError("not a whole PPM")
    rows = [pixels[at : at + width * _PIXEL] for at in range(0, len(pixels), width * _PIXEL)]
    while len(data := _png(rows)) > most and len(rows) > 1:
        rows = [_halved(row) for row in rows[::2]]
    return Picture(data=data, width=len(rows[0]) // _PIXEL, height=len(rows))


def _png(rows: list[bytes]) -> bytes:
    size = struct.pack(">II", len(rows[0]) // _PIXEL, len(rows))
    # Each line begins with the number of its filter: none.
    lines = zlib.compress(b"".join(b"\0" + row for row in rows), _EFFORT)
    return _SIGNATURE + _chunk(b"IHDR", size + _TRUE_COLOUR) + _chunk(b"IDAT", lines) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _halved(row: bytes) -> bytes:
    colours = [row[colour :: 2 * _PIXEL] for colour in range(_PIXEL)]
    half = bytearray(len(colours[0]) * _PIXEL)
    for colour, values in enumerate(colours):
        half[colour::_PIXEL] = values
    return bytes(half)
