"""Looking at a guest from outside: the console's file, SSH's greeting, the agent's word."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from image_library.domain.boot_progress import AgentFacts
from image_library.node.adapters.hypervisors.qemu import places
from image_library.node.adapters.hypervisors.qemu.agent import GuestAgent
from image_library.node.adapters.hypervisors.qemu.agent_facts import AgentSilent
from image_library.node.ports.vms import VmFolders

MAX_CONSOLE_BYTES = 16 << 20
READ_BYTES = 256 << 10
# A greeting comes as soon as sshd has forked; an emulated guest on a busy host takes seconds for that.
SSH_SECONDS = 10.0
AGENT_SECONDS = 5.0
_GREETING = b"SSH-"


class QemuWindow:
    def __init__(self, folders: VmFolders) -> None:
        self._folders = folders

    async def console(self, vm_id: str, offset: int) -> bytes:
        return await asyncio.to_thread(_read, f"{self._folders.path(vm_id)}/{places.SERIAL}", offset)

    async def console_size(self, vm_id: str) -> int:
        return await asyncio.to_thread(_size, f"{self._folders.path(vm_id)}/{places.SERIAL}")

    async def trim_console(self, vm_id: str) -> None:
        await asyncio.to_thread(_trim, f"{self._folders.path(vm_id)}/{places.SERIAL}")

    async def ssh_answers(self, port: int) -> bool:
        try:
            async with asyncio.timeout(SSH_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    return await reader.readexactly(len(_GREETING)) == _GREETING
                finally:
                    writer.close()
        except (OSError, EOFError, TimeoutError):
            return False

    async def agent(self, vm_id: str) -> AgentFacts | None:
        # It listens only now and then in a guest that is coming up; a lost moment is no loss.
        with suppress(OSError, AgentSilent, TimeoutError):
            async with asyncio.timeout(AGENT_SECONDS):
                with places.opened(self._folders.path(vm_id)) as folder:
                    agent = await GuestAgent.connect(places.connected(folder, places.AGENT))
                try:
                    return await agent.facts()
                finally:
                    agent.close()
        return None


def _read(path: str, offset: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, READ_BYTES, min(offset, sys.maxsize))
    finally:
        os.close(descriptor)


def _trim(path: str) -> None:
    # qemu has it open for appending: it goes on at the new end.
    with suppress(OSError):
        if Path(path).lstat().st_size > MAX_CONSOLE_BYTES:
            os.truncate(path, 0)


def _size(path: str) -> int:
    try:
        return Path(path).lstat().st_size
    except OSError:
        return 0
