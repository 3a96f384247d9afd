"""A control plane that remembers what a node told it, and is away when told to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from image_library.domain.errors import ServerUnreachable
from image_library.domain.inventory import Inventory
from image_library.domain.node import Heartbeat, InventoryMark, Registration
from image_library.domain.vm import VmReport
from image_library.node.ports.control_plane import HeartbeatAnswer


class FakeControlPlane:
    def __init__(self, *, interval: float = 10.0) -> None:
        self.interval = interval
        self.away = False
        self.registrations: list[Registration] = []
        self.inventories: list[Inventory] = []
        self.beats: list[Heartbeat] = []
        self.refused = 0
        # What it has reconciled last, and whether it asks for more.
        self.mark = InventoryMark()
        self.inventory_wanted = False
        self._heard = asyncio.Condition()

    async def register(self, registration: Registration) -> InventoryMark:
        await self._hear(lambda: self.registrations.append(registration))
        return self.mark

    async def report(self, inventory: Inventory) -> None:
        await self._hear(lambda: self.inventories.append(inventory))

    async def heartbeat(self, beat: Heartbeat) -> HeartbeatAnswer:
        await self._hear(lambda: self.beats.append(beat))
        known = any(r.node_id == beat.node_id for r in self.registrations)
        wanted, self.inventory_wanted = self.inventory_wanted, False
        return HeartbeatAnswer(acknowledged=known, interval=self.interval, inventory_wanted=wanted)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._heard:
            await self._heard.wait_for(happened)

    async def _hear(self, note: Callable[[], None]) -> None:
        async with self._heard:
            if self.away:
                self.refused += 1
            else:
                note()
            self._heard.notify_all()
        if self.away:
            raise ServerUnreachable("The control plane is away.")


class FakeVmReports:
    def __init__(self, *reports: VmReport) -> None:
        self.all = reports

    def reports(self) -> tuple[VmReport, ...]:
        return self.all
