"""What guests' doors answer: a report is taken once, and documents are given until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from image_library.domain.errors import LibraryError
from image_library.domain.guest_door import (
    DIRECT,
    Doorway,
    Doorways,
    NotAReport,
    read_report,
    served_later,
)
from image_library.domain.guest_requests import Request
from image_library.domain.machine import MachineRecord
from image_library.domain.seed_files import SERVED
from image_library.node.ports.clock import Clock
from image_library.node.ports.vms import SeedDesk
from image_library.node.services.vm_records import VmRecords

log = structlog.get_logger()

PIECE = 16 << 10


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status of HTTP and what is said with it."""

    status: int
    body: bytes = field(default=b"", repr=False)

    def said(self) -> Iterator[bytes]:
        """As it is written, in pieces that a slow guest takes one by one; nothing follows it."""
        first = f"HTTP/1.1 {int(self.status)} {HTTPStatus(self.status).phrase}"
        head = f"{first}\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        whole = head.encode("ascii") + self.body
        yield from (whole[begin : begin + PIECE] for begin in range(0, len(whole), PIECE))


class DoorKeeper:
    """Of all VMs' doors."""

    def __init__(self, *, records: VmRecords, desk: SeedDesk, clock: Clock, doorways: Doorways) -> None:
        self._records = records
        self._doorways = doorways
        self._desk = desk
        self._clock = clock

    def serves(self, vm_id: str) -> bool:
        """Whether its guest finds its documents there."""
        record = self._records.find(vm_id)
        return record is not None and record.machine.seed_served

    async def answer(self, vm_id: str, request: Request) -> Answer:
        """To what came through that VM's own door."""
        record = self._records.find(vm_id)
        if record is None or not record.lock.fits(request.token):
            return Answer(status=HTTPStatus.FORBIDDEN)
        return await self._answer(record, request, DIRECT)

    async def answer_from_network(self, request: Request) -> Answer:
        """To what came by the operator's way, from whomever: only the token says from which VM."""
        doorway = self._doorways.operator
        theirs = (record for record in self._records.all() if not record.machine.door)
        record = next((record for record in theirs if record.lock.fits(request.token)), None)
        if record is None or doorway is None:
            return Answer(status=HTTPStatus.FORBIDDEN)
        return await self._answer(record, request, doorway)

    async def _answer(self, record: MachineRecord, request: Request, doorway: Doorway) -> Answer:
        if request.document:
            return await self._asked(record, request.document)
        return Answer(status=await self._told(record, request.body, doorway))

    async def _asked(self, record: MachineRecord, name: str) -> Answer:
        if not record.machine.seed_served or name not in SERVED:
            return Answer(status=HTTPStatus.NOT_FOUND)
        if record.report.guest and record.lock.is_used:
            # The files are there as long as they are empty: a guest that misses one takes none of them.
            return Answer(status=HTTPStatus.OK, body=served_later(record.report.guest).get(name, b""))
        document = await self._desk.find(record.machine.vm_id, name)
        if document is None:
            return Answer(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return Answer(status=HTTPStatus.OK, body=document)

    async def _told(self, record: MachineRecord, body: bytes, doorway: Doorway) -> HTTPStatus:
        if record.lock.is_used:
            return HTTPStatus.OK if record.lock.is_repeated(body) else HTTPStatus.GONE
        try:
            report = read_report(body, at=self._clock.now(), doorway=doorway)
        except NotAReport:
            return HTTPStatus.BAD_REQUEST
        vm_id, used = record.machine.vm_id, record.lock.used_by(body)
        await self._records.update(vm_id, lambda record: record.evolve(lock=used).with_report(guest=report))
        log.info("guest_reported", vm_id=vm_id, host_keys=len(report.host_keys))
        if record.machine.seed_served:
            await self.clear(vm_id)
        return HTTPStatus.OK

    async def clear(self, vm_id: str) -> None:
        """Removes what only a first boot is told; what cannot be removed now is when the node starts."""
        try:
            await self._desk.clear(vm_id)
        except LibraryError as error:
            log.warning("served_seed_not_removed", vm_id=vm_id, code=error.code)

    async def recover(self) -> None:
        """Removes what an earlier daemon had no time to."""
        for record in self._records.all():
            if record.machine.seed_served and record.lock.is_used:
                await self.clear(record.machine.vm_id)
