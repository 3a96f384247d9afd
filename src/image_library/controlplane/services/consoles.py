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
from image_library.domain.console import PASSWORD_CHARACTERS, TICKET_LIFE, Admission, ConsoleKind
from image_library.domain.errors import ConsoleMissing, ConsoleTicket, NotImplementedYet, VmNotRunning
from image_library.domain.picture import Picture
from image_library.domain.secret import NOTHING, Secret
from image_library.domain.vm import PowerState, Vm

# Of a secret, so that it cannot be guessed.
_SECRET_BYTES = 32
# A person may have to type them: none that looks like another.
_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
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
    admission: Admission
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
        vm = await self._alive(named)
        return self._ticket(vm.id, await self._kind(vm, kind))

    async def screenshot(self, named: str) -> Picture:
        """What the VM's display shows at this moment.

        Raises:
            UnknownVm: there is no such VM.
            VmNotRunning, ConsoleMissing: it does not run, or has no display.
            NodeUnreachable, HypervisorFailed
        """
        vm = await self._alive(named)
        return await self._nodes.screenshot(await self._records.node_of(vm), vm.id)

    async def _alive(self, named: str) -> Vm:
        vm = await self._records.find(named)
        if vm.report.state not in _ALIVE:
            raise VmNotRunning(f"VM '{vm.name}' does not run, so it has no console.", field="vm_id")
        return vm

    async def _kind(self, vm: Vm, asked: ConsoleKind | None) -> ConsoleKind:
        """The display where it is asked for and there, or where nothing is asked for and it is there."""
        if asked is ConsoleKind.SERIAL:
            return asked
        try:
            await self._nodes.check_display(await self._records.node_of(vm), vm.id)
        except (ConsoleMissing, NotImplementedYet):
            if asked is ConsoleKind.DISPLAY:
                raise
            return ConsoleKind.SERIAL
        return ConsoleKind.DISPLAY

    def admit(self, ticket: str, vm_id: str) -> Admission:
        """What the ticket opens; it is used up, whatever comes of it.

        Raises:
            ConsoleTicket: it is unknown, used, late, or of another VM.
        """
        kept = self._tickets.pop(_digest(ticket), None)
        if kept is None or kept.vm_id != vm_id or kept.until <= self._clock.now():
            raise ConsoleTicket("The ticket does not open this console.")
        return kept.admission

    async def attach(
        self, vm_id: str, admission: Admission, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        """What the guest, or its display's server, writes until ``typed`` ends.

        Raises what ``NodeConsoles.attach`` does.
        """
        node = await self._records.node_of(await self._records.find(vm_id))
        async with aclosing(self._nodes.attach(node, vm_id, admission, typed)) as written:
            async for data in written:
                yield data

    def _ticket(self, vm_id: str, kind: ConsoleKind) -> Invitation:
        ticket, now = secrets.token_urlsafe(_SECRET_BYTES), self._clock.now()
        until = now + TICKET_LIFE
        self._tickets = {key: kept for key, kept in self._tickets.items() if kept.until > now}
        password = _password() if kind is ConsoleKind.DISPLAY else NOTHING
        admission = Admission(kind=kind, password=password)
        self._tickets[_digest(ticket)] = _Kept(vm_id=vm_id, admission=admission, until=until)
        return Invitation(vm_id=vm_id, kind=kind, ticket=Secret(ticket), expires_at=until, password=password)


def _password() -> Secret:
    return Secret("".join(secrets.choice(_LETTERS) for _ in range(PASSWORD_CHARACTERS)))


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
