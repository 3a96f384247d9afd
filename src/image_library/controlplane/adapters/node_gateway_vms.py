"""The nodes' VM calls over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from image_library.controlplane.adapters.node_channels import NodeChannels, translated
from image_library.controlplane.ports.vms import ConsolePiece
from image_library.domain.generalisation import AuditReport
from image_library.domain.machine import order_of
from image_library.domain.node import Node
from image_library.domain.vm import Vm, VmReport
from image_library.domain.vm_disk import DiskTaskKind
from image_library.wire.audit import audit_from_wire
from image_library.wire.node_vm import machine_order_to_wire, vm_report_from_wire
from limiquantix.node.v1 import node_daemon_pb as pb

STATUS_SECONDS = 10
# Making a disk on slow storage takes a while; a node that is away is noticed much sooner.
MAKE_SECONDS = 120
# A whole disk is copied; the node itself ends what takes longer than this.
FLATTEN_SECONDS = 5 * 3600
# All names of a guest's disk are looked at; the node itself gives up a little sooner.
AUDIT_SECONDS = 150
# What a node takes beyond the guest's own time to stop.
EXTRA_STOP_SECONDS = 30


class GrpcNodeVms:
    """Fulfils ``ports.vms.NodeVms``."""

    def __init__(self, channels: NodeChannels) -> None:
        self._channels = channels

    async def create(self, node: Node, vm: Vm) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.create_vm(
                machine_order_to_wire(order_of(vm)), metadata=metadata, timeout=MAKE_SECONDS
            )

    async def start(self, node: Node, vm_id: str) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.start_vm(pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=MAKE_SECONDS)

    async def stop(self, node: Node, vm_id: str, *, timeout_seconds: int) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        request = pb.StopVMRequest(vm_id=vm_id, timeout_seconds=timeout_seconds)
        with translated(node.agent_endpoint):
            await client.stop_vm(request, metadata=metadata, timeout=timeout_seconds + EXTRA_STOP_SECONDS)

    async def force_stop(self, node: Node, vm_id: str) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.force_stop_vm(
                pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=EXTRA_STOP_SECONDS
            )

    async def delete(self, node: Node, vm_id: str) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.delete_vm(pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=MAKE_SECONDS)

    async def flatten(self, node: Node, vm_id: str) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.flatten_vm(pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=FLATTEN_SECONDS)

    async def reboot(self, node: Node, vm_id: str, *, timeout_seconds: int) -> None:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            await client.reboot_vm(
                pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=timeout_seconds + MAKE_SECONDS
            )

    async def grow_disk(self, node: Node, vm_id: str, size_bytes: int) -> VmReport:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        request = pb.GrowDiskOnNodeRequest(vm_id=vm_id, size_bytes=size_bytes)
        with translated(node.agent_endpoint):
            said = await client.grow_disk(request, metadata=metadata, timeout=MAKE_SECONDS)
        return vm_report_from_wire(said)

    async def begin_disk_task(
        self, node: Node, vm_id: str, kind: DiskTaskKind, subject: str = ""
    ) -> VmReport:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        request = pb.BeginDiskTaskRequest(vm_id=vm_id, kind=kind.value, subject=subject)
        with translated(node.agent_endpoint):
            said = await client.begin_disk_task(request, metadata=metadata, timeout=MAKE_SECONDS)
        return vm_report_from_wire(said)

    async def cancel_disk_task(self, node: Node, vm_id: str) -> VmReport:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            said = await client.cancel_disk_task(
                pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=MAKE_SECONDS
            )
        return vm_report_from_wire(said)

    async def delete_snapshot(self, node: Node, vm_id: str, name: str) -> VmReport:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        request = pb.DeleteSnapshotOnNodeRequest(vm_id=vm_id, name=name)
        with translated(node.agent_endpoint):
            said = await client.delete_snapshot(request, metadata=metadata, timeout=MAKE_SECONDS)
        return vm_report_from_wire(said)

    async def audit(self, node: Node, vm_id: str) -> AuditReport:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            said = await client.audit_vm(
                pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=AUDIT_SECONDS
            )
        return audit_from_wire(said)

    async def status(self, node: Node, vm_id: str) -> VmReport:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            said = await client.get_vm_status(
                pb.VMIdRequest(vm_id=vm_id), metadata=metadata, timeout=STATUS_SECONDS
            )
        return vm_report_from_wire(said)

    async def watch(self, node: Node, vm_id: str) -> AsyncGenerator[VmReport]:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        with translated(node.agent_endpoint):
            call = client.watch_vm(pb.VMIdRequest(vm_id=vm_id), metadata=metadata)
            try:
                async for said in call:
                    yield vm_report_from_wire(said)
            finally:
                call.cancel()

    async def read_console(
        self, node: Node, vm_id: str, *, offset: int, follow: bool
    ) -> AsyncGenerator[ConsolePiece]:
        client, metadata = self._channels.client(node.agent_endpoint), self._channels.metadata
        request = pb.ReadConsoleOnNodeRequest(vm_id=vm_id, offset=offset, follow=follow)
        with translated(node.agent_endpoint):
            call = client.read_console(request, metadata=metadata)
            try:
                async for chunk in call:
                    yield ConsolePiece(offset=chunk.offset, data=chunk.data)
            finally:
                call.cancel()
