"""What scrubbing needs of a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from image_library.domain.inventory import DamagedImage
from image_library.domain.store_health import Damage


@dataclass(frozen=True, kw_only=True)
class BlobTurn:
    """A published blob, when it was read last, and when its bytes were last what they should be."""

    # "sha256:HEX".
    digest: str
    looked_at: datetime
    verified_at: datetime
    # The readable name, and the bytes that will be read.
    name: str = ""
    size_bytes: int = 0


class RawBlob(Protocol):
    """A blob's bytes as they are on the disk, through one descriptor."""

    @property
    def size(self) -> int: ...

    @property
    def mark(self) -> tuple[int, int, int]:
        """Inode, size and time of the last change (ns) when it was opened."""
        ...

    async def read(self, offset: int) -> bytes:
        """Some bytes from a multiple of a MiB on, a whole MiB but at the end; empty at the end.

        Raises:
            StorageIo
        """
        ...

    async def close(self) -> None: ...


class ScrubbedStore(Protocol):
    async def turns(self) -> tuple[BlobTurn, ...]:
        """Every published blob, the one that was not looked at for longest first."""
        ...

    async def open(self, digest: str) -> RawBlob:
        """Its file, whatever that is by now; to be closed.

        Raises:
            ImageNotReady: it is no image of this node.
            ImageFileMissing: its file is gone.
            StorageIo
        """
        ...

    async def passed(self, digest: str, blob: RawBlob) -> bool:
        """Record that the bytes are right; False where the file is none that was published all the same."""
        ...

    async def missed(self, digest: str) -> None:
        """Record that it could not be read, so that others come first."""
        ...

    async def condemn(self, digest: str, blob: RawBlob, actual: str) -> bool:
        """Put the blob aside, whose sha256 is ``actual``, and forget the image; False where fresh bytes came.

        Who has it open keeps it.

        Raises:
            StorageIo, StoreNotWritable, StorageFull
        """
        ...

    async def damaged(self) -> tuple[DamagedImage, ...]:
        """What was put aside and has not come again."""
        ...

    async def last_damage(self) -> Damage | None:
        """What was put aside last, also where it has come again."""
        ...

    async def tidy(self) -> None:
        """Remove what was put aside a week ago."""
        ...
