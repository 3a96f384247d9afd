"""VMs' disks: made on top of an image, and given all that they show."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from image_library.domain.conversion import DiskInside
from image_library.domain.errors import (
    ConvertFailed,
    HypervisorFailed,
    LibraryError,
    StorageFull,
    StorageIo,
    printable,
)
from image_library.domain.image import ImageFormat
from image_library.domain.sizes import in_words
from image_library.node.adapters.jail import Jail, JailLimits
from image_library.node.adapters.qemu_img.program import (
    LOOK,
    MEMORY,
    QemuImgProgram,
    alone,
    chain,
    name_of,
    opened,
    refusal,
    tell_share,
)
from image_library.node.adapters.store.disk import KEEP_FREE, Disk, disk_errors

# Making an overlay takes tens of milliseconds; a store that hangs must not hang the node.
CREATE_SECONDS = 60.0
# A whole disk is copied.
FLATTEN = JailLimits(wall_seconds=4 * 3600.0, cpu_seconds=4 * 3600, memory=MEMORY)
# What measuring does not foresee of a qcow2's own tables.
SLACK = 64 << 20
_CREATE_OUTPUT = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A VM's disk on its image, as qemu-img is told of it, and the open files that it needs."""

    name: str
    descriptors: tuple[int, int]


class QemuImg:
    """``search_path`` is where the program is looked for (None: as PATH says)."""

    def __init__(
        self,
        jail: Jail,
        *,
        search_path: str | None = None,
        create_seconds: float = CREATE_SECONDS,
        flatten: JailLimits = FLATTEN,
    ) -> None:
        self._program = QemuImgProgram(jail, search_path=search_path)
        self._create_seconds = create_seconds
        self._flatten = flatten

    async def create_overlay(
        self, target: str, *, backing: str, backing_format: ImageFormat, size_bytes: int
    ) -> None:
        """Makes a qcow2 at ``target`` on top of ``backing``, readable by the node only, and safe on disk.

        Raises:
            HypervisorMissing: qemu-img is not installed.
            StorageFull, StorageIo, HypervisorFailed: it could not be made.
        """
        all_absolute(target, backing)
        await asyncio.to_thread(_see, backing)
        # "-u": the image, which is foreign bytes, is not opened to make a disk on top of it. So no jail.
        base = ("-u", "-F", backing_format.value, "-b", backing)
        made = ("create", "-q", "-f", "qcow2", *base, "--", target, str(size_bytes))
        await self._create(*made)
        await asyncio.to_thread(_secure_name, target)

    async def flatten(
        self,
        source: str,
        target: str,
        *,
        backing: str,
        backing_format: ImageFormat,
        told: Callable[[float], None] = lambda share: None,
    ) -> None:
        """Writes all that ``source`` on top of ``backing`` shows as one qcow2, and then names it ``target``.

        Raises:
            HypervisorMissing: qemu-img is not installed.
            JailMissing, ConvertKilled, JailedProgramDied
            StorageFull, StorageIo, HypervisorFailed: it could not be made; nothing of it is left.
        """
        all_absolute(source, target, backing)
        made = f"{target}.new"
        try:
            async with chained(source, backing, backing_format) as disk:
                limits = await within(self._program, disk, Path(target).parent, self._flatten)
                await self._copy(disk, made, limits, told)
            await asyncio.to_thread(take_name, made, target)
        except ConvertFailed as error:
            raise HypervisorFailed(error.message) from error
        except OSError as error:
            raise HypervisorFailed(f"The VM's disk cannot be read: {error.strerror}.") from error
        finally:
            await asyncio.to_thread(Path(made).unlink, missing_ok=True)

    async def _copy(self, disk: Chain, made: str, limits: JailLimits, told: Callable[[float], None]) -> None:
        # Opened before the program starts: what is wrong with its writes, this descriptor is told.
        async with opened(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as descriptor:
            await self._program.run(
                *("convert", "-p", "-O", "qcow2", disk.name, name_of(descriptor)),
                limits=limits,
                readable=disk.descriptors,
                writable=(descriptor,),
                heard=lambda chunk: tell_share(chunk, told),
            )
            await asyncio.to_thread(secure, descriptor)

    async def _create(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            self._program.find(),
            *arguments,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env={"LC_ALL": "C"},
            # Not process_group: uvloop does not know it.
            start_new_session=True,
        )
        assert process.stderr is not None
        said = b""
        try:
            async with asyncio.timeout(self._create_seconds):
                while chunk := await process.stderr.read(_CREATE_OUTPUT):
                    said = (said + chunk)[:_CREATE_OUTPUT]
                status = await process.wait()
        except TimeoutError as error:
            raise HypervisorFailed(f"qemu-img did not finish within {self._create_seconds:g} s.") from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if status != 0:
            raise of_a_disk(refusal(said))


async def within(program: QemuImgProgram, disk: Chain, folder: Path, limits: JailLimits) -> JailLimits:
    """The limits for a whole copy. Raises StorageFull where it would leave others too little to work with."""
    said = await program.run(
        *("measure", "-O", "qcow2", "--output=json", disk.name),
        limits=replace(LOOK, wall_seconds=CREATE_SECONDS, cpu_seconds=int(CREATE_SECONDS)),
        readable=disk.descriptors,
    )
    needed = int(json.loads(said)["required"])
    await room_for(needed, folder)
    return replace(limits, file_size=needed + SLACK)


async def room_for(needed: int, folder: Path) -> None:
    """Raises StorageFull where so many bytes would leave others too little to work with."""
    with disk_errors("looking at the file system"):
        space = await asyncio.to_thread(Disk().space, folder)
    keep = min(space.total // 20, KEEP_FREE)
    if needed + keep > space.free:
        raise StorageFull(
            f"The VM's new disk needs {in_words(needed)}; {in_words(space.free)} are free in {folder}, "
            f"and {in_words(keep)} must stay free."
        )


def of_a_disk(error: LibraryError) -> LibraryError:
    """What went wrong with a VM's disk is no failed conversion of an image."""
    return HypervisorFailed(error.message) if isinstance(error, ConvertFailed) else error


def all_absolute(*paths: str) -> None:
    """Raises HypervisorFailed for others: an absolute path is never taken for a protocol."""
    for path in paths:
        if not Path(path).is_absolute():
            raise HypervisorFailed(f"'{printable(path)}' is not an absolute path.")


@asynccontextmanager
async def chained(source: str, backing: str, backing_format: ImageFormat) -> AsyncGenerator[Chain]:
    """The whole chain is said: no header, and no name in one, is believed."""
    async with AsyncExitStack() as stack:
        over = await stack.enter_async_context(opened(source, os.O_RDONLY))
        # The image may be known by a readable name, which is a link of ours.
        base_path = await asyncio.to_thread(os.path.realpath, backing)
        base = await stack.enter_async_context(opened(base_path, os.O_RDONLY))
        disk = DiskInside(format=ImageFormat.QCOW2)
        node = {**alone(over, disk), "backing": alone(base, DiskInside(format=backing_format))}
        yield Chain(name=chain(node), descriptors=(over, base))


def _see(backing: str) -> None:
    try:
        os.stat(backing)  # noqa: PTH116
    except OSError as error:
        raise HypervisorFailed(f"The disk's image cannot be used: {error.strerror}.") from error


def _secure_name(target: str) -> None:
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise StorageIo(f"The VM's disk could not be made safe: {error.strerror}.") from error
    try:
        secure(descriptor)
    finally:
        os.close(descriptor)


def secure(descriptor: int) -> None:
    """Durably on disk, and the node's alone. Raises StorageIo."""
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    except OSError as error:
        raise StorageIo(f"The VM's disk could not be made safe: {error.strerror}.") from error


def take_name(made: str, target: str) -> None:
    """Durably: after a power cut the name means nothing, or the whole file."""
    try:
        Path(made).replace(target)
        folder = os.open(Path(target).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StorageIo(f"The VM's disk could not be made safe: {error.strerror}.") from error
