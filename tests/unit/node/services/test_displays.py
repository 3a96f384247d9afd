"""A display's password is good for one try, for one caller at a time, and for half a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from image_library.domain.changes import Changes
from image_library.domain.console import BEFORE_PASSWORD_BYTES
from image_library.domain.errors import (
    ConsoleMissing,
    ConsoleTicket,
    HypervisorFailed,
    UnknownVm,
    VmNotRunning,
)
from image_library.domain.machine import MachineRecord
from image_library.domain.secret import NOTHING, Secret
from image_library.domain.vm import PowerState
from image_library.node.ports.clock import Clock
from image_library.node.services.displays import Displays
from image_library.node.services.vm_records import VmRecords
from tests.fakes.control_clock import ManualClock
from tests.fakes.hypervisor import MemoryVmJournal, QuickClock
from tests.unit.node.services.test_consoles import running

ASKING = bytes(BEFORE_PASSWORD_BYTES)


class Line:
    """Fulfils ``ConsoleLine``: the test says what comes."""

    def __init__(self) -> None:
        self._come: asyncio.Queue[bytes] = asyncio.Queue()
        self.written = b""
        self.closed = False

    def say(self, data: bytes) -> None:
        self._come.put_nowait(data)

    async def read(self) -> bytes:
        return await self._come.get()

    async def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True
        self.say(b"")


class Screens:
    """Fulfils ``GuestScreens``."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        # The password that opens it now.
        self.password = ""
        self.gone = False
        self.shown = b"P6\n1 1\n255\n\0\0\0"

    async def require(self, vm_id: str) -> None:
        if self.gone:
            raise ConsoleMissing("Its process is gone.")

    async def open(self, vm_id: str, password: Secret) -> Line:
        self.password = password.reveal()
        line = Line()
        line.say(ASKING)
        self.lines.append(line)
        return line

    async def close_doors(self, vm_id: str) -> None:
        self.password = ""

    async def picture(self, vm_id: str) -> bytes:
        return self.shown


async def nothing() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def displays(screens: Screens, clock: Clock | None = None, record: MachineRecord | None = None) -> Displays:
    records = VmRecords(journal=MemoryVmJournal(), changes=Changes())
    records.adopt(record or running())
    return Displays(records=records, screens=screens, clock=clock or ManualClock())


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_password_ends_as_soon_as_it_was_tried() -> None:
    screens = Screens()
    async with aclosing(displays(screens).attach("vm-1", Secret("one"), nothing())) as written:
        assert await anext(written) == ASKING
        await turns()
        assert screens.password == "one"
        screens.lines[0].say(b"\0\0\0\0")
        await anext(written)
        await turns()
        assert screens.password == ""


async def test_whoever_comes_next_waits_until_it_was_tried() -> None:
    screens = Screens()
    made = displays(screens)
    async with (
        aclosing(made.attach("vm-1", Secret("one"), nothing())) as first,
        aclosing(made.attach("vm-1", Secret("two"), nothing())) as second,
    ):
        await anext(first)
        waiting = asyncio.ensure_future(anext(second))
        await turns()
        assert (screens.password, len(screens.lines), waiting.done()) == ("one", 1, False)
        screens.lines[0].say(b"\0\0\0\0")
        await anext(first)
        assert await waiting == ASKING
        assert screens.password == "two"


async def test_one_who_leaves_before_it_lets_the_next_one_in() -> None:
    screens = Screens()
    made = displays(screens)
    async with aclosing(made.attach("vm-1", Secret("one"), nothing())) as first:
        await anext(first)
    assert (screens.password, screens.lines[0].closed) == ("", True)
    async with aclosing(made.attach("vm-1", Secret("two"), nothing())) as second:
        assert await anext(second) == ASKING


async def test_who_gives_none_in_time_is_sent_away() -> None:
    screens = Screens()
    sent = displays(screens, QuickClock()).attach("vm-1", Secret("one"), nothing())
    assert await anext(sent) == ASKING
    with pytest.raises(ConsoleTicket):
        await anext(sent)
    assert (screens.password, screens.lines[0].closed) == ("", True)


async def test_a_display_that_hangs_up_after_a_wrong_one_just_ends() -> None:
    screens = Screens()

    async def leave_after_asking() -> AsyncIterator[bytes]:
        yield b"wrong"
        await asyncio.Event().wait()

    sent = displays(screens).attach("vm-1", Secret("one"), leave_after_asking())
    assert await anext(sent) == ASKING
    await turns()
    assert screens.lines[0].written == b"wrong"
    screens.lines[0].say(b"\0\0\0\1")
    screens.lines[0].say(b"")
    assert [data async for data in sent] == [b"\0\0\0\1"]
    assert screens.password == ""


async def test_one_whose_process_is_gone_has_stopped_though_nobody_has_noticed_yet() -> None:
    screens = Screens()
    sent = displays(screens).attach("vm-1", Secret("one"), nothing())
    assert await anext(sent) == ASKING
    screens.gone = True
    screens.lines[0].say(b"")
    with pytest.raises(VmNotRunning):
        await anext(sent)


async def test_only_a_vm_that_runs_and_a_password_that_is_one_open_it() -> None:
    stopped = running().with_report(state=PowerState.STOPPED)
    for vm_id, password, record, refusal in (
        ("vm-2", Secret("one"), running(), UnknownVm),
        ("vm-1", Secret("one"), stopped, VmNotRunning),
        ("vm-1", NOTHING, running(), ConsoleMissing),
    ):
        screens = Screens()
        with pytest.raises(refusal):
            await anext(displays(screens, record=record).attach(vm_id, password, nothing()))
        assert screens.lines == []
    for asked in (displays(Screens(), record=stopped).picture, displays(Screens(), record=stopped).require):
        with pytest.raises(VmNotRunning):
            await asked("vm-1")


async def test_what_is_no_picture_is_told() -> None:
    screens = Screens()
    assert (await displays(screens).picture("vm-1")).width == 1
    screens.shown = b"nothing"
    with pytest.raises(HypervisorFailed):
        await displays(screens).picture("vm-1")
