"""Files that only the node may read, whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from image_library.node.adapters.store.disk import disk_errors


def write_private(folder: Path, name: str, content: bytes, *, doing: str) -> None:
    """Writes ``folder``/``name``: mode 0600 from its first byte, synced, in place of what was there.

    ``doing`` is what it is for, such as "writing the VM's seed".

    Raises:
        StorageFull, StorageIo: the disk did not take it.
    """
    part = folder / f".{name}.part"
    with disk_errors(doing):
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # The umask may have taken bits away.
            os.fchmod(descriptor, 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        part.rename(folder / name)
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
