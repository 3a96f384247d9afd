"""Whose data directory this is: made ready, locked against a second daemon, recognised by its store-id."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

from image_library.domain.errors import DataDirBusy, StoreChanged, StoreNotWritable
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.store.layout import Layout

_PRIVATE = 0o700
_LISTED = 0o755


def prepare(layout: Layout) -> None:
    """Make the directories.

    Raises:
        StoreNotWritable: they cannot be made or written.
    """
    try:
        layout.root.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        layout.cloud_images.mkdir(mode=_LISTED, exist_ok=True)
        for private in (layout.blobs.parent, layout.blobs, layout.parts, layout.vms):
            private.mkdir(mode=_PRIVATE, exist_ok=True)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise StoreNotWritable(f"The data directory {layout.root} cannot be made: {why}.") from error
    for directory in (layout.root, layout.cloud_images, layout.blobs, layout.parts):
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StoreNotWritable(f"The directory {directory} cannot be written.")


class DirectoryLock:
    """Held as long as the daemon lives; the kernel lets go of it whatever way it ends."""

    def __init__(self, layout: Layout) -> None:
        """Take the lock.

        Raises:
            DataDirBusy: another process has it.
            StoreNotWritable: the lock file cannot be made.
        """
        try:
            self._fd = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreNotWritable(f"The lock {layout.lock} cannot be made: {error.strerror}.") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise DataDirBusy(f"Another node daemon uses the data directory {layout.root}.") from error

    def release(self) -> None:
        os.close(self._fd)


class StoreIdentity:
    """The identity of the store and of the node, made once. Both are random UUIDs."""

    def __init__(self, layout: Layout, *, store_id: str, node_id: str) -> None:
        self._layout = layout
        self.store_id = store_id
        self.node_id = node_id

    @classmethod
    async def establish(cls, layout: Layout, journal: JournalDatabase) -> StoreIdentity:
        """Read the identities, or make them at the first start and after "store-id" was removed on purpose.

        Raises:
            StoreChanged: the files belong to another store than the journal.
        """
        rows = await journal.run(lambda c: c.execute("SELECT name, value FROM meta").fetchall())
        known = {row["name"]: row["value"] for row in rows}
        written = _read(layout.store_id)
        store_id = written or str(uuid.uuid4())
        if written and known.get("store_id", written) != written:
            raise StoreChanged(f"The data directory {layout.root} is not the one that its journal knows.")
        # A copy whose store-id was taken away is another node.
        node_id = known["node_id"] if known.get("store_id") == written and written else str(uuid.uuid4())
        if not written:
            _write(layout.blobs_store_id, store_id)
            _write(layout.store_id, store_id)
        elif not _read(layout.blobs_store_id) and "store_id" not in known:
            _write(layout.blobs_store_id, store_id)
        pairs = [("store_id", store_id), ("node_id", node_id)]
        await journal.run(lambda c: c.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs))
        identity = cls(layout, store_id=store_id, node_id=node_id)
        identity.check()
        return identity

    def check(self) -> None:
        """See that the store is still there.

        Raises:
            StoreChanged: it was swapped or unmounted.
        """
        for path in (self._layout.store_id, self._layout.blobs_store_id):
            if _read(path) != self.store_id:
                raise StoreChanged(f"{path.parent} is not the directory that this node knows.")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()[:64]
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    """Durably, and never half."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StoreNotWritable(f"{path} cannot be written: {error.strerror}.") from error
