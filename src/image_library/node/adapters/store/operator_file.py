"""An operator's file while it becomes a published image: one descriptor, from the first look to the link."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
from pathlib import Path

from image_library.domain.errors import ImageChanged, NotAnImage, StorageIo, printable
from image_library.domain.store import ImageFacts
from image_library.node.adapters.store.disk import Disk, disk_errors

_BLOCK = 4 << 20
_READ_ONLY = 0o444

# What tells a file apart from another of the same name: inode, size, time of the last change.
Mark = tuple[int, int, int]


class OperatorFile:
    """Made by ``open_file``; ``close`` it."""

    def __init__(
        self, path: Path, fd: int, seen: os.stat_result, facts: ImageFacts, *, disk: Disk | None = None
    ) -> None:
        self._disk = disk or Disk()
        self.path = path
        self.fd = fd
        self.facts = facts
        self.offset = 0
        self._before = seen
        self._sealed = False

    @property
    def filename(self) -> str:
        return self.path.name

    @property
    def total(self) -> int:
        return self._before.st_size

    @property
    def mark(self) -> Mark:
        return mark_of(self._before)

    def can_be_linked(self, folder: Path) -> bool:
        """Whether the file itself can become a blob there: same file system, ours, and no third name."""
        mine = os.geteuid() in (0, self._before.st_uid)
        return mine and self._before.st_nlink == 1 and folder.stat().st_dev == self._before.st_dev

    @property
    def received(self) -> int:
        return self.offset

    async def sha256(self) -> str:
        """Of all its bytes, in hexadecimal; ``offset`` tells how far it is. Stops when it is cancelled."""
        stop = threading.Event()
        try:
            with disk_errors("reading the file"):
                return await asyncio.to_thread(self._hash, os.dup(self.fd), stop)
        finally:
            stop.set()

    async def read(self, offset: int) -> bytes:
        """The next bytes; empty at the end."""
        with disk_errors("reading the file"):
            return await asyncio.to_thread(os.pread, self.fd, _BLOCK, offset)

    async def seal(self) -> None:
        """Let nobody open it for writing any more.

        Raises:
            StoreNotWritable, StorageIo: that is not possible.
        """
        with disk_errors("making the file read-only"):
            self._sealed = True
            if os.geteuid() == 0:
                self._disk.set_owner(self.fd, 0, 0)
            self._disk.set_mode(self.fd, _READ_ONLY)

    async def unseal(self) -> None:
        """As it was before ``seal``."""
        if self._sealed:
            with disk_errors("giving the file back"):
                self._disk.set_mode(self.fd, stat.S_IMODE(self._before.st_mode))
                if os.geteuid() == 0:
                    self._disk.set_owner(self.fd, self._before.st_uid, self._before.st_gid)

    async def check_same(self) -> None:
        """Raises ImageChanged where the file, or what its name leads to, is not what was opened."""
        try:
            there = self.path.lstat()
        except OSError:
            there = None
        now = os.fstat(self.fd)
        if there is None or not (mark_of(there) == mark_of(now) == self.mark):
            raise ImageChanged(
                f"{printable(self.filename)} was changed while it was read.",
                remedy="Wait until nobody writes it any more, then try again.",
            )

    async def checkpoint(self) -> None:
        """Nothing is kept of a hash that was broken off."""

    async def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    async def discard(self) -> None:
        """It is published: the name stays, only this descriptor goes."""
        await self.close()

    def _hash(self, fd: int, stop: threading.Event) -> str:
        digest, buffer = hashlib.sha256(), memoryview(bytearray(_BLOCK))
        try:
            while (count := os.preadv(fd, [buffer], self.offset)) and not stop.is_set():
                digest.update(buffer[:count])
                self.offset += count
        finally:
            os.close(fd)
        return digest.hexdigest()


def mark_of(status: os.stat_result) -> Mark:
    # Some file systems have times that SQLite's numbers do not reach.
    return status.st_ino, status.st_size, status.st_mtime_ns & (2**63 - 1)


def open_regular(path: Path) -> tuple[int, os.stat_result]:
    """A descriptor and what it leads to, without following a link or waiting on a pipe.

    Raises:
        NotAnImage: it is no regular file.
        StorageIo: it cannot be opened.
    """
    name = printable(path.name)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StorageIo(f"{name} cannot be read ({(error.strerror or '').lower()}).") from error
    seen = os.fstat(fd)
    if not stat.S_ISREG(seen.st_mode):
        os.close(fd)
        raise NotAnImage(f"{name} is no regular file.")
    return fd, seen
