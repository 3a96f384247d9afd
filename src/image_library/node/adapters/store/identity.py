"""Whose data directory this is: made ready, locked against a second daemon, recognised by its store-id."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

from image_library.domain.errors import DataDirBusy, StoreChanged, StoreNotWritable
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.store.disk import Disk
from image_library.node.adapters.store.layout import Layout

_PRIVATE = 0o700
# What others' directories above it get, less the umask.
_USUAL = 0o777
_LISTED = 0o755
# Of the stores that were given up as many are told as could matter.
_MOST_REPLACED = 16


def prepare(layout: Layout, disk: Disk | None = None) -> None:
    """Make the directories.

    Raises:
        StoreNotWritable: they cannot be made or written.
    """
    disk = disk or Disk()
    private = (layout.blobs.parent, layout.blobs, layout.parts, layout.vms)
    wanted = ((layout.cloud_images, _LISTED), *((path, _PRIVATE) for path in private))
    try:
        for parent in reversed(layout.root.parents):
            disk.make_directory(parent, _USUAL)
        disk.make_directory(layout.root, _PRIVATE)
        for path, mode in wanted:
            disk.make_directory(path, mode)
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

    def __init__(
        self, layout: Layout, *, store_id: str, node_id: str, replaced: tuple[str, ...] = ()
    ) -> None:
        self._layout = layout
        self.store_id = store_id
        self.node_id = node_id
        # Stores of this node that were given up.
        self.replaced = replaced

    @classmethod
    async def establish(
        cls, layout: Layout, journal: JournalDatabase, *, accept: bool = False, disk: Disk | None = None
    ) -> StoreIdentity:
        """Read the identities, or make them at the first start and after "store-id" was removed on purpose.

        With ``accept`` what is there now is the node's store, whatever it was before: it gets a new identity.

        Raises:
            StoreChanged: the files belong to another store than the journal.
        """
        disk = disk or Disk()
        rows = await journal.run(lambda c: c.execute("SELECT name, value FROM meta").fetchall())
        known = {row["name"]: row["value"] for row in rows}
        written, settled = _read(layout.store_id), _read(layout.node_id)
        replaced = tuple(known.get("replaced_stores", "").split())
        node_id = known.get("node_id", "") or settled
        if accept and node_id:
            given_up = {known.get("store_id", ""), written} - {"", *replaced}
            replaced = (*replaced, *sorted(given_up))[-_MOST_REPLACED:]
            store_id = str(uuid.uuid4())
            _write_all(disk, layout, store_id)
        else:
            if written and known.get("store_id", written) != written:
                raise StoreChanged(f"The data directory {layout.root} is not the one that its journal knows.")
            store_id = written or str(uuid.uuid4())
            # A copy whose store-id was taken away is another node.
            node_id = node_id if written and node_id else str(uuid.uuid4())
            _complete(
                disk,
                layout,
                store_id,
                known="store_id" in known,
                settled=bool(settled),
                written=bool(written),
            )
        pairs = [("store_id", store_id), ("node_id", node_id), ("replaced_stores", " ".join(replaced))]
        await journal.run(lambda c: c.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs))
        if settled != node_id:
            _write(disk, layout.node_id, node_id)
        identity = cls(layout, store_id=store_id, node_id=node_id, replaced=replaced)
        identity.check()
        return identity

    def check(self) -> None:
        """See that the store is still there.

        Raises:
            StoreChanged: it was swapped or unmounted.
        """
        self._check(self._layout.store_id, self._layout.blobs_store_id)

    def check_folder(self) -> None:
        """See that the folder of readable names is still the one that the operators filled.

        Raises:
            StoreChanged: it was replaced or unmounted.
        """
        self._check(self._layout.folder_store_id)

    def _check(self, *paths: Path) -> None:
        for path in paths:
            if _read(path) != self.store_id:
                raise StoreChanged(f"{path.parent} is not the directory that this node knows.")


def _complete(
    disk: Disk, layout: Layout, store_id: str, *, known: bool, settled: bool, written: bool
) -> None:
    """Write the copies that a first start has not written yet, or an older version never."""
    if not written or not (known or settled or _read(layout.blobs_store_id)):
        _write(disk, layout.blobs_store_id, store_id)
    if not (written and settled):
        _write(disk, layout.folder_store_id, store_id)
    if not written:
        _write(disk, layout.store_id, store_id)


def _write_all(disk: Disk, layout: Layout, store_id: str) -> None:
    for path in (layout.blobs_store_id, layout.folder_store_id, layout.store_id):
        _write(disk, path, store_id)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()[:64]
    except OSError:
        return ""


def _write(disk: Disk, path: Path, text: str) -> None:
    """Durably, and never half."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fd = disk.create(fresh)
        try:
            disk.truncate(fd, 0)
            disk.write(fd, memoryview(f"{text}\n".encode()), 0)
            disk.sync(fd)
        finally:
            disk.close(fd)
        disk.rename(fresh, path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise StoreNotWritable(f"{path} cannot be written: {error.strerror}.") from error
