"""Sizes as people write them (2G, 512M, 20GiB) and as they are shown. Units are powers of 1024."""

from __future__ import annotations

import re

from image_library.domain.errors import InvalidRequest, printable

_UNITS = {"": 1024**3, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_WRITTEN = re.compile(r"(?P<number>\d{1,9}(\.\d{1,3})?)\s*(?P<unit>[mgt]?)(i?b)?", re.IGNORECASE | re.ASCII)
MIB = 1024**2
GIB = 1024**3
MOST = 64 * 1024 * GIB


def parse_size(text: str, option: str) -> int:
    """Bytes of ``text``; a bare number counts GiB.

    Raises InvalidRequest when it is not a size, is not above zero, or is beyond any machine.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise _refused(text, option, "is not a size")
    size = int(float(match["number"]) * _UNITS[match["unit"].lower()])
    if not 0 < size <= MOST:
        raise _refused(text, option, "is out of range")
    return size


def memory_mib(text: str) -> int:
    """Whole MiB of ``--memory``."""
    return max(1, parse_size(text, "--memory") // MIB)


def disk_gib(text: str) -> int:
    """Whole GiB of ``--disk``, rounded up: a disk is never smaller than asked for."""
    return -(-parse_size(text, "--disk") // GIB)


def shown(size: int) -> str:
    """``size`` bytes for people: 1.5 GiB."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def shown_seconds(seconds: float) -> str:
    """A time span for people: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _refused(text: str, option: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"{option} '{printable(text, 40)}' {why}.",
        remedy="Write a number with M, G or T, such as 512M or 20G.",
        field=option.lstrip("-"),
    )
