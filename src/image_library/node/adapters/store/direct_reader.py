"""Reading a file from the disk itself: what the page cache says is what was read long ago."""

from __future__ import annotations

import asyncio
import mmap
import os
from contextlib import suppress
from pathlib import Path

from image_library.node.adapters.store.disk import disk_errors

BLOCK_BYTES = 1 << 20


class DirectReader:
    """O_DIRECT, which leaves the cache of running VMs alone; where there is none, reading and dropping pages.

    Source: open(2), posix_fadvise(2).
    """

    def __init__(self, fd: int, *, direct: bool) -> None:
        self._fd = fd
        self._direct = direct
        # Anonymous memory begins at a page, as O_DIRECT wants it.
        self._buffer = mmap.mmap(-1, BLOCK_BYTES)
        seen = os.fstat(fd)
        self.size = seen.st_size
        self.mark = (seen.st_ino, seen.st_size, seen.st_mtime_ns)

    @classmethod
    def open(cls, path: Path) -> DirectReader:
        """Raises FileNotFoundError, StorageIo."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(OSError):
            reader = cls(os.open(path, flags | os.O_DIRECT), direct=True)
            try:
                os.preadv(reader._fd, [reader._buffer], 0)
            except OSError:
                reader._free()
            else:
                return reader
        try:
            return cls(os.open(path, flags), direct=False)
        except FileNotFoundError:
            raise
        except OSError as error:
            with disk_errors("opening an image"):
                raise error from None

    async def read(self, offset: int) -> bytes:
        with disk_errors("reading an image"):
            return await asyncio.to_thread(self._read, offset)

    async def close(self) -> None:
        self._free()

    def _read(self, offset: int) -> bytes:
        if offset >= self.size:
            return b""
        if not self._direct:
            # Before, so that the disk is read; after, so that nothing else is driven out.
            os.posix_fadvise(self._fd, offset, BLOCK_BYTES, os.POSIX_FADV_DONTNEED)
        count = os.preadv(self._fd, [self._buffer], offset)
        if not self._direct:
            os.posix_fadvise(self._fd, offset, BLOCK_BYTES, os.POSIX_FADV_DONTNEED)
        return self._buffer[:count]

    def _free(self) -> None:
        os.close(self._fd)
        self._buffer.close()
