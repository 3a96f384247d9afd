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

    def add(self, fd: int, *, sha256: str, size: int) -> os.stat_result:
        """Make the verified file behind ``fd`` the blob ``sha256``, durably; what the blob's file is.

        Raises:
            StorageFull, StorageIo, StoreNotWritable
        """
        path = self._layout.blob(sha256)
        with disk_errors("publishing an image"):
            if os.fstat(fd).st_size != size:
                raise StorageIo("A part has another size on disk than was written.")
            os.fchmod(fd, _READ_ONLY)
            self._disk.sync(fd)
            self._make_directory(path.parent)
            self._link(fd, path, sha256=sha256, size=size)
            self._disk.sync_directory(path.parent)
            return path.lstat()

    def remove(self, sha256: str) -> None:
        path = self._layout.blob(sha256)
        with disk_errors("removing an image"):
            path.unlink(missing_ok=True)
            if path.parent.exists():
                self._disk.sync_directory(path.parent)

    def look(self, sha256: str) -> os.stat_result | None:
        """What the blob's file is; None where there is no regular file."""
        try:
            seen = self._layout.blob(sha256).lstat()
        except OSError:
            return None
        return seen if stat.S_ISREG(seen.st_mode) else None

    def hashes_to_its_name(self, sha256: str) -> bool:
        with disk_errors("reading an image"):
            return _sha256(self._layout.blob(sha256)) == sha256

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
        fresh.unlink(missing_ok=True)
        self._disk.link(fd, fresh)
        fresh.replace(path)

    def _make_directory(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)
            self._disk.sync_directory(path.parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
