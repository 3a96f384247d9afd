"""Starting one qemu process: detached from the daemon, its refusal told in its own words."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from image_library.domain.errors import (
    HypervisorFailed,
    HypervisorMissing,
    LibraryError,
    PortTaken,
    StorageFull,
    printable,
)
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.detaching import detached
from image_library.node.adapters.hypervisors.qemu.firmware import UefiFiles
from image_library.node.adapters.hypervisors.qemu.monitor import Monitor, MonitorLost
from image_library.node.adapters.store.disk import disk_errors

# From its start to its monitor's greeting qemu takes 0.1 s; a host short of memory can make that long.
START_SECONDS = 30.0
MAX_LOG_BYTES = 64 << 10
# Its own name, and the option with all its JSON.
_PREFIX = re.compile(r"^qemu-system-\w+: (-\w+ \{.*\}: )?")
PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}


def find_program(architecture: str, search_path: str | None = None) -> str:
    """The path of the qemu that emulates that architecture.

    Raises:
        HypervisorMissing: it is not installed.
    """
    name = f"qemu-system-{architecture}"
    program = shutil.which(name, path=search_path)
    if program is None:
        package = PACKAGES.get(architecture, "qemu-system")
        raise HypervisorMissing(
            f"{name} is not installed on this node.", remedy=f"Install it: apt-get install {package}."
        )
    return program


def prepare(folder: int, uefi: UefiFiles | None) -> None:
    """Clears away what the last run left: its sockets, its console, its log. Blocks.

    Raises:
        StorageFull, StorageIo, StoreNotWritable
    """
    with disk_errors("making the VM's folder ready"):
        for name in (places.MONITOR, places.AGENT, places.SERIAL_SOCKET, places.DOOR, places.PID):
            places.removed(folder, name)
        with suppress(FileNotFoundError):
            os.rename(places.SERIAL, places.SERIAL_BEFORE, src_dir_fd=folder, dst_dir_fd=folder)
        os.close(_fresh(folder, places.SERIAL))
        if uefi is not None:
            _copy_variables(folder, uefi)


async def launch(program: str, arguments: Sequence[str], *, folder: str, inherited: Sequence[int]) -> None:
    """Starts it in ``folder`` with these further open files; see ``detached``."""
    with places.opened(folder) as descriptor:
        log = _fresh(descriptor, places.QEMU_LOG)
    await detached((program, *arguments), folder=folder, log=log, inherited=inherited)


async def greeted(folder: int) -> Monitor:
    """Its monitor, as soon as it is up.

    Raises:
        PortTaken: somebody listens on the SSH port.
        StorageFull, HypervisorFailed: qemu refused.
    """
    try:
        return await Monitor.connect(places.connected(folder, places.MONITOR), seconds=START_SECONDS)
    except (MonitorLost, OSError) as error:
        said = await asyncio.to_thread(_log, folder)
        raise refusal(said) from error


def refusal(said: str) -> LibraryError:
    """What qemu's own words mean: the first line that is not a mere warning."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if "warning:" not in line), "it gave no reason")
    if "Could not set up host forwarding rule" in first:
        return PortTaken("The port for the VM's SSH is taken.")
    if "No space left on device" in first:
        return StorageFull("There is no space left to start the VM.")
    words = printable(_PREFIX.sub("", first), 300)
    if "annot allocate memory" in first or "cannot set up guest memory" in first:
        return HypervisorFailed(
            f"The node has too little free memory: {words}.",
            remedy="Ask for less, or stop others.",
        )
    return HypervisorFailed(f"qemu did not start the VM: {words.removesuffix('.')}.")


def _fresh(folder: int, name: str) -> int:
    """A new empty file (0600) that only grows at its end, in place of an old one."""
    places.removed(folder, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=folder)


def _copy_variables(folder: int, uefi: UefiFiles) -> None:
    """Each VM keeps its own UEFI variables, such as its boot order, from its first start on."""
    if places.UEFI_VARIABLES in os.listdir(folder):
        return
    part = f".{places.UEFI_VARIABLES}.part"
    with os.fdopen(_fresh(folder, part), "wb") as file:
        file.write(Path(uefi.variables).read_bytes())
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, places.UEFI_VARIABLES, src_dir_fd=folder, dst_dir_fd=folder)


def _log(folder: int) -> str:
    descriptor = os.open(places.QEMU_LOG, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_LOG_BYTES).decode("utf-8", "replace")
