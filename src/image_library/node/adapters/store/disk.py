"""The file operations that decide what survives, in one place so that a test can make each of them fail.

Nothing else in the store changes a file or a directory (a house rule): the tests of tests/crash write down,
break off and fail every one of these, and model what a power cut leaves of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from image_library.domain.errors import LibraryError, StorageFull, StorageIo, StoreNotWritable

# Of a large file system this much stays free for what must go on; of a small one a twentieth.
KEEP_FREE = 2 << 30
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class Space:
    """Bytes of a file system: free for this user, not free, and in all."""

    free: int
    used: int
    total: int


class Disk:
    """The real operations. A failed sync is final for the attempt: nobody syncs again and trusts it."""

    # Bytes of a growing file between two syncs: rare enough to cost nothing, and what a power cut takes.
    sync_every = 16 << 20

    def create(self, path: Path, *, fresh: bool = False) -> int:
        """A descriptor of the file at ``path``, made where there is none, or only then where ``fresh``."""
        only = os.O_EXCL if fresh else 0
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | only, 0o600)

    def write(self, fd: int, data: memoryview, offset: int) -> None:
        """Write all of ``data`` at ``offset``."""
        while data:
            count = self.write_some(fd, data, offset)
            if count == 0:
                raise OSError(errno.EIO, "nothing was written")
            offset += count
            data = data[count:]

    def write_some(self, fd: int, data: memoryview, offset: int) -> int:
        """One write, which may be short; how many bytes it took."""
        return os.pwrite(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def set_mode(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def set_owner(self, fd: int, user: int, group: int) -> None:
        os.fchown(fd, user, group)

    def open_direct(self, fd: int) -> int:
        """Another descriptor of the file that goes past the page cache; -1 where there is no such way."""
        try:
            return os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        except OSError:
            return -1

    def close(self, fd: int) -> None:
        if fd >= 0:
            os.close(fd)

    def datasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def sync_directory(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def link(self, fd: int, target: Path) -> None:
        """Give the very file that ``fd`` has open the name ``target``; FileExistsError where it is taken."""
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Only with a directory descriptor does Python let the kernel follow the magic link.
            os.link(f"/proc/self/fd/{fd}", target, src_dir_fd=directory, follow_symlinks=True)
        finally:
            os.close(directory)

    def symlink(self, target: str, path: Path) -> None:
        path.symlink_to(target)

    def rename(self, path: Path, target: Path) -> None:
        """Give it another name, replacing what has that one."""
        path.replace(target)

    def unlink(self, path: Path) -> None:
        """Take a name away; that there is none is fine."""
        path.unlink(missing_ok=True)

    def make_directory(self, path: Path, mode: int = 0o700) -> None:
        """Make it where there is none, durably: what is put into it does not vanish with it."""
        if not path.is_dir():
            self.make_directory_entry(path, mode)
            self.sync_directory(path.parent)

    def make_directory_entry(self, path: Path, mode: int) -> None:
        path.mkdir(mode=mode, exist_ok=True)

    def space(self, path: Path) -> Space:
        seen = os.statvfs(path)
        total = seen.f_blocks * seen.f_frsize
        free = seen.f_bavail * seen.f_frsize
        return Space(free=free, used=total - free, total=total)


def translated(error: OSError, doing: str) -> LibraryError:
    """The error that a user meets for a file operation's failure; ``doing`` continues "... failed"."""
    why = (error.strerror or "unknown reason").lower()
    if error.errno in _FULL:
        return StorageFull(f"There is no space left: {doing} failed ({why}).")
    if error.errno in _FORBIDDEN:
        return StoreNotWritable(f"The store cannot be written: {doing} failed ({why}).")
    return StorageIo(f"The disk failed: {doing} failed ({why}).")


@contextmanager
def disk_errors(doing: str) -> Generator[None]:
    """Turn file errors within into the ones that users meet."""
    try:
        yield
    except OSError as error:
        raise translated(error, doing) from error
