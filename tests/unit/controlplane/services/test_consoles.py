"""Tickets of consoles: for one VM, once, for half a minute."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from image_library.controlplane.services.consoles import Consoles
from image_library.controlplane.services.vm_records import VmRecords
from image_library.domain.changes import Changes
from image_library.domain.console import TICKET_LIFE, ConsoleKind
from image_library.domain.errors import ConsoleMissing, ConsoleTicket, VmNotRunning
from image_library.domain.node import Node
from image_library.domain.vm import PowerState, VmReport
from tests.fakes.control_clock import ManualClock
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_node, a_vm


class EchoingNode:
    """Fulfils ``NodeConsoles``: gives back what is typed."""

    async def attach(
        self, node: Node, vm_id: str, kind: ConsoleKind, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        async for data in typed:
            yield data


async def consoles(plane: Plane, clock: ManualClock, state: PowerState = PowerState.RUNNING) -> Consoles:
    vm = a_vm(name="web", node_id="node-1", report=VmReport(vm_id="vm-1", state=state))
    await plane.know(a_node(), vm)
    records = VmRecords(database=plane.database, changes=Changes(), clock=clock)
    return Consoles(records=records, nodes=EchoingNode(), clock=clock)


async def test_a_ticket_is_good_until_its_time_is_over(plane: Plane) -> None:
    clock = ManualClock()
    made = await consoles(plane, clock)
    first = await made.invite("web", None)
    second = await made.invite("web", ConsoleKind.SERIAL)
    assert first.expires_at == clock.now() + TICKET_LIFE
    await clock.advance(TICKET_LIFE.total_seconds() - 1)
    assert made.admit(first.ticket.reveal(), first.vm_id) is ConsoleKind.SERIAL
    await clock.advance(1)
    with pytest.raises(ConsoleTicket):
        made.admit(second.ticket.reveal(), second.vm_id)


async def test_a_ticket_does_not_print(plane: Plane) -> None:
    made = await consoles(plane, ManualClock())
    invitation = await made.invite("web", None)
    assert invitation.ticket.reveal() not in repr(invitation)


async def test_what_is_not_there_has_no_ticket(plane: Plane) -> None:
    made = await consoles(plane, ManualClock())
    with pytest.raises(ConsoleMissing):
        await made.invite("web", ConsoleKind.DISPLAY)


async def test_a_vm_that_does_not_run_has_no_console(plane: Plane) -> None:
    made = await consoles(plane, ManualClock(), PowerState.STOPPED)
    with pytest.raises(VmNotRunning):
        await made.invite("web", None)
