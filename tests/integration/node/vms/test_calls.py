"""The VM calls through a real gRPC server and client."""

from collections.abc import AsyncIterator

import grpc
import pytest
from protobuf.wkt import Empty

from image_library.node.handlers.disks import DiskCalls
from image_library.node.handlers.vms import VmCalls
from image_library.wire.node_vm import machine_order_to_wire
from limiquantix.node.v1.node_daemon_pb import (
    PowerState,
    ReadConsoleOnNodeRequest,
    StopVMRequest,
    VMIdRequest,
)
from limiquantix.node.v1.node_daemon_pb_grpc import NodeDaemonServiceClient
from tests.integration.node.vms.daemon import Daemon, order

VM = VMIdRequest(vm_id="vm-1")


class Calls(VmCalls, DiskCalls):
    def __init__(self, daemon: Daemon) -> None:
        VmCalls.__init__(self, vms=daemon.vms, streams=daemon.streams, architecture="x86_64")
        DiskCalls.__init__(self, disks=daemon.disks, tasks=daemon.tasks, vms=daemon.vms)


@pytest.fixture
async def node(daemon: Daemon) -> AsyncIterator[NodeDaemonServiceClient]:
    server = grpc.aio.server()
    calls = Calls(daemon)
    calls.add_to_server(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield NodeDaemonServiceClient(channel)
    await server.stop(0)


async def test_a_vms_whole_life(node: NodeDaemonServiceClient) -> None:
    request = machine_order_to_wire(order())
    assert (await node.create_vm(request)).created
    assert not (await node.create_vm(request)).created
    await node.start_vm(VM)
    assert (await node.get_vm_status(VM)).state == PowerState.RUNNING
    reports = aiter(node.watch_vm(VM))
    assert (await anext(reports)).state == PowerState.RUNNING
    await node.stop_vm(StopVMRequest(vm_id="vm-1", timeout_seconds=1))
    while (await anext(reports)).state != PowerState.STOPPED:
        pass
    assert [vm.vm_id for vm in (await node.list_v_ms(Empty())).vms] == ["vm-1"]
    await node.start_vm(VM)
    await node.force_stop_vm(VM)
    await node.delete_vm(VM)
    await node.delete_vm(VM)
    assert (await node.list_v_ms(Empty())).vms == []
    assert [report.vm_id async for report in reports][-1] == "vm-1"


async def test_the_console_is_read_as_it_grows(node: NodeDaemonServiceClient) -> None:
    await node.create_vm(machine_order_to_wire(order()))
    await node.start_vm(VM)
    heard = b""
    console = node.read_console(ReadConsoleOnNodeRequest(vm_id="vm-1", follow=True))
    async for chunk in console:
        assert chunk.offset == len(heard)
        heard += chunk.data
        if heard.endswith(b"\n"):
            break
    console.cancel()
    assert heard == b"hello\r\n"
