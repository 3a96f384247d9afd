"""A VM's door with a hostile guest behind it: real HTTP on the one stream that its connections become."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from image_library.domain.changes import Changes
from image_library.domain.guest_door import DoorLock
from image_library.domain.guest_requests import LARGEST_BODY
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.secret import Secret
from image_library.domain.vm import VmReport
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors
from image_library.node.services.guest_door import MOST_ANSWERS_A_MINUTE, GuestDoor, Patience
from image_library.node.services.vm_records import VmRecords
from tests.fakes.hypervisor import MemoryFolders, MemoryVmJournal

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
REPORT = urlencode({"pub_key_ed25519": f"{KEY} root@web\n", "instance_id": "i-1", "hostname": "web"}).encode()
MINE, OTHERS = Secret("token-of-vm-1"), Secret("token-of-vm-2")
PATIENCE = Patience(quiet=0.2, request=0.5, answer=0.5)
SECONDS = 20.0


class Folders(MemoryFolders):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def path(self, vm_id: str) -> str:
        return str(self._root / vm_id)


def record(vm_id: str, token: Secret) -> MachineRecord:
    machine = Machine(
        vm_id=vm_id,
        name=vm_id,
        architecture="x86_64",
        cores=1,
        memory_mib=64,
        firmware=Firmware.BIOS,
        mac_address="52:54:00:12:34:56",
        disk_bytes=1,
        backing=Backing(path="/x", format=ImageFormat.RAW),
        door=True,
    )
    return MachineRecord(machine=machine, report=VmReport(vm_id=vm_id), lock=DoorLock.of(token))


def post(body: bytes = REPORT, *, token: Secret = MINE, length: int | None = None) -> bytes:
    """As cloud-init's requests library writes it."""
    size = len(body) if length is None else length
    lines = (
        f"POST /{token.reveal()} HTTP/1.1",
        "Host: 10.0.2.100",
        "User-Agent: Cloud-Init/22.4.2",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        f"Content-Length: {size}",
        "Content-Type: application/x-www-form-urlencoded",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


@dataclass
class Stream:
    """qemu's end: what its guest writes goes in here, whatever connection of the guest's it is from."""

    reader: StreamReader
    writer: StreamWriter

    async def says(self, data: bytes) -> int:
        """The status of the answer to it."""
        self.writer.write(data)
        return await self.answer()

    async def answer(self) -> int:
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
        first, *headers = head.decode().split("\r\n")
        assert "Content-Length: 0" in headers
        assert "Connection: close" in headers
        return int(first.split(" ")[1])


class Scene:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.journal = MemoryVmJournal()
        self.records = VmRecords(journal=self.journal, changes=Changes())
        self._doors = QemuDoors(Folders(root))
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[asyncio.Server] = []
        self._writers: list[StreamWriter] = []
        self.came: dict[str, asyncio.Queue[Stream]] = {}

    async def opened(self, vm_id: str, token: Secret, *, again: bool = False) -> Stream:
        (self._root / vm_id).mkdir()
        self.came[vm_id] = asyncio.Queue()

        async def connected(reader: StreamReader, writer: StreamWriter) -> None:
            self._writers.append(writer)
            self.came[vm_id].put_nowait(Stream(reader, writer))

        server = await asyncio.start_unix_server(connected, self._root / vm_id / "door.sock")
        self._servers.append(server)
        self.records.adopt(record(vm_id, token))
        door = GuestDoor(
            vm_id, doors=self._doors, records=self.records, clock=SystemClock(), patience=PATIENCE
        )
        self._tasks.append(asyncio.create_task(door.run(again=again)))
        return await self.stream(vm_id)

    async def stream(self, vm_id: str) -> Stream:
        async with asyncio.timeout(SECONDS):
            return await self.came[vm_id].get()

    def report(self, vm_id: str) -> VmReport:
        return self.records.get(vm_id).report

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for writer in self._writers:
            writer.close()
        for server in self._servers:
            server.close()
            await server.wait_closed()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    await scene.close()


async def test_a_guest_reports_once_and_it_is_written_down_before_the_answer(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post()) == 200
    told = scene.journal.records["vm-1"].report.guest
    assert told is not None
    assert (told.instance_id, told.hostname, told.host_keys) == ("i-1", "web", (KEY,))
    assert told.reported_at is not None


async def test_a_token_is_used_up_by_the_first_report(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post()) == 200
    first = scene.report("vm-1")
    assert await guest.says(post(REPORT.replace(b"web", b"bad"))) == 410
    # The same again is a guest that did not hear the answer: cloud-init must not fail for it.
    assert await guest.says(post()) == 200
    assert scene.report("vm-1") == first


async def test_another_vms_token_opens_nothing(scene: Scene) -> None:
    one = await scene.opened("vm-1", MINE)
    await scene.opened("vm-2", OTHERS)
    assert await one.says(post(token=OTHERS)) == 403
    assert await one.says(post(token=Secret(""))) == 403
    assert await one.says(post(token=Secret("x" * 128))) == 403
    assert scene.report("vm-1").guest is None
    assert scene.report("vm-2").guest is None
    assert await one.says(post()) == 200


async def test_what_is_no_report_does_not_use_the_token_up(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post(b"instance_id=i&root=1")) == 400
    assert await guest.says(post()) == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 405),
        (post(length=LARGEST_BODY + 1) + b"x" * (4 * LARGEST_BODY), 413),
        (b"POST /a HTTP/1.1\r\n" + b"A: b\r\n" * 5000, 431),
        (b"\xff" * 300_000, 405),
    ],
)
async def test_a_guest_that_writes_anything_else_gets_one_answer_and_is_heard_once_it_was_quiet(
    scene: Scene, data: bytes, status: int
) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(data) == status
    await guest.writer.drain()
    while (answered := await _patiently(guest, post())) is None:
        pass
    assert answered == 200


async def _patiently(guest: Stream, data: bytes) -> int | None:
    """As cloud-init does: again, a while after there was no answer."""
    guest.writer.write(data)
    with suppress(TimeoutError):
        async with asyncio.timeout(4 * PATIENCE.quiet):
            return await guest.answer()
    return None


async def test_a_request_that_does_not_come_to_its_end_is_given_up(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.says(post(length=len(REPORT) + 1)) == 408
    assert await guest.says(post()) == 200


async def test_a_request_that_drips_is_given_up_too(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    answer = asyncio.create_task(guest.answer())
    for byte in post(b"x" * 9000):
        guest.writer.write(bytes((byte,)))
        await guest.writer.drain()
        await asyncio.wait({answer}, timeout=PATIENCE.quiet / 4)
        if answer.done():
            break
    assert answer.result() == 408


async def test_a_flood_of_requests_is_not_answered_for_ever(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    guest.writer.write(post(token=OTHERS) * (4 * MOST_ANSWERS_A_MINUTE))
    answers = [await guest.answer() for _ in range(MOST_ANSWERS_A_MINUTE + 1)]
    assert answers == [403] * MOST_ANSWERS_A_MINUTE + [429]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2 * PATIENCE.quiet):
            await guest.answer()


async def test_a_daemon_that_comes_back_frees_a_guest_that_waits_for_an_answer(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE, again=True)
    assert await guest.answer() == 503
    assert await guest.says(post()) == 200


async def test_when_the_stream_breaks_off_the_door_is_opened_again(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    guest.writer.write(post()[:50])
    guest.writer.close()
    guest = await scene.stream("vm-1")
    assert await guest.answer() == 503
    assert await guest.says(post()) == 200


async def test_a_vm_without_a_lock_takes_no_token(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    scene.records.adopt(replace(scene.records.get("vm-1"), lock=DoorLock()))
    assert await guest.says(post()) == 403
