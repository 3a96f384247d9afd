"""Bytes of a part that came before their turn, each stretch of them in a file of its own beside the part.

Such a file only grows, as a part does: its length says what is there. It goes through the page cache and is
never synced: most are read again and gone before the disk hears of them, and a power cut may take them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from image_library.node.adapters.store.disk import Disk, disk_errors

_READ = 256 << 10


class EarlyFile:
    """The file is made with its first bytes. Written by one task, read by another."""

    def __init__(self, path: Path, begin: int, *, disk: Disk) -> None:
        self.path = path
        self.begin = self.end = begin
        self._disk = disk
        self._fd = -1
        self._buffer: memoryview | None = None
        self._writing: asyncio.Future[None] | None = None

    async def write(self, block: bytes | memoryview) -> None:
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._put, block))
        try:
            with disk_errors("writing what came early"):
                await asyncio.shield(self._writing)
        except asyncio.CancelledError:
            await self._written()
            raise

    async def read(self, offset: int) -> memoryview:
        with disk_errors("reading what came early"):
            return await asyncio.to_thread(self._get, offset)

    def find(self) -> None:
        """Take over the file that an earlier process left.

        Raises:
            OSError
        """
        self._fd = self._disk.create(self.path)
        self.end = self.begin + os.fstat(self._fd).st_size

    async def close(self) -> None:
        await self._written()
        fd, self._fd = self._fd, -1
        self._disk.close(fd)

    async def drop(self) -> None:
        await self.close()
        with disk_errors("removing what came early"):
            await asyncio.to_thread(self._disk.unlink, self.path)

    async def _written(self) -> None:
        """Wait for the thread: its descriptor must not be closed under it."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _put(self, block: bytes | memoryview) -> None:
        if self._fd < 0:
            self._fd = self._disk.create(self.path)
        self._disk.write(self._fd, memoryview(block), self.end - self.begin)
        self.end += len(block)

    def _get(self, offset: int) -> memoryview:
        self._buffer = self._buffer or memoryview(bytearray(_READ))
        wanted = self._buffer[: self.end - offset]
        return wanted[: os.preadv(self._fd, [wanted], offset - self.begin)]


class EarlyFiles:
    """Those of one part, which lie beside it as NAME.OFFSET."""

    def __init__(self, part: Path, *, disk: Disk) -> None:
        self._part = part
        self._disk = disk
        self.held: list[EarlyFile] = []

    def beyond(self, offset: int) -> int:
        """How many bytes are here from there on."""
        return sum(max(0, early.end - max(early.begin, offset)) for early in self.held)

    def begin(self, offset: int) -> EarlyFile:
        early = EarlyFile(self._part.with_name(f"{self._part.name}.{offset}"), offset, disk=self._disk)
        self.held.append(early)
        return early

    async def find(self, *, trusted: bool) -> None:
        """Take over what an earlier process left, or remove it where it is not ``trusted``.

        Raises:
            StoreNotWritable, StorageFull, StorageIo
        """
        with disk_errors("looking for what came early"):
            await asyncio.to_thread(self._find)
        if not trusted:
            await self.drop_all()

    async def drop(self, early: EarlyFile) -> None:
        self.held.remove(early)
        await early.drop()

    async def drop_all(self) -> None:
        for early in tuple(self.held):
            await self.drop(early)

    async def close(self) -> None:
        for early in self.held:
            await early.close()

    def _find(self) -> None:
        prefix = f"{self._part.name}."
        for path in sorted(self._part.parent.iterdir()):
            offset = path.name.removeprefix(prefix)
            if path.name.startswith(prefix) and offset.isdecimal():
                self.begin(int(offset)).find()
