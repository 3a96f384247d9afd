"""The folder of operators' own files, and the reports of what a node has."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.node import InventoryMark
from image_library.domain.store import LocalFile
from image_library.node.ports.storage import OpenedFile


class InventoryNumbering(Protocol):
    """The numbers of this node's reports. They grow for as long as the journal is what it was."""

    async def next(self) -> InventoryMark:
        """The next report's number; never given twice."""
        ...

    async def compare(self, heard: InventoryMark) -> None:
        """Begin another epoch where more was heard of this node than it remembers to have said."""
        ...


class LocalFolder(Protocol):
    """The files that operators put beside the published images."""

    async def check(self) -> None:
        """See that it is still the folder that the node knows.

        Raises:
            StoreChanged: it was replaced or unmounted.
        """
        ...

    async def files(self) -> tuple[tuple[LocalFile, ...], tuple[str, ...]]:
        """The images among them, and a sentence for each that cannot be one."""
        ...

    async def find_by_path(self, path: str) -> LocalFile | None:
        """The image file with this absolute path, None where there is no such file in the folder.

        Raises: as ``Inspector.inspect_part`` does, when it is no safe image.
        """
        ...

    async def open(self, path: str) -> OpenedFile | None:
        """The image file with this absolute path, to be read; None where there is no such file in the folder.

        Raises: as ``find_by_path``.
        """
        ...

    async def note_adopted(self, file: OpenedFile, digest: str) -> None:
        """The file is "sha256:HEX" from now on: scans leave it out while that image is published."""
        ...
