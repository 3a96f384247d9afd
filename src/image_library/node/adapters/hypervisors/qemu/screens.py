"""The displays of qemu's guests. Nothing listens anywhere: qemu is handed each connection by its monitor.

Source: qemu's QMP reference, ``query-vnc-servers``, ``set_password``, ``expire_password``, ``add_client``,
``screendump``.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from uuid import uuid4

from image_library.domain.console import PASSWORD_SECONDS
from image_library.domain.errors import ConsoleMissing, HypervisorFailed
from image_library.domain.picture import LARGEST_SCREEN
from image_library.domain.secret import Secret
from image_library.node.adapters.hypervisors.qemu.driver import QemuHypervisor
from image_library.node.adapters.hypervisors.qemu.lines import QemuLine
from image_library.node.adapters.hypervisors.qemu.monitor import Monitor, MonitorLost


class QemuScreens:
    """Implements ``ports.vms.GuestScreens``."""

    def __init__(self, hypervisor: QemuHypervisor) -> None:
        self._hypervisor = hypervisor

    async def require(self, vm_id: str) -> None:
        async with self._monitor(vm_id):
            pass

    async def open(self, vm_id: str, password: Secret) -> QemuLine:
        async with self._monitor(vm_id) as monitor:
            await monitor.execute("set_password", {"protocol": "vnc", "password": password.reveal()})
            await monitor.execute("expire_password", {"protocol": "vnc", "time": f"+{PASSWORD_SECONDS}"})
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            try:
                with theirs:
                    await _connected(monitor, theirs.fileno())
            except BaseException:
                ours.close()
                raise
        return await QemuLine.of(ours)

    async def close_doors(self, vm_id: str) -> None:
        # One that does not answer lets nobody in.
        with suppress(ConsoleMissing, HypervisorFailed):
            async with self._monitor(vm_id) as monitor:
                await monitor.execute("expire_password", {"protocol": "vnc", "time": "now"})

    async def picture(self, vm_id: str) -> bytes:
        async with self._monitor(vm_id) as monitor:
            drawing = os.memfd_create("screen", os.MFD_CLOEXEC)
            try:
                await _drawn(monitor, drawing)
                return await asyncio.to_thread(_read, drawing)
            finally:
                os.close(drawing)

    @asynccontextmanager
    async def _monitor(self, vm_id: str) -> AsyncGenerator[Monitor]:
        """Of a VM with a display. Raises ConsoleMissing, also when it ends meanwhile."""
        monitor = await self._hypervisor.monitor(vm_id)
        try:
            if monitor is None or not await monitor.execute("query-vnc-servers"):
                raise ConsoleMissing("The VM was started without a display.")
            yield monitor
        except MonitorLost as error:
            raise ConsoleMissing("The VM's display does not answer.") from error


async def _connected(monitor: Monitor, descriptor: int) -> None:
    name = f"display-{uuid4().hex}"
    await monitor.execute_with(descriptor, "getfd", {"fdname": name})
    await monitor.execute("add_client", {"protocol": "vnc", "fdname": name, "skipauth": False})


async def _drawn(monitor: Monitor, drawing: int) -> None:
    """qemu opens the file by its number, and only as it was opened: for writing."""
    writable = os.open(f"/proc/self/fd/{drawing}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        said = cast("dict[str, Any]", await monitor.execute_with(writable, "add-fd"))
    finally:
        os.close(writable)
    number = int(said["fdset-id"])
    try:
        await monitor.execute("screendump", {"filename": f"/dev/fdset/{number}"})
    finally:
        with suppress(MonitorLost, HypervisorFailed):
            await monitor.execute("remove-fd", {"fdset-id": number})


def _read(drawing: int) -> bytes:
    size = os.fstat(drawing).st_size
    if size > LARGEST_SCREEN:
        raise HypervisorFailed("The VM's display is larger than any that is shown.")
    return os.pread(drawing, size, 0)
