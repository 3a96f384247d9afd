"""What making a template of a VM needs from outside: a look at its disk, a copy of it, and a cleaned copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from image_library.domain.generalisation import GuestAudit
from image_library.domain.image import ImageFormat
from image_library.node.ports.conversion import Tell


@dataclass(frozen=True, kw_only=True)
class DiskFile:
    """One file of a VM's disk. ``path`` is absolute."""

    path: str
    format: ImageFormat
    # Its VM's process has it open for writing, and is held still.
    in_use: bool = False


# The VM's own file, and where that does not stand alone the image below it. Formats are never guessed.
VmDisk = tuple[DiskFile, ...]


class VmDisks(Protocol):
    """All raise JailMissing, JailedProgramDied, HypervisorFailed where the disk cannot be read."""

    async def audit(self, disk: VmDisk) -> GuestAudit:
        """What the disk holds that is its guest's own. The reason says what could not be read."""
        ...

    async def audit_copy(self, descriptor: int) -> GuestAudit:
        """The same of an open raw copy."""
        ...

    async def measure(self, disk: VmDisk) -> int:
        """At most how many bytes a raw copy takes.

        Raises:
            HypervisorMissing, ConvertFailed, ConvertKilled
        """
        ...

    async def copy(self, disk: VmDisk, target: int, *, told: Tell) -> None:
        """All that the disk shows, raw, into the empty file ``target``, with holes where there are zeros.

        Raises:
            HypervisorMissing, ConvertFailed, ConvertKilled, AllocatedTooLarge, StorageFull
        """
        ...


class GuestCleaner(Protocol):
    async def clean(self, descriptor: int, audit: GuestAudit) -> None:
        """Changes an open raw copy, which is nobody's disk: its traces go, and with them what was deleted.

        Raises:
            CleaningFailed, JailMissing, JailedProgramDied
            CleanerMissing: there is no program here that could do it.
        """
        ...
