"""The only place that runs qemu-img: explicit formats, absolute paths, bounded in all it does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from image_library.domain.errors import (
    HypervisorFailed,
    HypervisorMissing,
    LibraryError,
    StorageFull,
    StorageIo,
    printable,
)
from image_library.domain.image import ImageFormat

PROGRAM = "qemu-img"
MAX_OUTPUT_BYTES = 64 << 10
# Making an overlay takes tens of milliseconds; a store that hangs must not hang the node.
CREATE_SECONDS = 60.0


class QemuImg:
    """``search_path`` is where the program is looked for (None: as PATH says)."""

    def __init__(self, *, search_path: str | None = None, create_seconds: float = CREATE_SECONDS) -> None:
        self._search_path = search_path
        self._create_seconds = create_seconds

    async def create_overlay(
        self, target: str, *, backing: str, backing_format: ImageFormat, size_bytes: int
    ) -> None:
        """Makes a qcow2 at ``target`` on top of ``backing``, readable by the node only, and safe on disk.

        Raises:
            HypervisorMissing: qemu-img is not installed.
            StorageFull, StorageIo, HypervisorFailed: it could not be made.
        """
        # An absolute path is never taken for a protocol, whatever characters follow.
        for path in (target, backing):
            if not Path(path).is_absolute():
                raise HypervisorFailed(f"'{printable(path)}' is not an absolute path.")
        base = ("-F", backing_format.value, "-b", backing)
        await self._run("create", "-q", "-f", "qcow2", *base, "--", target, str(size_bytes))
        await asyncio.to_thread(_secure, target)

    async def _run(self, *arguments: str) -> None:
        program = shutil.which(PROGRAM, path=self._search_path)
        if program is None:
            raise HypervisorMissing(
                "qemu-img is not installed.", remedy="Install it: apt-get install qemu-utils."
            )
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env={"LC_ALL": "C"},
            # Not process_group: uvloop does not know it.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._create_seconds):
                said = await _bounded_output(process)
                status = await process.wait()
        except TimeoutError as error:
            raise HypervisorFailed(f"qemu-img did not finish within {self._create_seconds:g} s.") from error
        finally:
            await _end_group(process)
        if status != 0:
            raise _refusal(said)


async def _bounded_output(process: Process) -> bytes:
    """The beginning of what it says; all of it is read, so that it is never kept waiting."""
    assert process.stderr is not None
    kept = b""
    while chunk := await process.stderr.read(MAX_OUTPUT_BYTES):
        kept = (kept + chunk)[:MAX_OUTPUT_BYTES]
    return kept


async def _end_group(process: Process) -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _refusal(said: bytes) -> LibraryError:
    text = said.decode("utf-8", "replace").strip()
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return StorageFull("There is no space left for the VM's disk.")
    first = text.splitlines()[0].removeprefix("qemu-img: ") if text else "it gave no reason"
    return HypervisorFailed(
        f"qemu-img could not make the disk: {printable(first, 300)}.",
        remedy="Check the data directory's disk and the image.",
    )


def _secure(target: str) -> None:
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageIo(f"The VM's disk could not be made safe: {error.strerror}.") from error
