"""A serial console is read from its log, at each reader's own pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from image_library.domain.changes import Changes
from image_library.domain.console import LARGEST_LAG, TAIL_BYTES, shown_again
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.vm import PowerState, VmReport
from image_library.node.services.consoles import Consoles
from image_library.node.services.vm_records import VmRecords
from tests.fakes.hypervisor import FakeWindow, MemoryVmJournal, QuickClock


class QuietLine:
    """Fulfils ``ConsoleLine``: nothing ever comes."""

    async def read(self) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def write(self, data: bytes) -> None:
        """It is lost."""

    def close(self) -> None:
        """Nothing to close."""


class QuietLines:
    async def open(self, vm_id: str) -> QuietLine:
        return QuietLine()


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def running() -> MachineRecord:
    machine = Machine(
        vm_id="vm-1",
        name="web",
        architecture="x86_64",
        cores=1,
        memory_mib=64,
        firmware=Firmware.BIOS,
        mac_address="52:54:00:00:00:01",
        disk_bytes=1,
        backing=Backing(path="/image", format=ImageFormat.RAW),
    )
    return MachineRecord(machine=machine, report=VmReport(vm_id="vm-1", state=PowerState.RUNNING))


async def test_a_reader_that_fell_behind_goes_on_at_the_end() -> None:
    window, records = FakeWindow(), VmRecords(journal=MemoryVmJournal(), changes=Changes())
    records.adopt(running())
    consoles = Consoles(records=records, window=window, lines=QuietLines(), clock=QuickClock())
    window.text["vm-1"] = b"begin\n"
    async with aclosing(consoles.attach("vm-1", silence())) as written:
        assert await anext(written) == b"begin\n"
        window.text["vm-1"] += bytes(LARGEST_LAG) + b"e" * TAIL_BYTES
        assert (await anext(written))[:1] == b"e"
        # One that keeps up misses nothing; and a log that begins anew is read from its beginning.
        window.text["vm-1"] = b"anew"
        assert await anext(written) == b"anew"


@pytest.mark.parametrize(
    ("tail", "shown"),
    [
        (b"login: \x1b[6n", b"login: "),
        (b"\x1b[c\x1b[>c\x1bZ\x05a", b"a"),
        (b"\x1b]11;?\x07b\x1bP+q\x1b\\c", b"bc"),
        (b"\x1b[31mred\x1b[0m\x1b[2J", b"\x1b[31mred\x1b[0m\x1b[2J"),
        (b"x" * TAIL_BYTES + b"\nwhole line", b"whole line"),
    ],
)
def test_an_old_screen_asks_the_terminal_nothing(tail: bytes, shown: bytes) -> None:
    assert shown_again(tail) == shown
