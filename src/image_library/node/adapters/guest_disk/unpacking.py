"""Decompression that never gives more than was asked for."""

from __future__ import annotations

import io
import zlib

import zstandard

from image_library.node.adapters.guest_disk.blocks import Unreadable

_ZSTD_WINDOW = 8 << 20


def inflate(data: bytes, most: int, *, raw: bool = False) -> bytes:
    """The first ``most`` bytes in a zlib stream, or in a deflate stream without zlib's frame, or all it has.

    Raises zlib.error.
    """
    return zlib.decompressobj(-15 if raw else 15).decompress(data, most)


def unzstd(data: bytes, most: int) -> bytes:
    """The same for a Zstandard frame; what stands behind the frame is passed over."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    try:
        return decompressor.stream_reader(io.BytesIO(data)).read(most)
    except zstandard.ZstdError:
        raise Unreadable("its compressed data are damaged") from None
