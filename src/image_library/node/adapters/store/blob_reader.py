"""Reading a published blob through one descriptor: what was looked at is what is read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from image_library.domain.errors import ImageChanged, ImageFileMissing
from image_library.node.adapters.store.disk import disk_errors


class BlobReader:
    def __init__(self, fd: int, *, size: int) -> None:
        self.fd = fd
        self.size = size

    async def read(self, offset: int, length: int) -> bytes:
        with disk_errors("reading an image"):
            block = await asyncio.to_thread(os.pread, self.fd, length, offset)
        if not block and offset < self.size:
            raise ImageFileMissing("The image's file ends before its end.")
        return block

    async def close(self) -> None:
        os.close(self.fd)


def open_blob(path: Path, *, size: int, inode: int, mtime_ns: int) -> BlobReader:
    """Open the blob that was looked at.

    Raises:
        ImageFileMissing: it is gone.
        ImageChanged: it is another file, or was written.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ImageFileMissing("The image's file is gone.") from error
    seen = os.fstat(fd)
    if (seen.st_size, seen.st_ino, seen.st_mtime_ns) != (size, inode, mtime_ns):
        os.close(fd)
        raise ImageChanged("The image's file was changed.", remedy="Download the image again.")
    return BlobReader(fd, size=size)
