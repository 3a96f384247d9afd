"""The VM service over fake nodes, on top of the services around images."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

from image_library.controlplane.adapters.cloud_init_schema import CloudInitSchema
from image_library.controlplane.adapters.provisioning_reader import WireReader
from image_library.controlplane.adapters.system_clock import new_salt
from image_library.controlplane.adapters.xml_answer_files import XmlAnswerFiles
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.ports.records import Database
from image_library.controlplane.ports.vms import ConsolePiece
from image_library.controlplane.services.clearing import Clearing
from image_library.controlplane.services.deletions import Deletions
from image_library.controlplane.services.driver_discs import DriverDiscs
from image_library.controlplane.services.profiles import ProfileService
from image_library.controlplane.services.provisioning import SeedRenderer
from image_library.controlplane.services.vm_batches import VmBatches
from image_library.controlplane.services.vm_disks import VmDiskService
from image_library.controlplane.services.vm_followers import VmFollowers
from image_library.controlplane.services.vm_launch import VmLaunches
from image_library.controlplane.services.vm_orders import VmOrders
from image_library.controlplane.services.vm_preflight import VmPreflight
from image_library.controlplane.services.vm_records import VmRecords
from image_library.controlplane.services.vm_seeds import VmSeeds
from image_library.controlplane.services.vm_source import VmSources
from image_library.controlplane.services.vms import VmService
from image_library.controlplane.services.windows_answers import AnswerFileRenderer
from image_library.domain.catalog import Catalog
from image_library.domain.changes import Changes
from image_library.domain.errors import LibraryError, NodeUnreachable, UnknownVm
from image_library.domain.generalisation import AuditReport
from image_library.domain.node import Node
from image_library.domain.trust_policy import TrustPolicy
from image_library.domain.vm import BootStage, PowerState, Vm, VmReport
from image_library.domain.vm_disk import DiskReport, DiskTask, DiskTaskKind
from image_library.domain.vm_wish import DiskWish, VmWish
from tests.fakes.control_nodes import FakeNodes
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_catalog


@dataclass
class FakeNodeVms:
    """Fulfils ``NodeVms``: remembers what it was asked, and does what a node would, or what a test says."""

    away: set[str] = field(default_factory=set[str])
    # Raised instead of doing it: by the name of the call.
    refusals: dict[str, LibraryError | Exception] = field(default_factory=dict[str, LibraryError | Exception])
    orders: dict[str, Vm] = field(default_factory=dict[str, Vm])
    reports: dict[str, VmReport] = field(default_factory=dict[str, VmReport])
    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    console: bytes = b""
    streams: int = 0
    _changes: Changes = field(default_factory=Changes)

    def say(self, vm_id: str, **changes: Any) -> None:
        """Let the node report the VM so, to whoever follows."""
        self.reports[vm_id] = replace(self.reports[vm_id], **changes)
        self._changes.notify(vm_id)

    async def create(self, node: Node, vm: Vm) -> None:
        self._enter("create", node, vm.id)
        self.orders.setdefault(vm.id, vm)
        self.reports.setdefault(
            vm.id, VmReport(vm_id=vm.id, name=vm.name, state=PowerState.STOPPED, stage=BootStage.DISK)
        )

    async def start(self, node: Node, vm_id: str) -> None:
        self._enter("start", node, vm_id)
        self._known(vm_id)
        facts = {"ssh_host": "127.0.0.1", "ssh_port": 2222, "error_message": ""}
        self.say(vm_id, state=PowerState.RUNNING, stage=BootStage.BOOT, **facts)

    async def stop(self, node: Node, vm_id: str, *, timeout_seconds: int) -> None:
        self._enter(f"stop {timeout_seconds}", node, vm_id)
        self._known(vm_id)
        self.say(vm_id, state=PowerState.STOPPED)

    async def force_stop(self, node: Node, vm_id: str) -> None:
        self._enter("force_stop", node, vm_id)
        self._known(vm_id)
        self.say(vm_id, state=PowerState.STOPPED)

    async def delete(self, node: Node, vm_id: str) -> None:
        self._enter("delete", node, vm_id)
        self.reports.pop(vm_id, None)
        self._changes.notify(vm_id)

    async def flatten(self, node: Node, vm_id: str) -> None:
        self._enter("flatten", node, vm_id)
        self._known(vm_id)

    async def reboot(self, node: Node, vm_id: str, *, timeout_seconds: int) -> None:
        self._enter(f"reboot {timeout_seconds}", node, vm_id)
        self._known(vm_id)

    async def grow_disk(self, node: Node, vm_id: str, size_bytes: int) -> VmReport:
        self._enter(f"grow {size_bytes}", node, vm_id)
        return self.disk_of(vm_id, size_bytes=size_bytes)

    async def begin_disk_task(
        self, node: Node, vm_id: str, kind: DiskTaskKind, subject: str = ""
    ) -> VmReport:
        self._enter(f"{kind.value} {subject}", node, vm_id)
        return self.disk_of(vm_id, task=DiskTask(kind=kind, subject=subject))

    async def cancel_disk_task(self, node: Node, vm_id: str) -> VmReport:
        self._enter("cancel", node, vm_id)
        return self.disk_of(vm_id, task=None)

    async def delete_snapshot(self, node: Node, vm_id: str, name: str) -> VmReport:
        self._enter(f"delete_snapshot {name}", node, vm_id)
        return self.disk_of(vm_id, snapshots=())

    def disk_of(self, vm_id: str, **changes: Any) -> VmReport:
        """Let the node say that of the VM's disk."""
        report = self._known(vm_id)
        disk = report.disk or DiskReport(size_bytes=1 << 30, base_digest=self.orders[vm_id].image_digest)
        self.say(vm_id, disk=replace(disk, **changes))
        return self.reports[vm_id]

    async def audit(self, node: Node, vm_id: str) -> AuditReport:
        self._enter("audit", node, vm_id)
        return AuditReport(findings=())

    async def status(self, node: Node, vm_id: str) -> VmReport:
        self._enter("status", node, vm_id)
        return self._known(vm_id)

    async def watch(self, node: Node, vm_id: str) -> AsyncGenerator[VmReport]:
        self._enter("watch", node, vm_id)
        self._known(vm_id)
        self.streams += 1
        try:
            with self._changes.follow(vm_id) as changed:
                while vm_id in self.reports:
                    yield self.reports[vm_id]
                    await changed.wait()
                    if node.id in self.away:
                        raise NodeUnreachable(f"Node {node.hostname} does not answer.")
        finally:
            self.streams -= 1

    async def read_console(
        self, node: Node, vm_id: str, *, offset: int, follow: bool
    ) -> AsyncGenerator[ConsolePiece]:
        self._enter(f"console {follow}", node, vm_id)
        self._known(vm_id)
        yield ConsolePiece(offset=offset, data=self.console[offset:])

    def asked(self, call: str) -> list[str]:
        """The VMs for which this was asked, in order."""
        return [vm_id for name, vm_id in self.calls if name == call]

    def lose_sight(self, node_id: str) -> None:
        self.away.add(node_id)
        for vm_id in list(self.reports):
            self._changes.notify(vm_id)

    def _enter(self, call: str, node: Node, vm_id: str) -> None:
        if node.id in self.away:
            raise NodeUnreachable(f"Node {node.hostname} does not answer.")
        self.calls.append((call, vm_id))
        refusal = self.refusals.get(call)
        if refusal is not None:
            raise refusal

    def _known(self, vm_id: str) -> VmReport:
        if vm_id not in self.reports:
            raise UnknownVm(f"There is no VM '{vm_id}'.")
        return self.reports[vm_id]


# Images of every level will do.
ANY_TRUST = TrustPolicy()


class VmPlane(Plane):
    """``restarted`` is the same database and the same nodes under a new process."""

    def __init__(
        self,
        catalog: Catalog | None = None,
        *,
        database: Database | None = None,
        node_vms: FakeNodeVms | None = None,
        nodes: FakeNodes | None = None,
        prefix: str = "id",
        trust: TrustPolicy = ANY_TRUST,
    ) -> None:
        super().__init__(catalog, database=database, nodes=nodes, prefix=prefix)
        self.node_vms = node_vms or FakeNodeVms()
        shared: dict[str, Any] = {"database": self.database, "clock": self.clock}
        self.records = VmRecords(changes=self.changes, **shared)
        everything: dict[str, Any] = {
            "records": self.records,
            "nodes": self.node_vms,
            "changes": self.changes,
            **shared,
        }
        self.followers = VmFollowers(**everything)
        self.launches = VmLaunches(followers=self.followers, trust=trust, **everything)
        sources = VmSources(
            database=self.database,
            catalog=catalog or a_catalog(),
            names=self.images,
            downloads=self.downloads,
            adoptions=self.adoptions,
        )
        self.profiles = ProfileService(
            reader=WireReader(), documents=YamlDocuments(), new_id=self.new_id, **shared
        )
        orders = VmOrders(
            records=self.records,
            sources=sources,
            trust=trust,
            profiles=self.profiles,
            seeds=VmSeeds(
                renderer=SeedRenderer(YamlDocuments()),
                answers=AnswerFileRenderer(XmlAnswerFiles()),
                new_salt=new_salt,
            ),
            discs=DriverDiscs(database=self.database, names=self.images),
            preflight=VmPreflight(
                catalog=catalog or a_catalog(),
                documents=YamlDocuments(),
                schema=CloudInitSchema(),
                **shared,
            ),
            new_id=self.new_id,
            **shared,
        )
        self.deletions = Deletions(
            images=self.images,
            clearing=Clearing(gateway=self.nodes, **shared),
            vms=self.records,
            nodes=self.node_vms,
            changes=self.changes,
            **shared,
        )
        self.vms = VmService(orders=orders, launches=self.launches, followers=self.followers, **everything)
        self.batches = VmBatches(orders=orders, vms=self.vms)
        self.disks = VmDiskService(
            database=self.database,
            records=self.records,
            followers=self.followers,
            nodes=self.node_vms,
            images=self.images,
            trust=trust,
        )

    async def restarted(self) -> VmPlane:
        """As after a kill: nothing was said to anybody."""
        await self.close()
        again = VmPlane(database=self.database, node_vms=self.node_vms)
        again.nodes.journal = self.nodes.journal
        await again.downloads.resume()
        await again.vms.resume()
        return again

    async def close(self) -> None:
        await self.vms.close()
        await self.runs.close()

    async def stored(self, vm_id: str) -> Vm | None:
        async with self.database.read() as records:
            return await records.vms.get(vm_id)

    async def all_vms(self) -> list[str]:
        async with self.database.read() as records:
            return [vm.name for state in PowerState for vm in await records.vms.in_state(state)]


def a_wish(name: str = "web", image: str = "debian-12", **changes: Any) -> VmWish:
    disk = changes.pop("disk", DiskWish(image=image))
    return VmWish(name=name, disks=(disk,), **changes)
