"""Blobs: files named by their digest, linked in when durable, never written again."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from image_library.domain.errors import StorageIo
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.adapters.store.layout import Layout

_READ_ONLY = 0o444


class Blobs:
    """All calls block; they are made in threads."""

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._layout = layout
        self._disk = disk

    def settle(self, fd: int, *, size: int) -> None:
        """Make the file behind ``fd`` read-only and durable. After an error here nobody trusts its bytes.

        Raises:
            StorageFull, StorageIo, StoreNotWritable
        """
        with disk_errors("publishing an image"):
            if os.fstat(fd).st_size != size:
                raise StorageIo("A part has another size on disk than was written.")
            self._disk.set_mode(fd, _READ_ONLY)
            self._disk.sync(fd)

    def add(self, fd: int, *, sha256: str, size: int) -> os.stat_result:
        """Make the verified, settled file behind ``fd`` the blob ``sha256``; what the blob's file is.

        Raises:
            StorageFull, StorageIo, StoreNotWritable
        """
        path = self._layout.blob(sha256)
        with disk_errors("publishing an image"):
            self._disk.make_directory(path.parent)
            self._link(fd, path, sha256=sha256, size=size)
            self._disk.sync_directory(path.parent)
            return path.lstat()

    def remove(self, sha256: str) -> None:
        path = self._layout.blob(sha256)
        with disk_errors("removing an image"):
            self._disk.unlink(path)
            if path.parent.exists():
                self._disk.sync_directory(path.parent)

    def look(self, sha256: str) -> os.stat_result | None:
        """What the blob's file is; None where there is no regular file."""
        try:
            seen = self._layout.blob(sha256).lstat()
        except OSError:
            return None
        return seen if stat.S_ISREG(seen.st_mode) else None

    def keep(self, sha256: str) -> bool:
        """Whether a file that was found is the blob that its name says; if so it is durable from now on.

        Whoever linked it may have been killed before its name was: a record must not outlive its file.
        """
        path = self._layout.blob(sha256)
        with disk_errors("keeping an image"):
            if _sha256(path) != sha256:
                return False
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                self._disk.sync(fd)
            finally:
                self._disk.close(fd)
            self._disk.sync_directory(path.parent)
            self._disk.sync_directory(path.parent.parent)
            return True

    def clear(self) -> None:
        """Remove what a killed replacement of a rotted blob left."""
        with disk_errors("removing what was left over"):
            for path in self._layout.blobs.glob("[0-9a-f][0-9a-f]/.*.new"):
                self._disk.unlink(path)

    def listed(self) -> frozenset[str]:
        """The digest of every blob's file, whole or not."""
        with disk_errors("listing the images"):
            found = (path.name for path in self._layout.blobs.glob("[0-9a-f][0-9a-f]/*"))
            return frozenset(name for name in found if len(name) == 64)

    def _link(self, fd: int, path: Path, *, sha256: str, size: int) -> None:
        with suppress(FileExistsError):
            self._disk.link(fd, path)
            return
        if path.lstat().st_size == size and _sha256(path) == sha256:
            return
        # A blob that has rotted makes way; whoever has it open keeps what they had.
        fresh = path.with_name(f".{sha256}.new")
        self._disk.unlink(fresh)
        self._disk.link(fd, fresh)
        self._disk.rename(fresh, path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
