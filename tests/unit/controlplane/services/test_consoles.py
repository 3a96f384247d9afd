"""Tickets of consoles: for one VM, once, for half a minute."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from image_library.controlplane.services.consoles import Consoles
from image_library.controlplane.services.vm_records import VmRecords
from image_library.domain.changes import Changes
from image_library.domain.console import TICKET_LIFE, Admission, ConsoleKind
from image_library.domain.errors import (
    ConsoleMissing,
    ConsoleTicket,
    LibraryError,
    NotImplementedYet,
    VmNotRunning,
)
from image_library.domain.node import Node
from image_library.domain.picture import Picture
from image_library.domain.vm import PowerState, VmReport
from tests.fakes.control_clock import ManualClock
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_node, a_vm


class EchoingNode:
    """Fulfils ``NodeConsoles``: gives back what is typed."""

    def __init__(self, refusal: LibraryError | None) -> None:
        # Why its VMs have no display.
        self._refusal = refusal

    async def attach(
        self, node: Node, vm_id: str, admission: Admission, typed: AsyncIterator[bytes]
    ) -> AsyncGenerator[bytes]:
        async for data in typed:
            yield data

    async def check_display(self, node: Node, vm_id: str) -> None:
        if self._refusal is not None:
            raise self._refusal

    async def screenshot(self, node: Node, vm_id: str) -> Picture:
        await self.check_display(node, vm_id)
        return Picture(data=b"png", width=1, height=1)


async def consoles(
    plane: Plane,
    clock: ManualClock,
    state: PowerState = PowerState.RUNNING,
    *,
    refusal: LibraryError | None = None,
) -> Consoles:
    vm = a_vm(name="web", node_id="node-1", report=VmReport(vm_id="vm-1", state=state))
    await plane.know(a_node(), vm)
    records = VmRecords(database=plane.database, changes=Changes(), clock=clock)
    return Consoles(records=records, nodes=EchoingNode(refusal), clock=clock)


async def test_a_ticket_is_good_until_its_time_is_over(plane: Plane) -> None:
    clock = ManualClock()
    made = await consoles(plane, clock)
    first = await made.invite("web", ConsoleKind.SERIAL)
    second = await made.invite("web", ConsoleKind.SERIAL)
    assert first.expires_at == clock.now() + TICKET_LIFE
    await clock.advance(TICKET_LIFE.total_seconds() - 1)
    assert made.admit(first.ticket.reveal(), first.vm_id) == Admission(kind=ConsoleKind.SERIAL)
    await clock.advance(1)
    with pytest.raises(ConsoleTicket):
        made.admit(second.ticket.reveal(), second.vm_id)


async def test_a_ticket_and_a_password_do_not_print(plane: Plane) -> None:
    made = await consoles(plane, ManualClock())
    invitation = await made.invite("web", ConsoleKind.DISPLAY)
    admission = made.admit(invitation.ticket.reveal(), invitation.vm_id)
    for secret in (invitation.ticket, invitation.password):
        assert secret.reveal() not in repr((invitation, admission))


async def test_each_ticket_of_a_display_has_a_password_of_its_own(plane: Plane) -> None:
    made = await consoles(plane, ManualClock())
    given = [await made.invite("web", ConsoleKind.DISPLAY) for _ in range(20)]
    passwords = {invitation.password.reveal() for invitation in given}
    assert {len(password) for password in passwords} == {8}
    assert len(passwords) == 20
    for invitation in given:
        admission = made.admit(invitation.ticket.reveal(), invitation.vm_id)
        assert admission == Admission(kind=ConsoleKind.DISPLAY, password=invitation.password)


async def test_whoever_names_no_kind_gets_the_display_where_there_is_one(plane: Plane) -> None:
    made = await consoles(plane, ManualClock())
    assert (await made.invite("web", None)).kind is ConsoleKind.DISPLAY
    assert await made.screenshot("web") == Picture(data=b"png", width=1, height=1)


@pytest.mark.parametrize("refusal", [ConsoleMissing("It has none."), NotImplementedYet("It is too old.")])
async def test_what_is_not_there_has_no_ticket(plane: Plane, refusal: LibraryError) -> None:
    made = await consoles(plane, ManualClock(), refusal=refusal)
    for asked in (made.invite("web", ConsoleKind.DISPLAY), made.screenshot("web")):
        with pytest.raises(type(refusal)):
            await asked
    serial = await made.invite("web", None)
    assert (serial.kind, bool(serial.password)) == (ConsoleKind.SERIAL, False)


async def test_a_vm_that_does_not_run_has_no_console(plane: Plane) -> None:
    made = await consoles(plane, ManualClock(), PowerState.STOPPED)
    for asked in (made.invite("web", None), made.screenshot("web")):
        with pytest.raises(VmNotRunning):
            await asked
