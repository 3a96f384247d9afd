"""Paths in a foreign file system: links lead around inside it and never out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from image_library.node.adapters.guest_disk.blocks import Unreadable

# As Linux does; a chain that is longer is a circle.
_MOST_LINKS = 40
_LONGEST_LINK = 4096
# Bounds what one folder may cost.
_MOST_IN_A_FOLDER = 100_000


class Kind(Enum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    # A pipe, a socket, a device.
    OTHER = "other"


_KINDS = {0x8000: Kind.FILE, 0x4000: Kind.FOLDER, 0xA000: Kind.LINK}


def kind_of_mode(mode: int) -> Kind:
    return _KINDS.get(mode & 0xF000, Kind.OTHER)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A file, a folder or a link. ``place`` is its file system's own number for it."""

    kind: Kind
    size: int
    place: int


class FileSystem(Protocol):
    """Reading only. Every method may raise Unreadable, or what unpacking damaged structures raises."""

    @property
    def name(self) -> str:
        """As mount(8) would call it."""
        ...

    @property
    def root(self) -> Node: ...

    def entries(self, folder: Node) -> Iterator[tuple[str, int]]:
        """The names in a folder and the places of their nodes."""
        ...

    def node(self, place: int) -> Node: ...

    def content(self, node: Node, most: int) -> bytes:
        """The first bytes of a file or, for a link, of its target."""
        ...

    def key(self, name: str) -> str:
        """Equal for names that are one here: not everywhere do capitals count."""
        ...


class Tree:
    """A file system by paths."""

    def __init__(self, files: FileSystem) -> None:
        self.files = files
        self._folders: dict[int, dict[str, int]] = {}

    def find(self, path: str) -> Node | None:
        """The node at an absolute path, all links followed; None where there is none."""
        folders = [self.files.root]
        waiting = _parts(path)
        links = 0
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                folders = folders[:-1] or folders
                continue
            found = self._child(folders[-1], part)
            if found is None:
                return None
            if found.kind is not Kind.LINK:
                folders.append(found)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            target = self.files.content(found, _LONGEST_LINK).decode(errors="surrogateescape")
            folders = [self.files.root] if target.startswith("/") else folders
            waiting = _parts(target) + waiting
        return folders[-1]

    def there(self, path: str) -> Node | None:
        """The node at an absolute path itself, also where it is a link."""
        folder, _, name = path.rpartition("/")
        found = self.find(folder)
        return self._child(found, name) if found is not None and name else None

    def _child(self, folder: Node, name: str) -> Node | None:
        if folder.kind is not Kind.FOLDER:
            return None
        place = self._listed(folder).get(self.files.key(name))
        return None if place is None else self.files.node(place)

    def _listed(self, folder: Node) -> dict[str, int]:
        if folder.place not in self._folders:
            names: dict[str, int] = {}
            for name, place in self.files.entries(folder):
                names[self.files.key(name)] = place
                if len(names) > _MOST_IN_A_FOLDER:
                    raise Unreadable("it has a folder with too many files")
            self._folders[folder.place] = names
        return self._folders[folder.place]

    def file(self, path: str) -> Node | None:
        """The regular file at a path; None where there is none, or it is a folder, a pipe or a device."""
        found = self.find(path)
        return found if found is not None and found.kind is Kind.FILE else None

    def begin(self, path: str, length: int) -> bytes:
        """A file's first bytes; none where there is no such file."""
        found = self.file(path)
        return b"" if found is None else self.files.content(found, length)

    def whole(self, path: str, most: int) -> str | None:
        """A text file; None where there is no such file.

        Raises:
            Unreadable: it is longer than ``most`` bytes.
        """
        found = self.file(path)
        if found is None:
            return None
        if found.size > most:
            raise Unreadable(f"its {path} has {found.size} bytes, which is too long to be read")
        return self.files.content(found, most).decode(errors="replace")

    def names(self, path: str) -> list[str]:
        """What is in a folder, sorted; empty where there is no such folder."""
        found = self.find(path)
        if found is None or found.kind is not Kind.FOLDER:
            return []
        return sorted(self._listed(found))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def assembled(length: int, pieces: Iterator[tuple[int, bytes]]) -> bytes:
    """``length`` bytes of zeros with the pieces put where they belong."""
    data = bytearray(length)
    for offset, piece in pieces:
        if offset < length:
            end = min(length, offset + len(piece))
            data[offset:end] = piece[: end - offset]
    return bytes(data)
