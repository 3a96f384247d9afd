"""A VM's door with the test in the place of qemu and its guest."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from image_library.domain.changes import Changes
from image_library.domain.guest_door import DoorLock, Doorway, Doorways
from image_library.domain.image import ImageFormat
from image_library.domain.machine import Backing, Firmware, Machine, MachineRecord
from image_library.domain.secret import Secret
from image_library.domain.vm import SeedDocuments, VmReport
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.hypervisors.qemu.lines import QemuDoors
from image_library.node.adapters.served_seeds import ServedSeeds
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.guest_door import GuestDoor, Patience
from image_library.node.services.vm_records import VmRecords
from tests.fakes.hypervisor import MemoryFolders, MemoryVmJournal

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
REPORT = urlencode({"pub_key_ed25519": f"{KEY} root@web\n", "instance_id": "i-1", "hostname": "web"}).encode()
MINE, OTHERS = Secret("token-of-vm-1"), Secret("token-of-vm-2")
PATIENCE = Patience(quiet=0.2, request=0.5, answer=0.5)
SECONDS = 20.0
# An operator's, for guests on bridges.
DOORWAYS = Doorways(direct=True, operator=Doorway(url="http://192.0.2.1:8780"))


class Folders(MemoryFolders):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def path(self, vm_id: str) -> str:
        return str(self._root / vm_id)

    async def drop(self, vm_id: str, name: str) -> None:
        (self._root / vm_id / name).unlink(missing_ok=True)


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


def get(name: str, *, token: Secret = MINE) -> bytes:
    lines = (
        f"GET /{token.reveal()}/{name} HTTP/1.1",
        "Host: 10.0.2.100",
        "User-Agent: Cloud-Init/22.4.2",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
    )
    return "\r\n".join((*lines, "", "")).encode()


@dataclass
class Stream:
    """qemu's end: what its guest writes goes in here, whatever connection of the guest's it is from."""

    reader: StreamReader
    writer: StreamWriter

    async def says(self, data: bytes) -> int:
        """The status of the answer to it."""
        self.writer.write(data)
        return await self.answer()

    async def asks(self, name: str, *, token: Secret = MINE) -> tuple[int, bytes]:
        self.writer.write(get(name, token=token))
        return await self.whole_answer()

    async def answer(self) -> int:
        status, body = await self.whole_answer()
        assert not body
        return status

    async def whole_answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *headers = head.decode().split("\r\n")
            assert "Connection: close" in headers
            (size,) = (line.partition(": ")[2] for line in headers if line.startswith("Content-Length: "))
            return int(first.split(" ")[1]), await self.reader.readexactly(int(size))


class Scene:
    """The doors of VMs whose qemu is played by the test."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.journal = MemoryVmJournal()
        self.records = VmRecords(journal=self.journal, changes=Changes())
        folders = Folders(root)
        self._doors = QemuDoors(folders)
        self.desk = ServedSeeds(folders)
        self._clock = SystemClock()
        self._keeper = DoorKeeper(records=self.records, desk=self.desk, clock=self._clock, doorways=DOORWAYS)
        self._tasks: list[asyncio.Task[None]] = []
        self._servers: list[asyncio.Server] = []
        self._writers: list[StreamWriter] = []
        self.came: dict[str, asyncio.Queue[Stream]] = {}

    async def opened(
        self, vm_id: str, token: Secret, *, again: bool = False, seed: SeedDocuments | None = None
    ) -> Stream:
        """With ``seed`` its guest has no disk of documents."""
        folder = self._root / vm_id
        folder.mkdir()
        if seed is not None:
            await self.desk.lay_out(str(folder), seed, "ds=nocloud")
        self.came[vm_id] = asyncio.Queue()

        async def connected(reader: StreamReader, writer: StreamWriter) -> None:
            self._writers.append(writer)
            self.came[vm_id].put_nowait(Stream(reader, writer))

        server = await asyncio.start_unix_server(connected, folder / "door.sock")
        self._servers.append(server)
        self.records.adopt(record(vm_id, token).with_machine(seed_served=seed is not None))
        door = GuestDoor(vm_id, doors=self._doors, keeper=self._keeper, clock=self._clock, patience=PATIENCE)
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
