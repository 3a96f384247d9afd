"""Readable names in cloud-images/: links that lead to blobs. A name that somebody else has is left alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePath

from image_library.domain.errors import StorageIo
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.adapters.store.layout import Layout


class ReadableLinks:
    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._layout = layout
        self._disk = disk

    def make(self, filename: str, sha256: str) -> str:
        """Link a blob under ``filename``, or under a name with its digest where that is taken; the name.

        Raises:
            StorageFull, StorageIo, StoreNotWritable
        """
        target = self._layout.link_target(sha256)
        for name in _names(filename, sha256):
            path = self._layout.cloud_images / name
            with disk_errors("linking an image"):
                # Taken already: perhaps by ourselves, before we were killed.
                with suppress(FileExistsError):
                    self._disk.symlink(target, path)
                self._disk.sync_directory(path.parent)
            if self.leads_to(path, sha256):
                return name
        raise StorageIo(f"No readable name for {filename} is free.")

    def remove(self, name: str, sha256: str) -> None:
        """Remove the link if it is still ours, or the name that an operator gave to the very file."""
        path = self._layout.cloud_images / name
        if self.leads_to(path, sha256):
            with disk_errors("removing a link"):
                self._disk.unlink(path)

    def leads_to(self, path: Path, sha256: str) -> bool:
        """Whether the name is a link of ours to the blob, or another name of the blob's own file."""
        if self._layout.linked_digest(path) == sha256:
            return True
        try:
            named, blob = path.lstat(), self._blob(sha256).lstat()
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (blob.st_dev, blob.st_ino)

    def _blob(self, sha256: str) -> Path:
        """Where its file is: in its place, or on its way out."""
        place = self._layout.blob(sha256)
        return place if place.exists() else self._layout.trash / sha256

    def ours(self) -> dict[str, str]:
        """Every link of ours by name, with the digest that it leads to."""
        found = {p.name: self._layout.linked_digest(p) for p in self._layout.cloud_images.iterdir()}
        return {name: digest for name, digest in found.items() if digest}


def _names(filename: str, sha256: str) -> tuple[str, ...]:
    name = PurePath(filename)
    return filename, f"{name.stem}-{sha256[:12]}{name.suffix}", f"{name.stem}-{sha256}{name.suffix}"
