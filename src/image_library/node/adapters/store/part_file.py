"""A file on its way: written, hashed and synced by threads of its own while the next bytes come."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from image_library.domain.errors import LibraryError, StorageFull
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.adapters.store.early_files import EarlyFile, EarlyFiles
from image_library.node.adapters.store.part_records import PartRecord, PartRecords, boot_id
from image_library.node.adapters.store.piece_writer import ALIGNMENT, PieceWriter
from image_library.node.adapters.store.pieces import Pieces
from image_library.node.ports.fetching import Early
from image_library.node.ports.storage import PartDigests

_READ_AGAIN = 4 << 20


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


class Reserve(Protocol):
    """Is asked before bytes are announced; raises StorageFull. ``more``: bytes that are to fit too."""

    def __call__(self, part: PartFile, /, more: int = 0) -> None: ...


class PartFile:
    """Made by ``open_part``. Writes go strictly forward; any failed write or sync ends the attempt."""

    def __init__(
        self, *, path: Path, fd: int, record: PartRecord, records: PartRecords, disk: Disk, reserve: Reserve
    ) -> None:
        self.path = path
        self.fd = fd
        self.resumed_from = 0
        self.ahead = EarlyFiles(path, disk=disk)
        self._record = record
        self._records = records
        self._disk = disk
        self._reserve = reserve
        self._received = 0
        self._ending: asyncio.Future[None] | None = None
        self._begin()

    @property
    def key(self) -> str:
        return self._record.key

    @property
    def offset(self) -> int:
        return self._received

    @property
    def total(self) -> int:
        return self._record.total

    @property
    def validator(self) -> str:
        return self._record.validator

    @property
    def early(self) -> tuple[EarlyFile, ...]:
        return tuple(self.ahead.held)

    @property
    def received(self) -> int:
        return self.offset + self.ahead.beyond(self.offset)

    async def resume(self, size: int) -> None:
        """Go on after the first ``size`` bytes of the file, which are read and hashed again."""
        self._writer.written = self._received = self.resumed_from = size
        # What a kill left in the page cache counts as here, but not as synced.
        self._writer.synced = min(size, self._record.durable)
        with disk_errors("reading a part again"):
            # Own descriptors: whoever closes the part meanwhile does not pull ours away.
            hashes = [asyncio.to_thread(_hash, os.dup(self.fd), h, size) for h in self._hashes]
            await asyncio.gather(*hashes)

    async def expect(self, total: int, validator: str) -> None:
        self._record = replace(self._record, total=total, validator=validator)
        self._reserve(self)
        await self._records.save(self._record)

    async def write(self, block: bytes | memoryview) -> None:
        self._received += len(block)
        try:
            with disk_errors("writing a part"):
                await self._pieces.put(block)
        except StorageFull:
            # It knows better words: how much is needed, and how much is free.
            self._reserve(self)
            raise

    async def begin_early(self, offset: int, length: int) -> EarlyFile:
        self._reserve(self, length)
        return self.ahead.begin(offset)

    async def forget_early(self, early: Early) -> None:
        assert isinstance(early, EarlyFile)
        await self.settle()
        await self.ahead.drop(early)

    async def restart(self) -> None:
        await self.ahead.drop_all()
        await self._end_threads()
        with disk_errors("emptying a part"):
            await asyncio.to_thread(_empty, self._disk, self.path, self.fd)
        self._record = replace(self._record, total=0, validator="", durable=0)
        await self._records.save(self._record)
        self._received = self.resumed_from = 0
        self._begin()

    async def settle(self) -> None:
        with disk_errors("writing a part"):
            await self._pieces.settle()

    async def secure(self) -> None:
        with disk_errors("writing a part"):
            # A descriptor of its own: whoever is cancelled closes ours under a thread that goes on.
            await asyncio.to_thread(self._writer.sync, os.dup(self.fd))

    async def checkpoint(self) -> None:
        # Not after its end: a part that is gone must not be known again.
        if self.fd >= 0 and self._writer.synced > self._record.durable:
            self._record = replace(self._record, durable=self._writer.synced)
            await self._records.save(self._record)

    async def finish(self) -> PartDigests:
        with disk_errors("writing a part"):
            await self._end_threads()
            self._pieces.raise_error()
        await self.ahead.drop_all()
        sha512 = self._hashes[1].hexdigest() if len(self._hashes) > 1 else ""
        return PartDigests(size_bytes=self._writer.written, sha256=self._hashes[0].hexdigest(), sha512=sha512)

    async def read(self, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self.read_now, offset, length)

    def read_now(self, offset: int, length: int) -> bytes:
        with disk_errors("reading a part"):
            return os.pread(self.fd, length, offset)

    async def close(self) -> None:
        await self.ahead.close()
        if self.fd >= 0:
            await self._end_threads()
            os.close(self.fd)
            self.fd = -1
            if self._writer.doubtful:
                await self.doubt()

    async def doubt(self) -> None:
        """After a failed write or sync: whoever goes on with it trusts only what was synced before.

        Raises:
            StorageFull, StorageIo, StoreNotWritable
        """
        self._record = replace(self._record, boot_id="")
        try:
            await self._records.save(self._record)
        except LibraryError:
            # Where that cannot be written down, nobody goes on with it at all.
            with disk_errors("removing a part"):
                await asyncio.to_thread(self._disk.unlink, self.path)

    async def discard(self) -> None:
        self._writer.doubtful = False
        await self.close()
        await self.ahead.drop_all()
        with disk_errors("removing a part"):
            await asyncio.to_thread(self._disk.unlink, self.path)
        # On a full disk it cannot be forgotten; without its file it means nothing.
        with suppress(StorageFull):
            await self._records.remove(self.key)

    def _begin(self) -> None:
        """New hashes and new threads, at the file's beginning."""
        self._ending = None
        self._writer = PieceWriter(self.fd, disk=self._disk, offset=0)
        self._hashes = [hashlib.sha256()]
        if self._record.expected.startswith("sha512:"):
            self._hashes.append(hashlib.sha512())
        # A thread each: the disk is waited for while the processor hashes.
        hashing = [("part-hash", digest.update) for digest in self._hashes]
        self._pieces = Pieces([("part-write", self._writer.write), *hashing])

    async def _end_threads(self) -> None:
        """Let the threads finish what they were given; their errors are raised by ``finish``."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end_all())
        # Whoever is cancelled here leaves it going: the file must not be closed under its writer.
        await asyncio.shield(self._ending)

    async def _end_all(self) -> None:
        await self._pieces.finish()
        self._writer.close()


def _hash(fd: int, digest: _Hash, size: int) -> None:
    """Hash the first ``size`` bytes and close ``fd``."""
    buffer = memoryview(bytearray(_READ_AGAIN))
    offset = 0
    try:
        while offset < size:
            count = os.preadv(fd, [buffer[: min(_READ_AGAIN, size - offset)]], offset)
            if count == 0:
                raise OSError(errno.EIO, "the file is shorter than before")
            digest.update(buffer[:count])
            offset += count
    finally:
        os.close(fd)


async def open_part(
    *, path: Path, key: str, expected: str, records: PartRecords, disk: Disk, reserve: Reserve
) -> PartFile:
    """The part at ``path`` with the bytes that can be trusted to be there.

    Raises:
        StoreNotWritable, StorageFull, StorageIo
    """
    found = await records.load(key)
    with disk_errors("opening a part"):
        fd, size, total = await asyncio.to_thread(_open, disk, path, found, expected)
    record = (
        replace(found, boot_id=boot_id(), total=total)
        if found and size
        else PartRecord(key=key, expected=expected, boot_id=boot_id())
    )
    part = PartFile(path=path, fd=fd, record=record, records=records, disk=disk, reserve=reserve)
    try:
        await records.save(record)
        await part.ahead.find(trusted=size > 0 and _same_boot(found))
        await part.resume(size)
    except BaseException:
        await part.close()
        raise
    return part


def _open(disk: Disk, path: Path, found: PartRecord | None, expected: str) -> tuple[int, int, int]:
    """A descriptor, how many bytes are gone on with, and the size of the whole (0: not known)."""
    if _is_blob(disk, path):
        if found is not None and found.expected == expected:
            # We were killed while it was published: whole, durable, and not to be written any more.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            size = os.fstat(fd).st_size
            return fd, size, size
        disk.unlink(path)
    fd = disk.create(path)
    try:
        size = _trusted_size(found, expected=expected, size=os.fstat(fd).st_size)
        disk.truncate(fd, size)
        # What is synced into it later must not be lost with its name.
        disk.sync_directory(path.parent)
    except BaseException:
        empty = os.fstat(fd).st_size == 0
        os.close(fd)
        if empty:
            with suppress(OSError):
                disk.unlink(path)
        raise
    return fd, size, found.total if found else 0


def _is_blob(disk: Disk, path: Path) -> bool:
    """Whether a published image has the same file; one that only became read-only is writable again."""
    try:
        seen = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1 and not seen.st_mode & stat.S_IWUSR:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            disk.set_mode(fd, 0o600)
        finally:
            disk.close(fd)
    return seen.st_nlink > 1


def _empty(disk: Disk, path: Path, fd: int) -> None:
    """Make ``fd`` an empty file at ``path``; a published image that has the same file keeps it."""
    if os.fstat(fd).st_nlink == 1:
        disk.truncate(fd, 0)
        return
    disk.unlink(path)
    fresh = disk.create(path, fresh=True)
    os.dup2(fresh, fd, inheritable=False)
    disk.close(fresh)


def _trusted_size(found: PartRecord | None, *, expected: str, size: int) -> int:
    """How many of the file's bytes are gone on with; the rest is cut off."""
    if found is None or found.expected != expected:
        return 0
    # After a power cut only what was synced counts; after a kill the kernel still has the rest.
    trusted = size if _same_boot(found) else min(size, found.durable)
    # A whole file may end anywhere; one that goes on does so at an aligned place.
    return trusted if trusted == found.total else trusted - trusted % ALIGNMENT


def _same_boot(found: PartRecord | None) -> bool:
    return found is not None and found.boot_id == boot_id() != ""
