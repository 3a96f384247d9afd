"""Walking a tar archive (POSIX ustar) without believing it: plain files with plain names, and few of them.

Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's base-256 numbers for files beyond 8 GiB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from image_library.domain.disk_formats.reading import Reader, check_inside, whole
from image_library.domain.errors import UnsupportedArchive, printable

BLOCK = 512
MAX_MEMBERS = 64
_MAX_EXTENDED = 16 << 10
_REGULAR, _EXTENDED = (b"0", b"\0"), b"x"
_KINDS = {
    b"1": "a link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"L": "a name of GNU's long kind",
    b"K": "a link of GNU's long kind",
    b"S": "a sparse file",
    b"g": "a global header",
}
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
# What an extended header may say, since it changes nothing here: times, owners, comments.
_HARMLESS = re.compile(rb"(?:\d+ (?:[acm]time|[ug]id|[ug]name|comment|LIBARCHIVE\.\w+)=[^\n]*\n)*")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A regular file in an archive; it begins ``offset`` bytes from the archive's beginning."""

    name: str
    offset: int
    size: int


def members(file: Reader, *, name: str) -> tuple[Member, ...]:
    """All files of the archive, in order.

    Raises:
        UnsupportedArchive: it holds anything but a few regular files with different plain names.
        ImageTruncated: a file goes on beyond the archive's end.
    """
    found: dict[str, Member] = {}
    offset = 0
    for _ in range(2 * MAX_MEMBERS + 1):
        if offset == file.size:
            break
        header = whole(file, offset, BLOCK, name=name, what="archive")
        if not any(header):
            break
        kind, size = _checked(header, name)
        begin = offset + BLOCK
        check_inside(begin + size, file, name=name, what="archive")
        if kind == _EXTENDED:
            _check_extended(file, begin, size, name)
        else:
            member = Member(name=_plain_name(header, name), offset=begin, size=size)
            if found.setdefault(member.name.lower(), member) is not member:
                raise UnsupportedArchive(f"{name} holds two files with the name '{printable(member.name)}'.")
        offset = begin + -(-size // BLOCK) * BLOCK
    if len(found) > MAX_MEMBERS or (offset < file.size and any(file.read(offset, 1))):
        raise UnsupportedArchive(f"{name} holds more than {MAX_MEMBERS} files.")
    return tuple(found.values())


def _checked(header: bytes, name: str) -> tuple[bytes, int]:
    """The kind and the size, of a header whose checksum is right."""
    said = _number(header[148:156], name)
    if sum(header) - sum(header[148:156]) + 8 * 0x20 != said or header[257:262] != b"ustar":
        raise UnsupportedArchive(f"{name} has a damaged tar header.")
    kind = header[156:157]
    if kind not in _REGULAR and kind != _EXTENDED:
        what = _KINDS.get(kind, f"something of the kind {printable(kind.decode('latin-1'))}")
        raise UnsupportedArchive(f"{name} holds {what}; only plain files are taken.")
    return kind, _number(header[124:136], name)


def _number(field: bytes, name: str) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    octal = _OCTAL.fullmatch(field)
    if octal is None or not octal[1]:
        raise UnsupportedArchive(f"{name} has a damaged tar header.")
    return int(octal[1], 8)


def _check_extended(file: Reader, begin: int, size: int, name: str) -> None:
    if size > _MAX_EXTENDED:
        raise UnsupportedArchive(f"{name} has an extended tar header of {size} bytes.")
    if not _HARMLESS.fullmatch(whole(file, begin, size, name=name, what="archive")):
        raise UnsupportedArchive(f"{name} has an extended tar header that changes what its files are.")


def _plain_name(header: bytes, name: str) -> str:
    """The file's name. It is compared with others and shown, never used as a path."""
    told = header[:100].partition(b"\0")[0].decode(errors="replace")
    plain = told.removeprefix("./")
    if header[345] or "/" in plain or "\\" in plain or plain in ("", ".", "..") or not plain.isprintable():
        raise UnsupportedArchive(
            f"{name} holds a file with the name '{printable(told)}', which is no plain name."
        )
    return plain
