"""Consoles of VMs: a ticket for whoever may see one, and the way to the node for whoever has a ticket."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.consoles import NodeConsoles
from image_library.controlplane.services.vm_records import VmRecords
from image_library.domain.console import TICKET_LIFE, ConsoleKind
from image_library.domain.errors import ConsoleMissing, ConsoleTicket, VmNotRunning
from image_library.domain.secret import NOTHING, Secret
from image_library.domain.vm import PowerState

# Of a secret, so that it cannot be guessed.
_SECRET_BYTES = 32
_ALIVE = frozenset({PowerState.RUNNING, PowerState.PAUSED})


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """How one console is reached, once."""

    vm_id: str
    kind: ConsoleKind
    ticket: Secret
    expires_at: datetime
    # What a display's server asks for.
    password: Secret = field(default=NOTHING)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    vm_id: str
    kind: ConsoleKind
    until: datetime


class Consoles:
    def __init__(self, *, records: VmRecords, nodes: NodeConsoles, clock: Clock) -> None:
        self._records = records
        self._nodes = nodes
        self._clock = clock
        # In memory, by digest: tickets that were given before a restart are gone.
        self._tickets: dict[str, _Kept] = {}

    async def invite(self, named: str, kind: ConsoleKind | None) -> Invitation:
        """A ticket for the VM's console; None: whichever it has.

        Raises:
            UnknownVm: there is no such VM.
            VmNotRunning: it does not run.
            ConsoleMissing: it has no console of that kind.
        """
        vm = await self._records.find(named)
        if vm.report.state not in _ALIVE:
            raise VmNotRunning(f"VM '{vm.name}' does not run, so it has no console.", field="vm_id")
        if kind is ConsoleKind.DISPLAY:
            raise ConsoleMissing(f"VM '{vm.name}' has no display.", field="console_type")
        return self._ticket(vm.id, kind or ConsoleKind.SERIAL)

    def admit(self, ticket: str, vm_id: str) -> ConsoleKind:
        """What the ticket opens; it is used up, whatever comes of it.

        Raises:
            ConsoleTicket: it is unknown, used, late, or of another VM.
        """
        kept = self._tickets.pop(_digest(ticket), None)
        if kept is None or kept.vm_id != vm_id or kept.until <= self._clock.now():
            raise ConsoleTicket("The ticket does not open this console.")
        return kept.kind

    async def attach(
        self, vm_id: str, kind: ConsoleKind, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        """What the guest writes, until ``typed`` ends. Raises what ``NodeConsoles.attach`` does."""
        node = await self._records.node_of(await self._records.find(vm_id))
        async with aclosing(self._nodes.attach(node, vm_id, kind, typed)) as written:
            async for data in written:
                yield data

    def _ticket(self, vm_id: str, kind: ConsoleKind) -> Invitation:
        ticket, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.now()
        until = now + TICKET_LIFE
        self._tickets = {key: kept for key, kept in self._tickets.items() if kept.until > now}
        self._tickets[_digest(ticket)] = _Kept(vm_id=vm_id, kind=kind, until=until)
        return Invitation(vm_id=vm_id, kind=kind, ticket=Secret(ticket), expires_at=until)


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
