"""What the node's VM services need from outside, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Condition, Machine, MachineRecord
from image_library.domain.secret import Secret
from image_library.domain.store import LocalFile, PublishedImage
from image_library.domain.vm import SeedDocuments


class PublishedImages(Protocol):
    """The node's published images."""

    async def find(self, digest: str) -> PublishedImage:
        """The image "sha256:HEX".

        Raises:
            ImageNotReady: it is not here.
            ImageFileMissing, ImageChanged, ImageDamaged: its file is gone, was written, or has rotted.
        """
        ...

    async def find_by_path(self, path: str) -> PublishedImage | None:
        """The image with this readable or blob path, None where it is no published image's."""
        ...


class OperatorFiles(Protocol):
    """The files that operators put beside the published images."""

    async def find_by_path(self, path: str) -> LocalFile | None:
        """The safe image file with this absolute path, None where the folder has none."""
        ...


class VmJournal(Protocol):
    """The node's own record of its VMs, written down before it is acted on."""

    async def all(self) -> tuple[MachineRecord, ...]: ...
    async def save(self, record: MachineRecord) -> None: ...
    async def remove(self, vm_id: str) -> None: ...


class VmFolders(Protocol):
    """One private folder a VM; nothing outside it is ever touched."""

    def path(self, vm_id: str) -> str:
        """Absolute; whether it exists is not looked at."""
        ...

    async def make(self, vm_id: str) -> str:
        """An empty folder that only the node may enter, in place of whatever a dead attempt left there."""
        ...

    async def remove(self, vm_id: str) -> None:
        """Removes the folder and all in it, never following links. Nothing there is fine."""
        ...

    async def drop(self, vm_id: str, name: str) -> None:
        """Removes one file of a VM's folder. Nothing there is fine."""
        ...

    async def files(self, vm_id: str) -> tuple[str, ...]:
        """The names in a VM's folder; none where it is not there."""
        ...

    async def size(self, vm_id: str) -> int:
        """Bytes that the files in a VM's folder take on the disk."""
        ...

    async def listed(self) -> tuple[str, ...]: ...


class DiskMaker(Protocol):
    async def create_overlay(
        self, target: str, *, backing: str, backing_format: ImageFormat, size_bytes: int
    ) -> None:
        """A new disk of that size on top of an image, which stays as it is."""
        ...

    async def flatten(
        self,
        source: str,
        target: str,
        *,
        backing: str,
        backing_format: ImageFormat,
        told: Callable[[float], None] = ...,
    ) -> None:
        """A disk at ``target`` that shows what ``source`` on top of its image does; whole, or not there.

        ``told`` hears how much is done, 0 to 1.
        """
        ...


class DiskChanger(Protocol):
    """Changes disks of VMs that do not run. What it makes is whole and durable, or not there."""

    async def grow(self, path: str, size_bytes: int) -> None:
        """Makes it that large; what is new reads as zeros. It never shrinks.

        Raises:
            DiskShrinks: it is larger already.
        """
        ...

    async def size(self, path: str) -> int:
        """The bytes that a guest sees of it, by its own header. Raises HypervisorFailed: it has none."""
        ...

    async def copy(self, source: str, target: str, *, told: Callable[[float], None]) -> int:
        """The same disk at ``target``; the bytes that its file takes. ``told`` hears of it, 0 to 1."""
        ...

    async def rebase(
        self, source: str, target: str, *, old: Backing, new: Backing, told: Callable[[float], None]
    ) -> None:
        """A disk at ``target`` that shows on ``new`` to the byte what ``source`` does on ``old``.

        Raises:
            RebaseRefused: it did not come out the same.
        """
        ...


class SeedWriter(Protocol):
    async def write(self, folder: str, documents: SeedDocuments) -> None:
        """Puts the documents on a seed in ``folder`` that only the node may read."""
        ...


class SeedDesk(Protocol):
    """What guests without a seed are told at their door."""

    async def lay_out(self, folder: str, documents: SeedDocuments, serial: str) -> None:
        """Puts the documents, and the serial number of the machine, into files that only the node may read.

        Raises:
            StorageFull, StorageIo: the disk did not take it.
        """
        ...

    async def find(self, vm_id: str, name: str) -> bytes | None:
        """One of them, None where there is none or it is gone."""
        ...

    async def clear(self, vm_id: str) -> None:
        """Removes the documents. None there is fine."""
        ...


class Hypervisor(Protocol):
    """Runs machines. A VM goes on when the node's daemon ends."""

    async def accelerator(self) -> str:
        """The word for how guests run here: "kvm" or "tcg"."""
        ...

    async def capabilities(self) -> tuple[str, ...]:
        """What VMs can be given here, in the words of ``domain.capabilities``."""
        ...

    async def has_doors(self) -> bool:
        """Whether guests can be given a door that is in no network."""
        ...

    async def define(self, machine: Machine) -> None:
        """Makes it known where machines are listed, once its disk and seed are there. It does not start.

        Raises:
            HypervisorMissing, HypervisorFailed
        """
        ...

    async def start(self, machine: Machine, *, avoid_ports: frozenset[int]) -> int:
        """Starts it and gives the loopback port that its SSH is forwarded from: the machine's own if free.

        Raises:
            HypervisorMissing: there is no program here that could run it.
            FirmwareMissing, TpmMissing: it needs UEFI or a TPM, and there is none.
            HypervisorFailed: the program refused; the sentence is its own.
        """
        ...

    async def condition(self, vm_id: str) -> Condition:
        """How it is now, also when it was started by an earlier daemon."""
        ...

    async def changed(self, vm_id: str, known: Condition | None) -> Condition:
        """Waits until its condition is another than ``known``, and gives the new one.

        Raises:
            HypervisorFailed: its process does not answer.
        """
        ...

    async def press_power_button(self, vm_id: str) -> None:
        """Asks the guest to switch itself off. It may not listen."""
        ...

    async def ask_agent_to_shut_down(self, vm_id: str) -> None:
        """The same by way of the guest's agent, where there is one."""
        ...

    async def resize_disk(self, vm_id: str, size_bytes: int) -> None:
        """Gives the disk of one that runs that size, and tells the guest. It never shrinks.

        Raises:
            DiskShrinks: it is larger already.
            HypervisorFailed: it does not run any more, or refused.
        """
        ...

    async def pause(self, vm_id: str) -> None:
        """Holds one that runs still, and returns when all that it has written is in its disk's file.

        Raises:
            HypervisorFailed: it does not run, or does not stand still.
        """
        ...

    async def resume(self, vm_id: str) -> None:
        """Lets it go on. One that does so already, or is gone, is fine. Raises HypervisorFailed."""
        ...

    async def end(self, vm_id: str) -> None:
        """Ends its process, whatever the guest does, and returns when it is gone. Gone already is fine."""
        ...

    async def forget(self, vm_id: str) -> None:
        """Takes one that has ended from that list. Not there is fine."""
        ...

    async def detach(self) -> None:
        """Lets go of every VM without disturbing it."""
        ...


class GuestAgents(Protocol):
    """What guests' agents do when they are asked. A guest may have none, or forbid it things."""

    async def freeze(self, vm_id: str) -> None:
        """All its file systems are whole on its disk, and nothing writes to them until ``thaw``.

        Raises:
            AgentMissing: nobody answered, and nothing was asked for.
            FreezeFailed: it refused, or did not say in time that it has; it may have, or may do so yet.
        """
        ...

    async def thaw(self, vm_id: str) -> None:
        """Undoes that; thawed already is fine. What was asked for before has been done by then.

        Raises:
            FreezeFailed: it does not answer, or refuses and says that they are frozen.
        """
        ...

    async def run(self, vm_id: str, script: str) -> None:
        """Lets a shell read the script, as root, and returns when it has ended well.

        Raises:
            AgentMissing: nobody answered.
            AgentForbids: it may not run programs.
            CleaningFailed: it ended otherwise, or not in time.
        """
        ...


class ConsoleLine(Protocol):
    """A connection to one of a guest's consoles. ``close`` when done."""

    async def read(self) -> bytes:
        """What came, at most 64 KiB; empty once the other side is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Returns when the guest has room for more. What comes after the other side is gone is lost."""
        ...

    def close(self) -> None: ...


class GuestLines(Protocol):
    async def open(self, vm_id: str) -> ConsoleLine:
        """The only connection to its serial console.

        Raises:
            ConsoleMissing: the VM has none, or its process is gone.
        """
        ...


class GuestScreens(Protocol):
    """The displays of guests that run."""

    async def require(self, vm_id: str) -> None:
        """Raises ConsoleMissing: it was started without a display, or its process is gone."""
        ...

    async def open(self, vm_id: str, password: Secret) -> ConsoleLine:
        """A connection that speaks RFB and asks for this password, one of several.

        The password opens this display for ``PASSWORD_SECONDS``, or until ``close_doors``; the one before
        is forgotten.

        Raises:
            ConsoleMissing: as above.
        """
        ...

    async def close_doors(self, vm_id: str) -> None:
        """From now on no password opens it. Who is in stays; a VM that is gone is fine."""
        ...

    async def picture(self, vm_id: str) -> bytes:
        """What it shows, as ``domain.picture`` reads it, at most ``LARGEST_SCREEN``.

        Raises:
            ConsoleMissing: as above.
            HypervisorFailed: there is no picture.
        """
        ...


class GuestDoors(Protocol):
    async def open(self, vm_id: str) -> ConsoleLine:
        """The node's end of what its guest posts, of all its connections one after the other.

        Raises:
            ConsoleMissing: the VM has no door, or its process is gone.
        """
        ...


class GuestWindow(Protocol):
    """What can be seen of a guest from outside, without logging in."""

    async def console(self, vm_id: str, offset: int) -> bytes:
        """Up to 256 KiB of this boot's serial console from a byte offset; empty where there is none yet."""
        ...

    async def console_size(self, vm_id: str) -> int:
        """Bytes of this boot's serial console so far; it begins anew with every start."""
        ...

    async def trim_console(self, vm_id: str) -> None:
        """Begins the console anew, at its offset 0, where it has grown past the limit."""
        ...

    async def ssh_answers(self, port: int) -> bool:
        """Whether an SSH server greets on that loopback port."""
        ...

    async def agent(self, vm_id: str) -> AgentFacts | None:
        """What its agent tells; None while it is silent."""
        ...
