"""Walking over a Zstandard file's frames before any of it is unpacked: their number, memory and ends.

The format is that of RFC 8878.
"""

from __future__ import annotations

from image_library.node.adapters.unpacking.source import Damaged, Source, TooMuch, Truncated

# "zstd -19" needs 8 MiB; the ultra levels and --long need more.
MAX_WINDOW = 64 << 20
_MAGIC = 0xFD2FB528
_SKIPPABLE, _SKIPPABLE_MASK = 0x184D2A50, 0xFFFFFFF0
_RLE, _RESERVED = 1, 3
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)


def check_frames(source: Source, *, most: int) -> None:
    """See that the file is whole frames and nothing else.

    Raises:
        TooMuch: there are more than ``most``, or one needs too much memory.
        Truncated, Damaged
    """
    at, count, size = 0, 0, source.size
    while at < size:
        count += 1
        if count > most:
            raise TooMuch(f"it has more than {most} members")
        magic = _number(source.at(at, 4))
        if magic & _SKIPPABLE_MASK == _SKIPPABLE:
            at += 8 + _number(source.at(at + 4, 4))
        elif magic == _MAGIC:
            at = _frame_end(source, at + 4)
        else:
            raise Damaged("something else follows its end")
    if at > size:
        raise Truncated


def _frame_end(source: Source, at: int) -> int:
    descriptor = source.at(at, 1)[0]
    single, checksum = bool(descriptor & 0x20), bool(descriptor & 0x04)
    at += 1
    window = 0
    if not single:
        code = source.at(at, 1)[0]
        base = 1 << (10 + (code >> 3))
        window = base + (base >> 3) * (code & 7)
        at += 1
    at += _DICTIONARY_BYTES[descriptor & 3]
    length = _SIZE_BYTES[descriptor >> 6] or (1 if single else 0)
    if single:
        window = _number(source.at(at, length)) + (256 if length == 2 else 0)
    if window > MAX_WINDOW:
        raise TooMuch(f"it needs {window >> 20} MiB to be unpacked; the limit is {MAX_WINDOW >> 20} MiB")
    at += length
    last = False
    while not last:
        header = _number(source.at(at, 3))
        last, kind, length = bool(header & 1), (header >> 1) & 3, header >> 3
        if kind == _RESERVED:
            raise Damaged("it has a block of an unknown kind")
        at += 3 + (1 if kind == _RLE else length)
    return at + (4 if checksum else 0)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")
