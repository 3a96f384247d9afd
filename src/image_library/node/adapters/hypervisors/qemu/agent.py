"""The guest agent, spoken to for a moment at a time: what it knows of its network, and of cloud-init's end.

Protocol: docs/interop/qemu-ga.rst and qga/qapi-schema.json in qemu's source. A guest is not trusted: its
answers are bounded, and only a few fields of them are read.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from asyncio import StreamReader, StreamWriter
from typing import Any, cast

from image_library.domain.boot_progress import AgentFacts
from image_library.domain.errors import printable
from image_library.node.adapters.hypervisors.qemu.agent_facts import (
    MAX_ANSWER_BYTES,
    AgentRefused,
    AgentSilent,
    facts_by,
)


class GuestAgent:
    """A conversation over one connection. ``close`` when done."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, peer: socket.socket) -> GuestAgent:
        """Takes over the connection and synchronises with whatever was said on the line before.

        Raises:
            AgentSilent: there is nobody. The caller limits the time.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(sock=peer, limit=MAX_ANSWER_BYTES)
        except OSError as error:
            raise AgentSilent(str(error)) from error
        agent = cls(reader, writer)
        try:
            await agent._synchronise()
        except BaseException:
            agent.close()
            raise
        return agent

    async def facts(self) -> AgentFacts:
        """Its addresses and cloud-init's result, as far as it tells."""
        return await facts_by(self.ask)

    async def shut_down(self) -> None:
        """Asks the guest to switch off; that is never answered."""
        await self._send({"execute": "guest-shutdown", "arguments": {"mode": "powerdown"}})

    def close(self) -> None:
        self._writer.close()

    async def _synchronise(self) -> None:
        # 0xFF makes the agent drop half a request that another left, and marks the answer for us.
        number = secrets.randbelow(1 << 31)
        self._writer.write(b"\xff")
        await self._send({"execute": "guest-sync-delimited", "arguments": {"id": number}})
        while True:
            try:
                await self._reader.readuntil(b"\xff")
                if await self._answer() == number:
                    return
            except AgentRefused:
                # A late answer to somebody before us.
                continue
            except (OSError, EOFError, asyncio.LimitOverrunError) as error:
                raise AgentSilent(str(error)) from error

    async def ask(self, command: str, **arguments: object) -> object:
        """One command's answer. Raises AgentSilent, AgentRefused."""
        await self._send({"execute": command, "arguments": arguments})
        return await self._answer()

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise AgentSilent(str(error)) from error

    async def _answer(self) -> object:
        try:
            line = await self._reader.readuntil(b"\n")
            said: object = json.loads(line)
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, RecursionError) as error:
            raise AgentSilent(str(error)) from error
        if not isinstance(said, dict):
            raise AgentSilent("It does not speak the protocol.")
        answer = cast("dict[str, object]", said)
        if "return" not in answer:
            raise AgentRefused(printable(str(answer.get("error"))))
        return answer["return"]
