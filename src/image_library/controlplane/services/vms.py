"""VMs as people see them: asked for, found, listed, started, stopped, deleted and watched."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.records import Database
from image_library.controlplane.ports.vms import ConsolePiece, NodeVms, VmFilter
from image_library.controlplane.services.provisioning import Seed
from image_library.controlplane.services.vm_followers import VmFollowers
from image_library.controlplane.services.vm_launch import VmLaunches
from image_library.controlplane.services.vm_orders import VmOrders
from image_library.controlplane.services.vm_records import VmRecords, after_report, shown, sight, vm_key
from image_library.controlplane.services.waiting import bell_or_time
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    InvalidRequest,
    NodeUnreachable,
    UnknownNode,
    UnknownVm,
    VmNotRunning,
    VmRunning,
)
from image_library.domain.node import Node
from image_library.domain.paging import Page, PageRequest
from image_library.domain.preflight import Finding
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from image_library.domain.vm_wish import VmWish

log = structlog.get_logger()

STOP_SECONDS = 60
LONGEST_STOP_SECONDS = 3600
# Whoever watches sees at the latest after this that a node went away.
LOOK_AGAIN_SECONDS = 5.0
ALIVE = frozenset({PowerState.RUNNING, PowerState.PAUSED})


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """How a VM is to be deleted: also while it runs or its node is away; or only forgotten, left as it is."""

    force: bool = False
    forget_only: bool = False


class VmService:
    def __init__(
        self,
        *,
        database: Database,
        records: VmRecords,
        orders: VmOrders,
        launches: VmLaunches,
        followers: VmFollowers,
        nodes: NodeVms,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._records = records
        self._orders = orders
        self._launches = launches
        self._followers = followers
        self._nodes = nodes
        self._changes = changes
        self._clock = clock

    async def resume(self) -> None:
        """Take up what was under way when the control plane ended."""
        await self._launches.resume()
        await self._followers.resume()

    async def close(self) -> None:
        """Let go of everything; VMs, nodes and downloads go on."""
        await self._launches.close()
        await self._followers.close()

    async def record(self, node_id: str, reports: tuple[VmReport, ...], *, complete: bool) -> None:
        """Fulfils ``VmReportSink``."""
        await self._records.record(node_id, reports, complete=complete)

    async def create(self, wish: VmWish, *, key: str = "") -> Vm:
        """The VM: made and started where its image is there, otherwise recorded and waiting for a download.

        One that a call with the same key made already is the answer.

        Raises:
            LibraryError: anything about the wish that cannot be; nothing is left behind.
        """
        made = await self._orders.made(key)
        if made is not None:
            return await self._shown(made)
        return await self.create_prepared(await self._orders.prepared(wish), key=key)

    async def create_prepared(self, wish: VmWish, *, key: str = "", what: str = "vm") -> Vm:
        """As ``create``, for a wish that is prepared; ``what``: the name of its note under the key."""
        made = await self._orders.made(key, what)
        if made is not None:
            return await self._shown(made)
        vm = await self._orders.place(wish, key=key, what=what)
        log.info("vm_recorded", vm_id=vm.id, node_id=vm.node_id, image_id=vm.image_id, job_id=vm.job_id)
        if vm.has_image:
            return await self._launches.now(vm)
        self._launches.begin(vm)
        return vm

    async def preview(self, wish: VmWish) -> Seed:
        """The seed that ``create`` would make; instance-id and a MAC address of ours differ each time."""
        return await self._orders.preview(wish)

    async def preflight(self, wish: VmWish) -> tuple[Finding, ...]:
        """What can be told of the VM before it is made, the gravest first; nothing is made."""
        return await self._orders.preflight(wish)

    async def get(self, named: str) -> Vm:
        """The VM with this id or unique name.

        Raises:
            UnknownVm: there is none.
        """
        return await self._shown(await self._records.find(named))

    async def list(self, matching: VmFilter, page: PageRequest, *, order_by: str = "") -> Page[Vm]:
        """Newest first, which is the one order there is.

        Raises:
            InvalidRequest: another order is asked for.
        """
        if order_by not in ("", "created_at desc"):
            raise InvalidRequest(
                "VMs are listed newest first only.", remedy="Leave order_by out.", field="order_by"
            )
        async with self._database.read() as records:
            seen = await sight(records)
            found = await records.vms.list(replace(matching, away=seen.away), page)
        return found.map(lambda vm: shown(vm, seen))

    async def start(self, named: str) -> Vm:
        """Start it; one that was never made, because that failed, is tried again from the beginning."""
        vm = await self._records.find(named)
        if vm.report.state is PowerState.PROVISIONING:
            return vm
        if vm.report.stage is BootStage.IMAGE:
            vm = await self._orders.place_again(vm)
            self._launches.begin(vm)
            return vm
        node = await self._records.node_of(vm)
        await self._nodes.start(node, vm.id)
        vm = await self._heard(vm, node)
        self._followers.ensure(vm)
        return vm

    async def stop(self, named: str, *, force: bool, timeout_seconds: int = 0) -> Vm:
        """Stop it: ask the guest and insist after the timeout (0: a minute), or insist at once.

        Raises:
            VmNotRunning: it is still being made.
            InvalidRequest: the timeout is negative or longer than an hour.
        """
        if not 0 <= timeout_seconds <= LONGEST_STOP_SECONDS:
            raise InvalidRequest(f"timeout_sec is 0 to {LONGEST_STOP_SECONDS}.", field="timeout_sec")
        vm = await self._records.find(named)
        if vm.report.state is PowerState.PROVISIONING:
            raise VmNotRunning(f"VM '{vm.name}' is still being made.", remedy="Wait, or delete it.")
        if vm.report.stage is BootStage.IMAGE:
            return vm
        node = await self._records.node_of(vm)
        if force:
            await self._nodes.force_stop(node, vm.id)
        else:
            await self._nodes.stop(node, vm.id, timeout_seconds=timeout_seconds or STOP_SECONDS)
        return await self._heard(vm, node)

    async def reboot(self, named: str, *, force: bool) -> Vm:
        """Stop it as ``stop`` does, and start it again.

        Raises:
            VmNotRunning: there is nothing to reboot.
        """
        vm = await self._records.find(named)
        node = await self._records.node_of(vm)
        if vm.report.stage is BootStage.IMAGE:
            raise VmNotRunning(f"VM '{vm.name}' does not run.")
        if force:
            await self._refuse_stopped(vm, node)
            await self._nodes.force_stop(node, vm.id)
            await self._nodes.start(node, vm.id)
        else:
            await self._nodes.reboot(node, vm.id, timeout_seconds=STOP_SECONDS)
        vm = await self._heard(vm, node)
        self._followers.ensure(vm)
        return vm

    async def delete(self, named: str, how: Deletion) -> None:
        """Remove the VM and its own files; its image and the download that it waited for stay.

        Raises:
            VmRunning: it runs, and ``force`` is not given.
            NodeUnreachable: its node is away, and neither ``force`` nor ``forget_only`` is given.
        """
        vm = await self._records.find(named)
        await self._launches.stop(vm.id)
        # What the launch came to in the meantime says what there is to remove.
        vm = await self._records.find(vm.id)
        if not how.forget_only:
            await self._delete_there(vm, how)
        await self._records.remove(vm.id)
        self._followers.forget(vm.id)
        log.info("vm_deleted", vm_id=vm.id, node_id=vm.node_id, forget_only=how.forget_only)

    async def watch(self, named: str) -> AsyncGenerator[Vm]:
        """The VM now, then whenever it has changed, until it is deleted. A slow reader skips states."""
        vm = await self._records.find(named)
        with self._changes.follow(vm_key(vm.id)) as bell, self._followers.watched(vm):
            last: Vm | None = None
            while True:
                try:
                    vm = await self.get(vm.id)
                except UnknownVm:
                    return
                if vm.report.state in ALIVE:
                    self._followers.ensure(vm)
                if vm != last:
                    last = vm
                    yield vm
                await bell_or_time(bell, self._clock, LOOK_AGAIN_SECONDS)

    async def read_console(self, named: str, *, offset: int, follow: bool) -> AsyncGenerator[ConsolePiece]:
        """The serial console from a byte offset on; with ``follow``, until the caller leaves.

        Raises:
            VmNotRunning: it was never made, so there is none.
        """
        vm = await self._records.find(named)
        if vm.report.stage is BootStage.IMAGE:
            raise VmNotRunning(f"VM '{vm.name}' has not been started yet.", remedy="Wait until it boots.")
        node = await self._records.node_of(vm)
        async with aclosing(self._nodes.read_console(node, vm.id, offset=offset, follow=follow)) as pieces:
            async for piece in pieces:
                yield piece

    async def _shown(self, vm: Vm) -> Vm:
        async with self._database.read() as records:
            return shown(vm, await sight(records))

    async def _heard(self, vm: Vm, node: Node) -> Vm:
        """The VM with what its node says of it now."""
        report = await self._nodes.status(node, vm.id)
        return await self._records.change(vm.id, lambda v: after_report(v, report))

    async def _delete_there(self, vm: Vm, how: Deletion) -> None:
        if vm.report.stage is BootStage.IMAGE and not vm.has_image:
            return
        try:
            node = await self._records.node_of(vm)
            if not how.force:
                await self._refuse_running(vm, node)
            await self._nodes.delete(node, vm.id)
        except (NodeUnreachable, UnknownNode):
            if not how.force:
                # The launch that was under way is taken up again.
                if vm.report.state is PowerState.PROVISIONING:
                    self._launches.begin(vm)
                raise
            log.warning("vm_left_on_node", vm_id=vm.id, node_id=vm.node_id)

    async def _refuse_stopped(self, vm: Vm, node: Node) -> None:
        report = await self._nodes.status(node, vm.id)
        if report.state not in ALIVE | {PowerState.UNKNOWN}:
            raise VmNotRunning(f"VM '{vm.name}' does not run.")

    async def _refuse_running(self, vm: Vm, node: Node) -> None:
        """By the node's word, for ours may be old."""
        try:
            report = await self._nodes.status(node, vm.id)
        except UnknownVm:
            return
        if report.state in ALIVE:
            raise VmRunning(
                f"VM '{vm.name}' is running.", remedy="Stop it first, or delete it with force.", field="id"
            )
