"""Changing bytes of a good image."""

from __future__ import annotations

import struct

Patch = tuple[int, bytes]


def patched(data: bytes, *patches: Patch) -> bytes:
    """``data`` with these bytes at these places; it grows where they lie beyond its end."""
    made = bytearray(data)
    for offset, new in patches:
        made.extend(bytes(max(0, offset + len(new) - len(made))))
        made[offset : offset + len(new)] = new
    return bytes(made)


def be32(number: int) -> bytes:
    return struct.pack(">I", number)


def be64(number: int) -> bytes:
    return struct.pack(">Q", number)


def le32(number: int) -> bytes:
    return struct.pack("<I", number)


def le64(number: int) -> bytes:
    return struct.pack("<Q", number)
