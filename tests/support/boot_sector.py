"""The smallest guest: a boot sector that writes a text to the first serial port, then what it reads there.

x86 real mode, as a BIOS starts it at 0000:7c00. COM1 is at 3f8, its line status at 3fd: bit 0 says that a
byte is there to read, bit 5 that one may be written (16550 data sheet).
"""

from __future__ import annotations

SIZE = 512
_MARK = b"\x55\xaa"
_CODE = bytes.fromhex(
    "31c0 8ed8 be337c"  # ax, ds = 0; si = text
    "ac 84c0 7405 e81300 ebf6"  # each byte up to a zero: put
    "bafd03 ec a801 74fb baf803 ec e80200 ebef"  # wait for a byte, read it, put it, again
    "88c3 bafd03 ec a820 74fb 88d8 baf803 ee c3"  # put: wait until one may be written, write it
)


def echoing(text: str) -> bytes:
    """The sector; ``text`` is ASCII and comes first."""
    said = text.encode("ascii") + b"\0"
    sector = (_CODE + said).ljust(SIZE - len(_MARK), b"\0") + _MARK
    assert len(sector) == SIZE
    return sector
