"""Writing a growing file in aligned pieces past the page cache, and syncing it on the way.

Image files are large and hardly read again at once; going around the cache makes them durable two to
three times as fast as writing through it and syncing, and leaves the cache to the VMs.
"""

from __future__ import annotations

from image_library.node.adapters.store.disk import Disk

# Direct writes begin and end at multiples of this on every file system we know.
ALIGNMENT = 4096


class PieceWriter:
    """Used by one thread. Where direct writes are not possible, pieces go through the cache."""

    def __init__(self, fd: int, *, disk: Disk, offset: int) -> None:
        """``offset`` is where the file ends, a multiple of ALIGNMENT."""
        self._fd = fd
        self._disk = disk
        self._direct = disk.open_direct(fd)
        self.written = offset
        # Bytes that a power cut does not take.
        self.synced = offset
        # After a failure the page cache may say what the disk does not have.
        self.doubtful = False

    def write(self, piece: memoryview) -> None:
        """Write the next piece; only the last one may end anywhere."""
        aligned = len(piece) % ALIGNMENT == 0 and self._direct >= 0
        try:
            self._disk.write(self._direct if aligned else self._fd, piece, self.written)
            self.written += len(piece)
            if self.written - self.synced >= self._disk.sync_every:
                self._disk.datasync(self._fd)
                self.synced = self.written
        except OSError:
            self.doubtful = True
            raise

    def sync(self, fd: int) -> None:
        """Sync what was written, through another descriptor of the file, which is closed then."""
        try:
            self._disk.datasync(fd)
            self.synced = self.written
        except OSError:
            self.doubtful = True
            raise
        finally:
            self._disk.close(fd)

    def close(self) -> None:
        self._disk.close(self._direct)
        self._direct = -1
