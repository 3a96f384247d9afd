"""The disk's operations, with somebody told of failures that say that the store cannot be relied on."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from image_library.domain.store_health import Trouble
from image_library.node.adapters.store.disk import Disk, Space, disk_errors
from image_library.node.adapters.store.layout import Layout
from image_library.node.ports.health import Failed

# What a device or a file system that breaks answers. Other errors, such as a full disk's, say nothing of it.
_TROUBLES = {
    errno.EIO: Trouble.FAILING,
    errno.EUCLEAN: Trouble.FAILING,
    errno.EBADMSG: Trouble.FAILING,
    errno.ENXIO: Trouble.FAILING,
    errno.ENODEV: Trouble.FAILING,
    errno.EREMOTEIO: Trouble.FAILING,
    errno.EROFS: Trouble.READ_ONLY,
}
_PROBE = ".probe"


class WatchedDisk(Disk):
    def __init__(self, disk: Disk) -> None:
        self._inner = disk
        self.sync_every = disk.sync_every
        self._failed: Failed | None = None

    def tell(self, failed: Failed) -> None:
        self._failed = failed

    @contextmanager
    def _watched(self, doing: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            trouble = _TROUBLES.get(error.errno or 0)
            if trouble is not None and self._failed is not None:
                why = (error.strerror or "unknown reason").lower()
                self._failed(trouble, f"{doing} failed ({why}).")
            raise

    def create(self, path: Path, *, fresh: bool = False) -> int:
        with self._watched("Making a file"):
            return self._inner.create(path, fresh=fresh)

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        with self._watched("Writing a file"):
            self._inner.write(fd, data, offset)

    def write_some(self, fd: int, data: memoryview, offset: int) -> int:
        with self._watched("Writing a file"):
            return self._inner.write_some(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        with self._watched("Cutting a file"):
            self._inner.truncate(fd, size)

    def set_mode(self, fd: int, mode: int) -> None:
        with self._watched("Changing a file's mode"):
            self._inner.set_mode(fd, mode)

    def set_owner(self, fd: int, user: int, group: int) -> None:
        with self._watched("Changing a file's owner"):
            self._inner.set_owner(fd, user, group)

    def open_direct(self, fd: int) -> int:
        return self._inner.open_direct(fd)

    def close(self, fd: int) -> None:
        self._inner.close(fd)

    def datasync(self, fd: int) -> None:
        with self._watched("A sync"):
            self._inner.datasync(fd)

    def sync(self, fd: int) -> None:
        with self._watched("A sync"):
            self._inner.sync(fd)

    def sync_directory(self, path: Path) -> None:
        with self._watched("A sync of a folder"):
            self._inner.sync_directory(path)

    def link(self, fd: int, target: Path) -> None:
        with self._watched("Giving a file its name"):
            self._inner.link(fd, target)

    def symlink(self, target: str, path: Path) -> None:
        with self._watched("Making a link"):
            self._inner.symlink(target, path)

    def rename(self, path: Path, target: Path) -> None:
        with self._watched("Giving a file another name"):
            self._inner.rename(path, target)

    def unlink(self, path: Path) -> None:
        with self._watched("Taking a name away"):
            self._inner.unlink(path)

    def make_directory(self, path: Path, mode: int = 0o700) -> None:
        with self._watched("Making a folder"):
            self._inner.make_directory(path, mode)

    def make_directory_entry(self, path: Path, mode: int) -> None:
        with self._watched("Making a folder"):
            self._inner.make_directory_entry(path, mode)

    def space(self, path: Path) -> Space:
        return self._inner.space(path)


class DiskProbe:
    """Fulfils ``ports.health.StoreProbe``: tries where downloads write."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._folder = layout.parts
        self._disk = disk

    def read_only(self) -> bool:
        try:
            return bool(os.statvfs(self._folder).f_flag & os.ST_RDONLY)
        except OSError:
            # One that is gone is another matter.
            return False

    async def write(self) -> None:
        with disk_errors("trying to write to the store"):
            await asyncio.to_thread(self._write)

    def _write(self) -> None:
        path = self._folder / _PROBE
        fd = self._disk.create(path)
        try:
            self._disk.write(fd, memoryview(b"written\n"), 0)
            self._disk.sync(fd)
        finally:
            self._disk.close(fd)
        self._disk.unlink(path)
        self._disk.sync_directory(self._folder)
