"""Looking at a guest that libvirt runs: as at any, but libvirt holds its agent's line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.errors import LibraryError, printable
from image_library.node.adapters.hypervisors.libvirt.domain_xml import uuid_of
from image_library.node.adapters.hypervisors.libvirt.library import Connection
from image_library.node.adapters.hypervisors.libvirt.session import (
    LibvirtSession,
    libvirt_error,
    qemu_binding,
)
from image_library.node.adapters.hypervisors.qemu.agent_facts import (
    MAX_ANSWER_BYTES,
    AgentRefused,
    AgentSilent,
    Asking,
    facts_by,
)
from image_library.node.adapters.hypervisors.qemu.agent_work import (
    FREEZE,
    FREEZE_SECONDS,
    HELLO_SECONDS,
    Line,
)
from image_library.node.adapters.hypervisors.qemu.window import AGENT_SECONDS, QemuWindow
from image_library.node.ports.vms import VmFolders


class LibvirtWindow(QemuWindow):
    def __init__(self, folders: VmFolders, session: LibvirtSession) -> None:
        super().__init__(folders)
        self._session = session

    async def agent(self, vm_id: str) -> AgentFacts | None:
        # It listens only now and then in a guest that is coming up; a lost moment is no loss.
        with suppress(AgentSilent, LibraryError, TimeoutError):
            async with asyncio.timeout(AGENT_SECONDS * 2):
                return await facts_by(_asking(self._session, vm_id, int(AGENT_SECONDS)))
        return None


def libvirt_line(session: LibvirtSession) -> Line:
    """The agent's line that libvirt holds."""

    @asynccontextmanager
    async def line(vm_id: str) -> AsyncGenerator[Asking]:
        yield _asking(session, vm_id, int(HELLO_SECONDS))

    return line


def _asking(session: LibvirtSession, vm_id: str, seconds: int) -> Asking:
    async def ask(command: str, **arguments: object) -> object:
        question = json.dumps({"execute": command, "arguments": arguments})
        patience = int(FREEZE_SECONDS) if command == FREEZE else seconds
        try:
            return await session.run(lambda connection: _asked(connection, vm_id, question, patience))
        except LibraryError as error:
            raise AgentSilent(str(error)) from error

    return ask


def _asked(connection: Connection, vm_id: str, question: str, seconds: int) -> object:
    try:
        domain = connection.lookupByUUIDString(uuid_of(vm_id))
        said = qemu_binding().qemuAgentCommand(domain, question, seconds, 0)
    except libvirt_error() as error:
        # libvirt does not tell an agent that refuses from one that is not there, other than by its words.
        refused = "unable to execute QEMU agent command" in str(error)
        raise (AgentRefused if refused else AgentSilent)(printable(str(error))) from error
    if len(said) > MAX_ANSWER_BYTES:
        raise AgentSilent("It says too much.")
    try:
        answer: object = json.loads(said)
        return cast("dict[str, Any]", answer)["return"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AgentSilent("It does not speak the protocol.") from error
