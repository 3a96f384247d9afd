"""Connections to a guest's consoles: Unix sockets of qemu in the VM's folder."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

from image_library.domain.console import LARGEST_FRAME, ConsoleKind
from image_library.domain.errors import ConsoleMissing
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.ports.vms import VmFolders

_SOCKETS = {ConsoleKind.SERIAL: places.SERIAL_SOCKET, ConsoleKind.DISPLAY: places.DISPLAY}
# What waits here for a guest that does not read, beyond what the kernel holds.
_MOST_WAITING = 16 << 10


class QemuLines:
    """Implements ``ports.vms.GuestLines``."""

    def __init__(self, folders: VmFolders) -> None:
        self._folders = folders

    async def open(self, vm_id: str, kind: ConsoleKind) -> QemuLine:
        return await _line(self._folders, vm_id, _SOCKETS[kind], f"{kind.value} console")


class QemuDoors:
    """Implements ``ports.vms.GuestDoors``."""

    def __init__(self, folders: VmFolders) -> None:
        self._folders = folders

    async def open(self, vm_id: str) -> QemuLine:
        return await _line(self._folders, vm_id, places.DOOR, "door")


async def _line(folders: VmFolders, vm_id: str, name: str, what: str) -> QemuLine:
    try:
        with places.opened(folders.path(vm_id)) as folder:
            peer = places.connected(folder, name)
    except OSError as error:
        raise ConsoleMissing(f"The VM has no {what} that answers.") from error
    reader, writer = await asyncio.open_unix_connection(sock=peer, limit=LARGEST_FRAME)
    writer.transport.set_write_buffer_limits(high=_MOST_WAITING)
    return QemuLine(reader, writer)


class QemuLine:
    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(LARGEST_FRAME)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        with suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
