"""The only place that runs qemu-img: explicit formats, absolute paths, bounded in all it does."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

from image_library.domain.errors import (
    HypervisorFailed,
    HypervisorMissing,
    LibraryError,
    StorageFull,
    StorageIo,
    printable,
)
from image_library.domain.image import ImageFormat
from image_library.domain.sizes import in_words
from image_library.node.adapters.store.disk import KEEP_FREE, Disk, disk_errors

PROGRAM = "qemu-img"
MAX_OUTPUT_BYTES = 64 << 10
# Making an overlay takes tens of milliseconds; a store that hangs must not hang the node.
CREATE_SECONDS = 60.0
# A whole disk is copied.
FLATTEN_SECONDS = 4 * 3600.0


class QemuImg:
    """``search_path`` is where the program is looked for (None: as PATH says)."""

    def __init__(
        self,
        *,
        search_path: str | None = None,
        create_seconds: float = CREATE_SECONDS,
        flatten_seconds: float = FLATTEN_SECONDS,
    ) -> None:
        self._search_path = search_path
        self._create_seconds = create_seconds
        self._flatten_seconds = flatten_seconds

    async def create_overlay(
        self, target: str, *, backing: str, backing_format: ImageFormat, size_bytes: int
    ) -> None:
        """Makes a qcow2 at ``target`` on top of ``backing``, readable by the node only, and safe on disk.

        Raises:
            HypervisorMissing: qemu-img is not installed.
            StorageFull, StorageIo, HypervisorFailed: it could not be made.
        """
        _all_absolute(target, backing)
        await asyncio.to_thread(_see, backing)
        # "-u": the image, which is foreign bytes, is not opened to make a disk on top of it.
        base = ("-u", "-F", backing_format.value, "-b", backing)
        made = ("create", "-q", "-f", "qcow2", *base, "--", target, str(size_bytes))
        await self._run(*made, seconds=self._create_seconds)
        await asyncio.to_thread(_secure, target)

    async def flatten(self, source: str, target: str, *, backing: str, backing_format: ImageFormat) -> None:
        """Writes all that ``source`` on top of ``backing`` shows as one qcow2, and then names it ``target``.

        Raises:
            HypervisorMissing: qemu-img is not installed.
            StorageFull, StorageIo, HypervisorFailed: it could not be made; nothing of it is left.
        """
        _all_absolute(source, target, backing)
        made = f"{target}.new"
        # The whole chain is said here: no header, and no name in one, is believed.
        chain = f"json:{json.dumps(_overlay(source, _plain(backing, backing_format)))}"
        await self._check_space(chain, Path(target).parent)
        try:
            await self._run("convert", "-q", "-O", "qcow2", chain, made, seconds=self._flatten_seconds)
            await asyncio.to_thread(_secure, made)
            await asyncio.to_thread(_take_name, made, target)
        finally:
            await asyncio.to_thread(Path(made).unlink, missing_ok=True)

    async def _check_space(self, chain: str, folder: Path) -> None:
        """Raises StorageFull where the copy would leave others too little to work with."""
        said = await self._run("measure", "-O", "qcow2", "--output=json", chain, seconds=self._create_seconds)
        needed = int(json.loads(said)["required"])
        with disk_errors("looking at the file system"):
            space = await asyncio.to_thread(Disk().space, folder)
        keep = min(space.total // 20, KEEP_FREE)
        if needed + keep > space.free:
            raise StorageFull(
                f"The VM's own disk needs {in_words(needed)}; {in_words(space.free)} are free in {folder}, "
                f"and {in_words(keep)} must stay free."
            )

    async def _run(self, *arguments: str, seconds: float) -> bytes:
        """What it says on stdout."""
        program = shutil.which(PROGRAM, path=self._search_path)
        if program is None:
            raise HypervisorMissing(
                "qemu-img is not installed.", remedy="Install it: apt-get install qemu-utils."
            )
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={"LC_ALL": "C"},
            # Not process_group: uvloop does not know it.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                told, said = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
                status = await process.wait()
        except TimeoutError as error:
            raise HypervisorFailed(f"qemu-img did not finish within {seconds:g} s.") from error
        finally:
            await _end_group(process)
        if status != 0:
            raise _refusal(said)
        return told


def _all_absolute(*paths: str) -> None:
    """An absolute path is never taken for a protocol, whatever characters follow."""
    for path in paths:
        if not Path(path).is_absolute():
            raise HypervisorFailed(f"'{printable(path)}' is not an absolute path.")


def _overlay(path: str, backing: dict[str, Any]) -> dict[str, Any]:
    return {"driver": "qcow2", "file": {"driver": "file", "filename": path}, "backing": backing}


def _plain(path: str, image_format: ImageFormat) -> dict[str, Any]:
    """An image that stands alone."""
    file = {"driver": "file", "filename": path}
    alone = {"backing": None} if image_format is ImageFormat.QCOW2 else {}
    return {"driver": image_format.value, "read-only": True, "file": file, **alone}


async def _bounded(stream: StreamReader | None) -> bytes:
    """The beginning of what it says; all of it is read, so that it is never kept waiting."""
    assert stream is not None
    kept = b""
    while chunk := await stream.read(MAX_OUTPUT_BYTES):
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


def _see(backing: str) -> None:
    try:
        os.stat(backing)  # noqa: PTH116
    except OSError as error:
        raise HypervisorFailed(f"The disk's image cannot be used: {error.strerror}.") from error


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


def _take_name(made: str, target: str) -> None:
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
