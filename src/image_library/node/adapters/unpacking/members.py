"""Decompressors with one face: never more output than was asked for, never more memory than is allowed.

A file may be several compressed members one after the other; what ends one begins the next.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import IO, Protocol, cast

import zstandard

from image_library.domain.conversion import Packing
from image_library.node.adapters.unpacking.frames import MAX_WINDOW, check_frames
from image_library.node.adapters.unpacking.source import Damaged, Source, TooMuch, Truncated

MAX_MEMBERS = 64
# xz -9 needs 65 MiB.
_LZMA_MEMORY = 96 << 20
_READ = 256 << 10
# Of output, at a time.
PIECE = 1 << 20


class _Member(Protocol):
    """As bz2.BZ2Decompressor and lzma.LZMADecompressor are."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the face of the others."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _begun(packing: Packing) -> _Member:
    if packing is Packing.XZ:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
    return bz2.BZ2Decompressor() if packing is Packing.BZIP2 else _Gzip()


def unpacked(source: Source, packing: Packing) -> Iterator[bytes]:
    """What is inside, in pieces of at most PIECE bytes.

    Raises:
        TooMuch: too many members, or too much memory is wanted.
        Truncated: it ends within a member.
        Damaged: it is not what it says, or something else follows.
        OSError
    """
    pieces = _zstandard(source) if packing is Packing.ZSTD else _members(source, packing)
    try:
        yield from pieces
    except lzma.LZMAError as error:
        if "Memory usage" in str(error):
            raise TooMuch("it needs more memory to be unpacked than it may have") from None
        raise Damaged(str(error)) from None
    except (zlib.error, zstandard.ZstdError, EOFError, ValueError) as error:
        raise Damaged(str(error)) from None
    except MemoryError:
        raise TooMuch("it needs more memory to be unpacked than there is") from None


def _zstandard(source: Source) -> Iterator[bytes]:
    check_frames(source, most=MAX_MEMBERS)
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    # It asks for nothing but "read".
    file = cast("IO[bytes]", source)
    with decompressor.stream_reader(file, read_size=_READ, read_across_frames=True, closefd=False) as reader:
        while piece := reader.read(PIECE):
            yield piece


def _members(source: Source, packing: Packing) -> Iterator[bytes]:
    left = b""
    for _ in range(MAX_MEMBERS):
        member = _begun(packing)
        data = left
        while not member.eof:
            if not data and member.needs_input:
                data = source.read(_READ)
                if not data:
                    raise Truncated
            piece = member.decompress(data, PIECE)
            data = b""
            if piece:
                yield piece
        left = _following(source, member.unused_data, packing)
        if not left:
            return
    raise TooMuch(f"it has more than {MAX_MEMBERS} members")


def _following(source: Source, left: bytes, packing: Packing) -> bytes:
    """The beginning of the next member; empty where there is none. Some packers fill up with zeros."""
    filled = packing in (Packing.XZ, Packing.GZIP)
    while True:
        left = left.lstrip(b"\0") if filled else left
        if left:
            return left
        left = source.read(_READ)
        if not left:
            return b""
