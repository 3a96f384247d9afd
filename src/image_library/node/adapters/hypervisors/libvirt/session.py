"""A connection to libvirt's daemon: opened when it is needed, and again when it broke; heard in the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from image_library.domain.errors import HypervisorMissing, printable
from image_library.node.adapters.hypervisors.libvirt import library
from image_library.node.adapters.hypervisors.libvirt.library import Binding, Connection, Domain, QemuBinding

log = structlog.get_logger()
T = TypeVar("T")

# A daemon that does not answer for this long is taken for gone; seconds, and how many questions.
KEEP_ALIVE = (5, 6)

_loop_running = threading.Lock()
_loops: list[threading.Thread] = []


class LibvirtSession:
    """``heard`` is called in the loop with the name of each domain that something happened to."""

    def __init__(self, uri: str, heard: Callable[[str], None]) -> None:
        self._uri = uri
        self._heard = heard
        self._connection: Connection | None = None
        self._callback = -1
        self._opening = asyncio.Lock()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Does it in a thread; what it raises comes through.

        Raises:
            HypervisorMissing: the binding is not installed, or no daemon answers.
        """
        connection = await self._open()
        return await asyncio.to_thread(work, connection)

    async def close(self) -> None:
        async with self._opening:
            connection, self._connection = self._connection, None
            if connection is not None:
                await asyncio.to_thread(self._closed, connection)

    async def _open(self) -> Connection:
        async with self._opening:
            if self._connection is not None and await asyncio.to_thread(self._connection.isAlive):
                return self._connection
            loop = asyncio.get_running_loop()
            self._connection = await asyncio.to_thread(self._connect, loop)
            return self._connection

    def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        binding, _ = library.load()
        _run_events(binding)
        try:
            connection = binding.open(self._uri)
        except binding.libvirtError as error:
            raise HypervisorMissing(
                f"libvirt does not answer at {printable(self._uri)}: {printable(str(error))}.",
                remedy="Start its daemon (apt-get install libvirt-daemon-system), or correct libvirt_uri.",
            ) from error

        def happened(_: Connection, domain: Domain, *__: Any) -> None:
            # The loop may have ended before libvirt has.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._heard, domain.name())

        connection.setKeepAlive(*KEEP_ALIVE)
        self._callback = connection.domainEventRegisterAny(None, library.LIFECYCLE, happened, None)
        log.info("libvirt_connected", uri=self._uri)
        return connection

    def _closed(self, connection: Connection) -> None:
        binding, _ = library.load()
        with suppress(binding.libvirtError):
            connection.domainEventDeregisterAny(self._callback)
        with suppress(binding.libvirtError):
            connection.close()


def qemu_binding() -> QemuBinding:
    return library.load()[1]


def libvirt_error() -> type[Exception]:
    return library.load()[0].libvirtError


def _run_events(binding: Binding) -> None:
    """libvirt has one loop for events a process; it runs in a thread of its own from the first use on."""
    with _loop_running:
        if _loops:
            return
        # Every error is raised as well; this keeps it from also being printed.
        binding.registerErrorHandler(lambda *_: None, None)
        binding.virEventRegisterDefaultImpl()
        thread = threading.Thread(target=_events, args=(binding,), name="libvirt-events", daemon=True)
        _loops.append(thread)
        thread.start()


def _events(binding: Binding) -> None:
    while True:
        with suppress(binding.libvirtError):
            binding.virEventRunDefaultImpl()
