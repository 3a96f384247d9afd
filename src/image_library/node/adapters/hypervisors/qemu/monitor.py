"""One VM's QMP monitor: ask how it is, press its buttons, hear when it changes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

from qemu.qmp import EventListener, QMPClient, QMPError, Runstate

from image_library.domain.errors import HypervisorFailed, printable
from image_library.domain.machine import Condition

ANSWER_SECONDS = 10.0
# qemu's RunState (qapi/run-state.json); every other one holds the guest still.
_CONDITIONS = {
    "running": Condition.RUNNING,
    "shutdown": Condition.SHUT_DOWN,
    "io-error": Condition.DISK_FAILED,
}
_EVENTS = ("STOP", "RESUME", "SHUTDOWN", "GUEST_PANICKED")

# It reports a peer that goes away as an error; for us that is how every VM ends.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class MonitorLost(Exception):
    """The process does not answer, mostly because it has just ended."""


class Monitor:
    def __init__(self, client: QMPClient, files: socket.socket) -> None:
        self._client = client
        # The same connection: files go beside the bytes, and not every loop's transport sends them.
        self._files = files
        # qemu keeps the last file that came: nobody may come between it and the command that takes it.
        self._handing = asyncio.Lock()

    @classmethod
    async def connect(cls, peer: socket.socket, *, seconds: float) -> Monitor:
        """Takes over the connection and waits for the greeting.

        Raises:
            MonitorLost: the other end went away, or was silent.
        """
        client, files = QMPClient(), peer.dup()
        try:
            async with asyncio.timeout(seconds):
                await client.connect(peer)
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            peer.close()
            files.close()
            await _disconnected(client)
            raise MonitorLost(str(error)) from error
        return cls(client, files)

    @property
    def connected(self) -> bool:
        return self._client.runstate is Runstate.RUNNING

    async def condition(self) -> Condition:
        answer = cast("dict[str, Any]", await self.execute("query-status"))
        return _CONDITIONS.get(str(answer.get("status")), Condition.PAUSED)

    async def disk_size(self, node: str) -> int:
        """Bytes that the guest sees of a block node. Raises as ``execute``."""
        said = cast("list[dict[str, Any]]", await self.execute("query-named-block-nodes"))
        return next(int(one["image"]["virtual-size"]) for one in said if one.get("node-name") == node)

    async def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Raises MonitorLost, or HypervisorFailed where it refuses the command."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._client.execute(command, arguments)
        except QMPError as error:
            if self.connected:
                raise HypervisorFailed(f"qemu refused '{command}': {printable(str(error))}.") from error
            raise MonitorLost(str(error)) from error
        except (OSError, EOFError, TimeoutError) as error:
            raise MonitorLost(str(error)) from error

    async def execute_with(
        self, descriptor: int, command: str, arguments: Mapping[str, object] | None = None
    ) -> object:
        """As ``execute``, for a command that takes an open file, which stays ours as well."""
        async with self._handing:
            try:
                # A space between two commands means nothing.
                socket.send_fds(self._files, [b" "], [descriptor])
            except OSError as error:
                raise MonitorLost(str(error)) from error
            return await self.execute(command, arguments)

    @contextmanager
    def changes(self) -> Generator[Changes]:
        """Listens from now on, so that nothing between a question and a wait is missed."""
        listener = EventListener(_EVENTS)
        with self._client.listen(listener):
            yield Changes(self._client, listener)

    async def close(self) -> None:
        self._files.close()
        await _disconnected(self._client)


class Changes:
    def __init__(self, client: QMPClient, listener: EventListener) -> None:
        self._client = client
        self._listener = listener

    async def wait(self) -> None:
        """Until something has happened to the guest, or the connection has ended."""
        waits = [
            asyncio.ensure_future(self._listener.get()),
            asyncio.ensure_future(self._lost()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)

    async def _lost(self) -> None:
        # Looked at in the task that waits: the bell rings once, and only for those who wait already.
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()


async def _disconnected(client: QMPClient) -> None:
    # It raises what ended the connection, which its users have been told already.
    with suppress(QMPError, OSError, EOFError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            await client.disconnect()
