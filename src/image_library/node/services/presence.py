"""Being known to the control plane: registered, heard regularly, with an inventory that is up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from image_library.domain.changes import Changed, Changes
from image_library.domain.errors import LibraryError, StorageIo
from image_library.domain.node import Heartbeat, Registration
from image_library.domain.store_health import Degradation, ScrubState
from image_library.domain.vm import PowerState
from image_library.node.ports.clock import Clock
from image_library.node.ports.control_plane import ControlPlane, VmReports
from image_library.node.ports.storage import ImageStore
from image_library.node.services.scan_images import ImageScan
from image_library.node.services.store_health import STORE

log = structlog.get_logger()

# The keys in Changes that make the node speak at once.
VMS = "vms"
INVENTORY = "inventory"
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0


class Presence:
    """``run`` never ends by itself: a control plane that is away is waited for."""

    def __init__(
        self,
        *,
        registration: Registration,
        control_plane: ControlPlane,
        scan: ImageScan,
        store: ImageStore,
        vms: VmReports,
        changes: Changes,
        clock: Clock,
        degraded: Callable[[], Degradation | None],
        scrub: Callable[[], ScrubState | None],
        interval: float = 10.0,
    ) -> None:
        self._registration = registration
        self._control_plane = control_plane
        self._scan = scan
        self._store = store
        self._vms = vms
        self._changes = changes
        self._clock = clock
        self._degraded = degraded
        self._scrub = scrub
        self._interval = interval
        # The control plane has not been told the latest inventory.
        self._report_due = False
        # Why there is no inventory to be told: what the control plane is to know of it.
        self._trouble = ""
        # Set once the control plane knows this node and its images.
        self.established = asyncio.Event()

    async def run(self) -> None:
        follow = self._changes.follow
        with follow(INVENTORY) as inventory, follow(VMS) as vms, follow(STORE) as health:
            while True:
                await self._until_it_works(self._introduce)
                self.established.set()
                await self._stay(inventory, (vms, health))

    async def _introduce(self) -> None:
        await self._scan.compare(await self._control_plane.register(self._registration))
        log.info("node_registered", node_id=self._registration.node_id)
        self._report_due = True
        await self._report()

    async def _report(self) -> None:
        """Tell all that is here; a store that is away is no empty store."""
        try:
            inventory = await self._scan.inventory()
        except LibraryError as error:
            self._note(error)
            return
        await self._control_plane.report(inventory)
        self._report_due, self._trouble = False, ""

    async def _look(self) -> None:
        """Notice a store that goes away before anybody asks for what is in it."""
        try:
            await self._scan.check()
        except LibraryError as error:
            self._note(error)
            self._report_due = True

    def _note(self, error: LibraryError) -> None:
        if str(error) != self._trouble:
            log.warning("inventory_not_taken", code=error.code, message=str(error))
        self._trouble = str(error)

    async def _stay(self, inventory: Changed, others: tuple[Changed, ...]) -> None:
        """Beat until the control plane has forgotten this node."""
        while True:
            try:
                if self._report_due:
                    await self._report()
                else:
                    await self._look()
                answer = await self._control_plane.heartbeat(await self._beat())
                if not answer.acknowledged:
                    log.warning("node_forgotten", node_id=self._registration.node_id)
                    return
                self._interval = answer.interval or self._interval
                if answer.inventory_wanted:
                    self._report_due = True
                    await self._report()
            except LibraryError as error:
                log.warning("heartbeat_failed", code=error.code)
                # Whatever was said last may not have arrived.
                self._report_due = True
            self._report_due = await self._rest(inventory, others) or self._report_due

    async def _rest(self, inventory: Changed, others: tuple[Changed, ...]) -> bool:
        """Wait for the next beat's time or a reason to beat earlier; whether the inventory has changed."""
        wanted = asyncio.ensure_future(inventory.wait())
        reasons = [
            wanted,
            *(asyncio.ensure_future(other.wait()) for other in others),
            asyncio.ensure_future(self._clock.sleep(self._interval)),
        ]
        try:
            await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
            return wanted.done()
        finally:
            for reason in reasons:
                reason.cancel()
            await asyncio.gather(*reasons, return_exceptions=True)

    async def _beat(self) -> Heartbeat:
        used, total = 0, 0
        with suppress(StorageIo):
            used, total = await self._store.usage()
        reports = self._vms.reports()
        return Heartbeat(
            node_id=self._registration.node_id,
            running_vm_count=sum(report.state is PowerState.RUNNING for report in reports),
            disk_used_bytes=used,
            disk_total_bytes=total,
            vms=reports,
            vms_complete=True,
            error_message=self._trouble,
            degraded=self._degraded(),
            scrub=self._scrub(),
        )

    async def _until_it_works(self, attempt: Callable[[], Awaitable[None]]) -> None:
        pause, last = _FIRST_PAUSE, ""
        while True:
            try:
                await attempt()
                return
            except LibraryError as error:
                if error.message != last:
                    log.warning("node_not_registered", code=error.code, message=str(error))
                last = error.message
            await self._clock.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
