"""What a guest's agent is asked to do, whoever carries the questions to it.

Source: qga/qapi-schema.json in QEMU's source. While file systems are frozen it answers little else than that.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

from image_library.domain.errors import (
    AgentForbids,
    AgentMissing,
    CleaningFailed,
    FreezeFailed,
    printable,
)
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.agent import GuestAgent
from image_library.node.adapters.hypervisors.qemu.agent_facts import AgentRefused, AgentSilent, Asking
from image_library.node.ports.vms import VmFolders

FREEZE = "guest-fsfreeze-freeze"
# One that is there answers at once, but an emulated guest on a busy host takes its time.
HELLO_SECONDS = 20.0
# Before it freezes, a guest writes all that it holds in memory.
FREEZE_SECONDS = 90.0
THAW_SECONDS = 30.0
# Of a script in the guest, and how often is looked whether it has ended.
SCRIPT_SECONDS = 600.0
LOOK_SECONDS = 0.5


class Line(Protocol):
    """How a guest's agent is reached."""

    def __call__(self, vm_id: str) -> AbstractAsyncContextManager[Asking]:
        """Raises AgentSilent; the caller limits the time."""
        ...


class AgentWork:
    """Implements ``ports.vms.GuestAgents``. One that is silent for ``hello`` seconds is missing."""

    def __init__(self, line: Line, *, hello: float = HELLO_SECONDS) -> None:
        self._line = line
        self._hello = hello

    async def freeze(self, vm_id: str) -> None:
        async with self._reached(vm_id) as ask:
            try:
                async with asyncio.timeout(FREEZE_SECONDS):
                    count = await ask(FREEZE)
                    state = await ask("guest-fsfreeze-status")
            except AgentRefused as error:
                raise FreezeFailed(f"The guest's agent refused to freeze: {error}.") from error
            except (AgentSilent, TimeoutError) as error:
                raise FreezeFailed("The guest's file systems were not frozen in time.") from error
        if not isinstance(count, int) or count < 1 or state != "frozen":
            raise FreezeFailed("The guest's agent froze no file system.")

    async def thaw(self, vm_id: str) -> None:
        try:
            async with asyncio.timeout(THAW_SECONDS), self._line(vm_id) as ask:
                try:
                    await ask("guest-fsfreeze-thaw")
                except AgentRefused:
                    # Where it may not even tell, it has frozen nothing.
                    if await _state(ask) == "frozen":
                        raise
        except (AgentSilent, TimeoutError) as error:
            raise FreezeFailed("The guest's agent does not thaw its file systems.") from error

    async def run(self, vm_id: str, script: str) -> None:
        async with self._reached(vm_id) as ask:
            try:
                async with asyncio.timeout(SCRIPT_SECONDS):
                    status = await _run(ask, script)
            except AgentRefused as error:
                raise AgentForbids(f"The guest's agent refused to run a program: {error}.") from error
            except (AgentSilent, TimeoutError) as error:
                raise CleaningFailed("Cleaning in the guest did not end in time.") from error
        if status != 0:
            raise CleaningFailed(f"Cleaning in the guest ended with {status}.")

    @asynccontextmanager
    async def _reached(self, vm_id: str) -> AsyncGenerator[Asking]:
        """Raises AgentMissing where nobody answers."""
        try:
            async with asyncio.timeout(self._hello) as hello, self._line(vm_id) as ask:
                await ask("guest-ping")
                hello.reschedule(None)
                yield ask
        except (AgentSilent, TimeoutError) as error:
            raise AgentMissing("The guest's agent does not answer.") from error


async def _state(ask: Asking) -> object:
    try:
        return await ask("guest-fsfreeze-status")
    except AgentRefused:
        return ""


async def _run(ask: Asking, script: str) -> int:
    """How it ended. A shell reads it from its input, so that nothing of it is a word of a command."""
    sent = base64.b64encode(script.encode()).decode()
    begun = await ask("guest-exec", **{"path": "/bin/sh", "arg": ["-s"], "input-data": sent})
    pid = _field(begun, "pid")
    while True:
        said = await ask("guest-exec-status", pid=pid)
        if _field(said, "exited"):
            ended = _field(said, "exitcode")
            return ended if isinstance(ended, int) else -1
        await asyncio.sleep(LOOK_SECONDS)


def _field(said: object, name: str) -> object:
    return cast("dict[str, Any]", said).get(name) if isinstance(said, dict) else None


def socket_line(folders: VmFolders) -> Line:
    """The agent's socket in the VM's folder."""

    @asynccontextmanager
    async def line(vm_id: str) -> AsyncGenerator[Asking]:
        try:
            with places.opened(folders.path(vm_id)) as folder:
                agent = await GuestAgent.connect(places.connected(folder, places.AGENT))
        except OSError as error:
            raise AgentSilent(printable(str(error))) from error
        try:
            yield agent.ask
        finally:
            agent.close()

    return line
