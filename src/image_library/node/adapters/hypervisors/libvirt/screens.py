"""The displays of guests that libvirt runs: it hands out connections and pictures.

Source: https://libvirt.org/html/libvirt-libvirt-domain.html, ``virDomainOpenGraphicsFD``,
``virDomainUpdateDeviceFlags`` and ``virDomainScreenshot``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from xml.etree import ElementTree as ET

from defusedxml.ElementTree import fromstring

from image_library.domain.console import PASSWORD_SECONDS
from image_library.domain.errors import ConsoleMissing, HypervisorFailed, LibraryError
from image_library.domain.picture import LARGEST_SCREEN
from image_library.domain.secret import Secret
from image_library.node.adapters.hypervisors.libvirt import library
from image_library.node.adapters.hypervisors.libvirt.domain_xml import NOTHING_OPENS, graphics
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtHypervisor
from image_library.node.adapters.hypervisors.libvirt.library import Connection, Domain
from image_library.node.adapters.hypervisors.qemu.lines import QemuLine

T = TypeVar("T")

_FIRST = 0
_BLOCK = 1 << 20


class LibvirtScreens:
    """Implements ``ports.vms.GuestScreens``."""

    def __init__(self, hypervisor: LibvirtHypervisor) -> None:
        self._hypervisor = hypervisor

    async def require(self, vm_id: str) -> None:
        await self._with_display(vm_id, lambda _, __: None)

    async def open(self, vm_id: str, password: Secret) -> QemuLine:
        until = datetime.now(UTC) + timedelta(seconds=PASSWORD_SECONDS)

        def connect(_: Connection, domain: Domain) -> int:
            domain.updateDeviceFlags(_update(password, until), library.AFFECT_LIVE)
            return domain.openGraphicsFD(_FIRST, library.ASK_PASSWORD)

        peer = socket.socket(fileno=await self._with_display(vm_id, connect))
        peer.setblocking(False)
        return await QemuLine.of(peer)

    async def close_doors(self, vm_id: str) -> None:
        past = datetime.now(UTC) - timedelta(days=1)

        def close(_: Connection, domain: Domain) -> None:
            domain.updateDeviceFlags(_update(NOTHING_OPENS, past), library.AFFECT_LIVE)

        # One that does not answer lets nobody in.
        with suppress(LibraryError):
            await self._with_display(vm_id, close)

    async def picture(self, vm_id: str) -> bytes:
        return await self._with_display(vm_id, _drawn)

    async def _with_display(self, vm_id: str, work: Callable[[Connection, Domain], T]) -> T:
        """Raises ConsoleMissing, HypervisorMissing, HypervisorFailed."""

        def look(connection: Connection, domain: Domain) -> tuple[T] | None:
            return (work(connection, domain),) if _has_display(domain) else None

        done = await self._hypervisor.running(vm_id, look)
        if done is None:
            raise ConsoleMissing("The VM was started without a display.")
        return done[0]


def _has_display(domain: Domain) -> bool:
    return fromstring(domain.XMLDesc(0)).find("devices/graphics[@type='vnc']") is not None


def _update(password: Secret, until: datetime) -> str:
    return ET.tostring(graphics(password, valid_to=f"{until:%Y-%m-%dT%H:%M:%S}"), encoding="unicode")


def _drawn(connection: Connection, domain: Domain) -> bytes:
    stream = connection.newStream(0)
    domain.screenshot(stream, _FIRST, 0)
    shown = bytearray()
    while block := stream.recv(_BLOCK):
        shown += block
        if len(shown) > LARGEST_SCREEN:
            stream.abort()
            raise HypervisorFailed("The VM's display is larger than any that is shown.")
    stream.finish()
    return bytes(shown)
