"""VMs' disks that are there already: made larger, copied, and put on another version of their image."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from image_library.domain.conversion import DiskInside
from image_library.domain.errors import (
    ConvertFailed,
    DiskShrinks,
    HypervisorFailed,
    LibraryError,
    RebaseRefused,
)
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing
from image_library.domain.qcow2 import HEADER_BYTES, read_header
from image_library.node.adapters.jail import Jail, JailLimits
from image_library.node.adapters.qemu_img.disks import (
    CREATE_SECONDS,
    FLATTEN,
    Chain,
    all_absolute,
    chained,
    of_a_disk,
    room_for,
    secure,
    take_name,
    within,
)
from image_library.node.adapters.qemu_img.program import (
    MEMORY,
    QemuImgProgram,
    alone,
    chain,
    opened,
    tell_share,
)
from image_library.node.adapters.store.disk import disk_errors

# Of one that writes tables only.
_QUICK = JailLimits(
    wall_seconds=CREATE_SECONDS, cpu_seconds=int(CREATE_SECONDS), memory=MEMORY, file_size=None
)
# How much is copied between two looks at whether it is still wanted.
_PIECE = 16 << 20
# FICLONE of linux/fs.h: another name for the same blocks, where the file system can.
_CLONE = 0x40049409
_CANNOT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
_OVERLAY = DiskInside(format=ImageFormat.QCOW2)
# How a rebase and the look at its result share the bar.
_REBASE_SHARE = 0.6

Told = Callable[[float], None]
T = TypeVar("T")


class QemuImgChanges:
    """Fulfils ``ports.vms.DiskChanger``. ``search_path`` is where the program is looked for."""

    def __init__(self, jail: Jail, *, search_path: str | None = None, limits: JailLimits = FLATTEN) -> None:
        self._program = QemuImgProgram(jail, search_path=search_path)
        self._limits = limits

    async def grow(self, path: str, size_bytes: int) -> None:
        """Raises DiskShrinks, HypervisorMissing, HypervisorFailed, StorageFull or StorageIo."""
        all_absolute(path)
        with _as_a_disks():
            async with opened(path, os.O_RDWR) as disk:
                try:
                    await self._program.run(
                        *("resize", "-q", _writable(disk), str(size_bytes)),
                        limits=_QUICK,
                        writable=(disk,),
                    )
                except ConvertFailed as error:
                    # It shrinks nothing without being told to by an option that nobody gives it.
                    if "shrink" in error.message.lower():
                        raise DiskShrinks(
                            "The disk is larger than that already.", field="size_gib"
                        ) from error
                    raise
                await _done(secure, disk)

    async def size(self, path: str) -> int:
        """Raises HypervisorFailed: it cannot be read, or is no qcow2."""
        all_absolute(path)
        with _as_a_disks():
            async with opened(path, os.O_RDONLY) as disk:
                data = await _done(os.pread, disk, HEADER_BYTES, 0)
        try:
            return read_header(data, name="The VM's disk").virtual_size
        except LibraryError as error:
            raise HypervisorFailed(error.message) from error

    async def copy(self, source: str, target: str, *, told: Told) -> int:
        """The bytes that the copy takes. Raises StorageFull, StorageIo or HypervisorFailed."""
        all_absolute(source, target)
        async with self._becoming(target) as made:
            await self._duplicate(source, made, told)
            return (await asyncio.to_thread(os.fstat, made)).st_blocks * 512

    async def rebase(self, source: str, target: str, *, old: Backing, new: Backing, told: Told) -> None:
        """Raises RebaseRefused, HypervisorMissing, HypervisorFailed, StorageFull or StorageIo."""
        all_absolute(source, target, old.path, new.path)
        async with (
            chained(source, old.path, old.format) as before,
            opened(await asyncio.to_thread(os.path.realpath, new.path), os.O_RDONLY) as base,
            self._becoming(target) as made,
        ):
            limits = await within(self._program, before, Path(target).parent, self._limits)
            await self._duplicate(source, made, lambda share: None)
            new_base = alone(base, DiskInside(format=new.format))
            old_base = alone(before.descriptors[1], DiskInside(format=old.format))
            await self._program.run(
                *("rebase", "-p", "-b", chain(new_base), "-F", new.format.value),
                _over(made, old_base, writable=True),
                limits=replace(limits, file_size=None),
                readable=(*before.descriptors, base),
                writable=(made,),
                heard=lambda chunk: tell_share(chunk, lambda share: told(share * _REBASE_SHARE)),
            )
            await self._same(before, made, base, new_base, limits, told)
            # By its name at last, for whoever looks at it by hand: the hypervisor is told the whole chain.
            await self._program.run(
                *("rebase", "-u", "-q", "-b", new.path, "-F", new.format.value, _writable(made)),
                limits=_QUICK,
                writable=(made,),
            )

    async def _same(
        self, before: Chain, made: int, base: int, new_base: dict[str, Any], limits: JailLimits, told: Told
    ) -> None:
        """Raises RebaseRefused where a guest would see another byte than before."""
        try:
            await self._program.run(
                *("compare", "-p", before.name, _over(made, new_base)),
                limits=limits,
                readable=(*before.descriptors, made, base),
                heard=lambda chunk: tell_share(
                    chunk, lambda share: told(_REBASE_SHARE + share * (1 - _REBASE_SHARE))
                ),
            )
        except ConvertFailed as error:
            raise RebaseRefused("The disk would read otherwise than before; it was left as it is.") from error

    async def _duplicate(self, source: str, made: int, told: Told) -> None:
        """The same bytes: by reference where the file system can, else piece by piece without the holes."""
        async with opened(source, os.O_RDONLY) as whole:
            if await _done(_cloned, whole, made):
                return
            seen = os.fstat(whole)
            await room_for(seen.st_blocks * 512, Path(source).parent)
            with disk_errors("copying the VM's disk"):
                await _done(os.ftruncate, made, seen.st_size)
                at = 0
                while (span := await _done(_data_from, whole, at, seen.st_size)) is not None:
                    at = await _done(_copied, whole, made, span)
                    told(at / seen.st_size)

    @asynccontextmanager
    async def _becoming(self, target: str) -> AsyncGenerator[int]:
        """A new file that takes the name once what fills it has succeeded; else nothing of it stays."""
        made = f"{target}.new"
        try:
            with _as_a_disks():
                async with opened(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as descriptor:
                    yield descriptor
                    await _done(secure, descriptor)
            await asyncio.to_thread(take_name, made, target)
        finally:
            await asyncio.shield(asyncio.to_thread(Path(made).unlink, missing_ok=True))


@contextmanager
def _as_a_disks() -> Generator[None]:
    """Turns what qemu-img and the file system say into what is said of a VM's disk."""
    try:
        yield
    except ConvertFailed as error:
        raise of_a_disk(error) from error
    except OSError as error:
        raise HypervisorFailed(f"The VM's disk cannot be used: {error.strerror}.") from error


async def _done(work: Callable[..., T], *arguments: Any) -> T:
    """In a thread, and to its end: what it works on is closed, and its number given away, after it only."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})


def _writable(descriptor: int) -> str:
    return chain(alone(descriptor, _OVERLAY) | {"read-only": False})


def _over(descriptor: int, base: dict[str, Any], *, writable: bool = False) -> str:
    return chain(alone(descriptor, _OVERLAY) | {"read-only": not writable, "backing": base})


def _cloned(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError as error:
        if error.errno in _CANNOT_CLONE:
            return False
        raise
    return True


def _data_from(source: int, at: int, end: int) -> tuple[int, int] | None:
    """The next piece with data in it, as offset and end; None where only holes follow."""
    if at >= end:
        return None
    try:
        begin = os.lseek(source, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
    return begin, min(os.lseek(source, begin, os.SEEK_HOLE), begin + _PIECE)


def _copied(source: int, target: int, span: Sequence[int]) -> int:
    """The end of what was copied."""
    at, end = span
    while at < end:
        piece = os.pread(source, min(end - at, 1 << 20), at)
        if not piece:
            return end
        written = os.pwrite(target, piece, at)
        at += written
    return end
