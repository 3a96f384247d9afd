"""The record of VMs as it changes: one change a transaction, and everybody who follows the VM is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.copies import Place
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import failure_of
from image_library.controlplane.services.vm_bases import based, has_surplus
from image_library.domain.changes import Changes
from image_library.domain.errors import InvalidRequest, LibraryError, UnknownNode, UnknownVm, printable
from image_library.domain.image import PlacementState
from image_library.domain.node import Node, NodePhase
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport

# A node's list may be older than the VM that we made there a moment ago.
GRACE = timedelta(seconds=30)
BASE_BROKEN = (
    "The image that its disk is built on was damaged on its node: it may read wrong bytes, and it cannot be "
    "started until the image is there again."
)
GONE = "The node no longer has this VM."


def vm_key(vm_id: str) -> str:
    """The key under which ``Changes`` tells that a VM has changed."""
    return f"vm:{vm_id}"


class VmRecords:
    def __init__(self, *, database: Database, changes: Changes, clock: Clock) -> None:
        self._database = database
        self._changes = changes
        self._clock = clock
        # The last word of each node with which the record agrees; whoever changes a VM there takes it out.
        self._agreed: dict[str, tuple[tuple[VmReport, ...], bool]] = {}

    async def find(self, named: str) -> Vm:
        """The VM with this id or unique name.

        Raises:
            UnknownVm: there is none.
            InvalidRequest: several projects have one of that name.
        """
        async with self._database.read() as records:
            by_id = await records.vms.get(named)
            by_name = () if by_id else await records.vms.named(named)
        if by_id is not None:
            return by_id
        if len(by_name) > 1:
            raise InvalidRequest(
                f"{len(by_name)} VMs are called '{printable(named)}'.", remedy="Use the id.", field="id"
            )
        if not by_name:
            raise UnknownVm(f"There is no VM '{printable(named)}'.", field="id")
        return by_name[0]

    async def node_of(self, vm: Vm) -> Node:
        """The node that the VM was given to."""
        async with self._database.read() as records:
            node = await records.nodes.get(vm.node_id)
        if node is None:
            raise UnknownNode(f"The node of VM '{vm.name}' is no longer registered.")
        return node

    async def change(self, vm_id: str, how: Callable[[Vm], Vm]) -> Vm:
        """The VM after ``how``; its times are kept here.

        Raises:
            UnknownVm: it has been deleted meanwhile.
        """

        async def at_once(_: Records, vm: Vm) -> Vm:
            return how(vm)

        return await self.change_with(vm_id, at_once)

    async def change_with(self, vm_id: str, how: Callable[[Records, Vm], Awaitable[Vm]]) -> Vm:
        """``change`` for one that looks at more than the VM, in the same transaction."""
        async with self._database.write() as records:
            vm = await records.vms.get(vm_id)
            if vm is None:
                raise UnknownVm("The VM was deleted meanwhile.", field="id")
            changed = await how(records, vm)
            if changed.report.disk != vm.report.disk:
                changed = await based(records, changed)
            if changed != vm:
                changed = self._stamped(vm, changed)
                await records.vms.save(changed)
                self._disagree(vm.node_id, changed.node_id)
        if changed != vm:
            self._changes.notify(vm_key(vm_id))
        return changed

    async def fail(self, vm_id: str, error: LibraryError) -> Vm:
        """The VM stopped, with the reason; it can be started again or deleted."""

        def failed(vm: Vm) -> Vm:
            report = replace(vm.report, state=PowerState.STOPPED)
            return vm.evolve(report=report, failure=failure_of(error))

        return await self.change(vm_id, failed)

    async def note(self, vm_id: str, error: LibraryError) -> Vm:
        """The VM with what it is held up by, which may pass."""
        return await self.change(vm_id, lambda vm: vm.evolve(failure=failure_of(error)))

    async def remove(self, vm_id: str) -> None:
        async with self._database.write() as records:
            vm = await records.vms.get(vm_id)
            await records.vms.remove(vm_id)
            self._disagree(vm.node_id if vm else "")
        self._changes.notify(vm_key(vm_id))

    async def record(self, node_id: str, reports: tuple[VmReport, ...], *, complete: bool) -> None:
        """Fulfils ``VmReportSink``: a node speaks for its own VMs only, and not while we are making one.

        What a node repeats is neither read nor written.
        """
        said = (reports, complete)
        if self._agreed.get(node_id) == said:
            return
        try:
            async with self._database.write() as records:
                known = {vm.id: vm for vm in await records.vms.on_node(node_id)}
                settled = {i: vm for i, vm in known.items() if vm.report.state is not PowerState.PROVISIONING}
                told = [await self._told(records, settled[r.vm_id], r) for r in reports if r.vm_id in settled]
                named = {report.vm_id for report in reports}
                unnamed = [vm for i, vm in settled.items() if complete and i not in named]
                missing = [_lost(vm) for vm in unnamed if self._is_old(vm)]
                changed = [vm for vm in [*told, *missing] if vm != known[vm.id]]
                await self._save_all(records, known, changed)
                # A young VM that it does not name will be lost some time, without another word; and what one
                # does not need after all will be let go.
                if len(missing) == len(unnamed) and not any(map(has_surplus, told)):
                    self._agreed[node_id] = said
        except BaseException:
            self._disagree(node_id)
            raise
        for vm in changed:
            self._changes.notify(vm_key(vm.id))

    async def _told(self, records: Records, vm: Vm, report: VmReport) -> Vm:
        told = after_report(vm, report)
        # What was noted a moment ago may be about work that the node is yet to hear of.
        if told.report.disk != vm.report.disk or (has_surplus(told) and self._is_old(vm)):
            return await based(records, told)
        return told

    def _disagree(self, *node_ids: str) -> None:
        for node_id in node_ids:
            self._agreed.pop(node_id, None)

    async def _save_all(self, records: Records, known: dict[str, Vm], changed: list[Vm]) -> None:
        for vm in changed:
            await records.vms.save(self._stamped(known[vm.id], vm))

    def _is_old(self, vm: Vm) -> bool:
        return self._clock.now() - vm.updated_at > GRACE

    def _stamped(self, before: Vm, after: Vm) -> Vm:
        now = self._clock.now()
        turned = before.report.state is not after.report.state
        return after.evolve(updated_at=now, state_changed_at=now if turned else before.state_changed_at)


def after_report(vm: Vm, report: VmReport) -> Vm:
    """The VM once its node has said this; a VM that runs has no failure any more."""
    failure = None if report.state is PowerState.RUNNING else vm.failure
    return vm.evolve(report=replace(report, vm_id=vm.id, name=vm.name), failure=failure)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What people should see of VMs that their records do not say."""

    # Ids of nodes that are away.
    away: frozenset[str]
    # Copies that are damaged or not whole yet.
    broken: frozenset[Place]


async def sight(records: Records) -> Sight:
    copies = records.copies
    damaged = await copies.in_state(PlacementState.DAMAGED)
    coming = await copies.in_state(PlacementState.FETCHING)
    away = frozenset(n.id for n in await records.nodes.all() if n.phase is NodePhase.OFFLINE)
    return Sight(away=away, broken=damaged | coming)


def shown(vm: Vm, seen: Sight) -> Vm:
    """The VM as people see it: lost from sight while its node is away, with a warning of a broken base."""
    if _stands_on(vm) in seen.broken:
        vm = vm.evolve(warnings=(*vm.warnings, BASE_BROKEN))
    if vm.node_id not in seen.away or vm.report.state is PowerState.PROVISIONING:
        return vm
    said = vm.report.error_message or "Its node does not answer; what is shown was true before."
    return vm.evolve(report=replace(vm.report, state=PowerState.LOST, error_message=said))


def _stands_on(vm: Vm) -> Place | None:
    """The copy that its disk is built on; None where there is no disk yet, or one that needs no image."""
    made = vm.report.stage is not BootStage.IMAGE and bool(vm.image_digest)
    return Place(image_id=vm.image_id, node_id=vm.node_id) if made else None


def _lost(vm: Vm) -> Vm:
    """Unless the node never had it, because making it failed."""
    if vm.report.stage is BootStage.IMAGE:
        return vm
    return vm.evolve(report=replace(vm.report, state=PowerState.LOST, error_message=GONE, ssh_port=0))
