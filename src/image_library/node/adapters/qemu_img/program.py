"""The only place that starts qemu-img: in the jail, with explicit formats, bounded in all it does."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
import stat
from collections.abc import AsyncGenerator, Callable, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from image_library.domain.conversion import DiskInside
from image_library.domain.errors import (
    AllocatedTooLarge,
    ConvertFailed,
    ConvertKilled,
    HypervisorMissing,
    JailedProgramDied,
    LibraryError,
    StorageFull,
    printable,
)
from image_library.domain.image import ImageFormat
from image_library.node.adapters.jail import Jail, JailLimits

log = structlog.get_logger()

PROGRAM = "qemu-img"
# Address space. Its threads' stacks and its caches are most of it; little of that is ever touched.
MEMORY = 2 << 30
MAX_OUTPUT_BYTES = 1 << 20
# For a look at an image; a genuine one takes some hundredths.
LOOK = JailLimits(wall_seconds=10.0, cpu_seconds=5, memory=MEMORY, output=MAX_OUTPUT_BYTES)

# How it tells its progress.
_PERCENT = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")

# What qemu calls them.
DRIVERS = {image_format: image_format.value for image_format in ImageFormat} | {
    ImageFormat.VHD: "vpc",
    ImageFormat.ISO: "raw",
}


class QemuImgProgram:
    """``search_path`` is where the program is looked for (None: as PATH says)."""

    def __init__(self, jail: Jail, *, search_path: str | None = None) -> None:
        self._jail = jail
        self._search_path = search_path

    def find(self) -> str:
        """Its absolute path.

        Raises:
            HypervisorMissing
        """
        program = shutil.which(PROGRAM, path=self._search_path)
        if program is None:
            raise HypervisorMissing(
                "qemu-img is not installed.", remedy="Install it: apt-get install qemu-utils."
            )
        return str(Path(program).absolute())

    async def run(
        self,
        *arguments: str,
        limits: JailLimits,
        readable: Sequence[int] = (),
        writable: Sequence[int] = (),
        heard: Callable[[bytes], None] | None = None,
        good: Container[int] = (0,),
    ) -> bytes:
        """What it says on stdout, once it has ended well, with a status that is ``good``.

        Killed by a signal, it is run once more.

        Raises:
            HypervisorMissing, JailMissing
            ConvertKilled: a signal ended it twice, as where the machine has no memory left.
            JailedProgramDied: it hung or said too much.
            StorageFull, AllocatedTooLarge, ConvertFailed: it refused.
        """
        argv = (self.find(), *arguments)
        for again in (True, False):
            try:
                ended = await self._jail.run(
                    argv, limits=limits, readable=readable, writable=writable, heard=heard
                )
            except JailedProgramDied as error:
                if not error.by_signal:
                    raise
                log.warning("qemu_img_killed", doing=arguments[0], again=again)
                if again:
                    continue
                raise ConvertKilled(error.message) from error
            if ended.status not in good:
                raise refusal(ended.said)
            return ended.output
        raise AssertionError("it ends within two runs")


def refusal(said: bytes) -> LibraryError:
    """The error for what it wrote on stderr."""
    text = said.decode("utf-8", "replace").strip()
    if os.strerror(errno.ENOSPC) in text or os.strerror(errno.EDQUOT) in text:
        return StorageFull("There is no space left for what qemu-img writes.")
    if os.strerror(errno.EFBIG) in text:
        return AllocatedTooLarge("The image unfolds to more bytes than it may.")
    lines = text.splitlines()
    last = lines[-1].removeprefix("qemu-img: ") if lines else "it gave no reason"
    return ConvertFailed(f"qemu-img refused: {printable(last, 300)}.")


def name_of(descriptor: int) -> str:
    """The name by which the jailed program opens one of the descriptors that it was given."""
    return f"/proc/self/fd/{descriptor}"


def alone(descriptor: int, disk: DiskInside) -> dict[str, Any]:
    """The whole chain of an image that stands alone: no header, and no name in one, adds to it."""
    file: dict[str, Any] = {"driver": "file", "filename": name_of(descriptor)}
    if disk.offset or disk.length:
        file = {"driver": "raw", "offset": disk.offset, "size": disk.length, "file": file}
    backing = {"backing": None} if disk.format is ImageFormat.QCOW2 else {}
    return {"driver": DRIVERS[disk.format], "read-only": True, "file": file, **backing}


def chain(node: dict[str, Any]) -> str:
    return f"json:{json.dumps(node)}"


def tell_share(chunk: bytes, told: Callable[[float], None]) -> None:
    """Tell how much is done, 0 to 1, where it says so in ``chunk`` of its output with "-p"."""
    if found := _PERCENT.findall(chunk):
        told(min(1.0, float(found[-1]) / 100))


@asynccontextmanager
async def opened(path: str, flags: int) -> AsyncGenerator[int]:
    """A regular file that is opened without following a link or waiting on a pipe.

    Raises:
        OSError
    """
    descriptor = await asyncio.to_thread(_open, path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file")


def patient(limits: JailLimits, size: int) -> JailLimits:
    """The same limits with time for that many bytes, however slow the disk is."""
    return replace(
        limits,
        wall_seconds=limits.wall_seconds + size / (2 << 20),
        cpu_seconds=limits.cpu_seconds + size // (8 << 20),
    )
