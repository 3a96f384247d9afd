"""Sizes for people."""

from __future__ import annotations


def in_words(size: int) -> str:
    """A number of bytes as people read it: "2.5 GiB"."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} PiB" if amount < 1024 else f"{amount / 1024:.1f} EiB"
