"""A file that a program of ours or qemu-img writes, and that may become an image: looked at from outside."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from image_library.domain.errors import StorageIo
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.ports.storage import PartDigests

_BLOCK = 512
_READ = 4 << 20


class OutputFile:
    """Made anew each time: nothing in it is gone on with. Its descriptor is older than all writes to it."""

    def __init__(self, *, path: Path, key: str, disk: Disk, reserve: Callable[[OutputFile], None]) -> None:
        """Raises OSError."""
        disk.unlink(path)
        self.path = path
        self.key = key
        self.fd = disk.create(path, fresh=True)
        self._disk = disk
        self._reserve = reserve
        self._promised = 0

    @property
    def total(self) -> int:
        """Bytes on the disk that it was promised."""
        return self._promised

    @property
    def offset(self) -> int:
        """Bytes on the disk that it takes."""
        return os.fstat(self.fd).st_blocks * _BLOCK if self.fd >= 0 else 0

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def promise(self, total: int) -> None:
        self._promised = total
        self._reserve(self)

    async def read(self, offset: int, length: int) -> bytes:
        with disk_errors("reading a converted image"):
            return await asyncio.to_thread(self.read_now, offset, length)

    def read_now(self, offset: int, length: int) -> bytes:
        return os.pread(self.fd, length, offset)

    async def digests(self, told: Callable[[float], None]) -> PartDigests:
        with disk_errors("reading a converted image"):
            # Descriptors of their own: whoever is cancelled closes ours under threads that go on.
            hashing = _Hashing(os.dup(self.fd), told)
            syncing = asyncio.to_thread(self._write_out, os.dup(self.fd))
            try:
                # The disk works while the processor hashes; publishing then syncs what is clean already.
                digests, _ = await asyncio.gather(asyncio.to_thread(hashing.run), syncing)
            finally:
                hashing.stopped = True
            return digests

    def _write_out(self, fd: int) -> None:
        try:
            self._disk.datasync(fd)
        finally:
            os.close(fd)

    async def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    async def discard(self) -> None:
        await self.close()
        with disk_errors("removing a converted image"):
            await asyncio.to_thread(self._disk.unlink, self.path)


class _Hashing:
    def __init__(self, fd: int, told: Callable[[float], None]) -> None:
        self._fd = fd
        self._told = told
        self.stopped = False

    def run(self) -> PartDigests:
        size = os.fstat(self._fd).st_size
        digest, buffer, offset = hashlib.sha256(), memoryview(bytearray(_READ)), 0
        try:
            while offset < size and not self.stopped:
                count = os.preadv(self._fd, [buffer], offset)
                if count == 0:
                    raise OSError(errno.EIO, "the file is shorter than before")
                digest.update(buffer[:count])
                offset += count
                self._told(offset / size)
        finally:
            os.close(self._fd)
        if self.stopped:
            raise StorageIo("Nobody waits for the digest any more.")
        return PartDigests(size_bytes=size, sha256=digest.hexdigest())
