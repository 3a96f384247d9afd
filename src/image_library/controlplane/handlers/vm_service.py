"""The VMService RPCs: read the message, call one service, write the message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from connectrpc.request import RequestContext
from protobuf.wkt import Empty

from image_library.controlplane.handlers.once import key_of
from image_library.controlplane.handlers.vm_disks import VmDiskHandlers
from image_library.controlplane.ports.vms import VmFilter
from image_library.controlplane.services.captures import Captures, CaptureWish
from image_library.controlplane.services.consoles import Consoles
from image_library.controlplane.services.vm_batches import VmBatches
from image_library.controlplane.services.vm_disks import VmDiskService
from image_library.controlplane.services.vms import Deletion, VmService
from image_library.domain.paging import Page
from image_library.domain.vm import PowerState, Vm
from image_library.wire.audit import audit_to_wire
from image_library.wire.console_info import console_to_wire, kind_asked, screenshot_to_wire
from image_library.wire.paging import PageTokens
from image_library.wire.preflight import preflight_to_wire
from image_library.wire.provisioning import preview_to_wire
from image_library.wire.vm import (
    created_to_wire,
    states_from_wire,
    template_to_wire,
    vm_to_wire,
    wish_from_wire,
)
from limiquantix.compute.v1 import vm_connect
from limiquantix.compute.v1 import vm_pb as pb

Context = RequestContext[Any, Any]


class VmHandlers(VmDiskHandlers, vm_connect.VMService):
    """RPCs that are not here answer UNIMPLEMENTED."""

    def __init__(
        self,
        *,
        vms: VmService,
        batches: VmBatches,
        captures: Captures,
        consoles: Consoles,
        disks: VmDiskService,
        tokens: PageTokens,
        tls: bool = False,
    ) -> None:
        self._vms = vms
        self._batches = batches
        self._captures = captures
        self._consoles = consoles
        self._disks = disks
        self._tls = tls
        self._tokens = tokens

    async def create_vm(self, request: pb.CreateVMRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._vms.create(wish_from_wire(request), key=key_of(ctx)))

    async def create_v_ms(self, request: pb.CreateVMsRequest, ctx: Context, /) -> pb.CreateVMsResponse:
        wish = wish_from_wire(request.vm or pb.CreateVMRequest())
        made = await self._batches.create(wish, request.count, key=key_of(ctx))
        return pb.CreateVMsResponse(vms=[created_to_wire(one) for one in made])

    async def get_vm(self, request: pb.GetVMRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._vms.get(request.id))

    async def list_v_ms(self, request: pb.ListVMsRequest, ctx: Context, /) -> pb.ListVMsResponse:
        asked = self._tokens.page_request(request)
        states = states_from_wire(list(request.states))
        page: Page[Vm] = Page(items=(), total=0)
        if states is not None:
            page = await self._vms.list(_filter(request, states), asked, order_by=request.order_by)
        return pb.ListVMsResponse(
            vms=[vm_to_wire(vm) for vm in page.items],
            next_page_token=self._tokens.token(page.next, request),
            total_count=page.total,
        )

    async def delete_vm(self, request: pb.DeleteVMRequest, ctx: Context, /) -> Empty:
        how = Deletion(force=request.force, forget_only=request.remove_from_inventory_only)
        await self._vms.delete(request.id, how)
        return Empty()

    async def start_vm(self, request: pb.StartVMRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._vms.start(request.id))

    async def stop_vm(self, request: pb.StopVMRequest, ctx: Context, /) -> pb.VirtualMachine:
        timeout = request.timeout_sec
        return vm_to_wire(await self._vms.stop(request.id, force=request.force, timeout_seconds=timeout))

    async def reboot_vm(self, request: pb.RebootVMRequest, ctx: Context, /) -> pb.VirtualMachine:
        return vm_to_wire(await self._vms.reboot(request.id, force=request.force))

    async def preflight_capture(self, request: pb.PreflightCaptureRequest, ctx: Context, /) -> pb.AuditReport:
        return audit_to_wire(await self._captures.audit(request.vm_id))

    async def convert_to_template(
        self, request: pb.ConvertToTemplateRequest, ctx: Context, /
    ) -> pb.VirtualMachine:
        job = await self._captures.start(
            CaptureWish(vm=request.vm_id, frozen=request.frozen), key=key_of(ctx)
        )
        return template_to_wire(await self._vms.get(request.vm_id), job)

    async def get_console(self, request: pb.GetConsoleRequest, ctx: Context, /) -> pb.ConsoleInfo:
        invitation = await self._consoles.invite(request.vm_id, kind_asked(request.console_type))
        headers = ctx.request_headers
        # Behind something that ends TLS only the browser knows.
        tls = self._tls or headers.get("origin", "").startswith("https:")
        return console_to_wire(**vars(invitation), authority=headers.get("host", ""), tls=tls)

    async def get_screenshot(self, request: pb.GetScreenshotRequest, ctx: Context, /) -> pb.Screenshot:
        return screenshot_to_wire(await self._consoles.screenshot(request.vm_id))

    async def watch_vm(self, request: pb.WatchVMRequest, ctx: Context, /) -> AsyncIterator[pb.VirtualMachine]:
        async with aclosing(self._vms.watch(request.vm_id)) as states:
            async for vm in states:
                yield vm_to_wire(vm)

    async def preview_provisioning(
        self, request: pb.CreateVMRequest, ctx: Context, /
    ) -> pb.ProvisioningPreview:
        seed = await self._vms.preview(wish_from_wire(request))
        return preview_to_wire(seed.documents, seed.user)

    async def preflight_vm(self, request: pb.CreateVMRequest, ctx: Context, /) -> pb.PreflightReport:
        return preflight_to_wire(await self._vms.preflight(wish_from_wire(request)))

    async def read_console(
        self, request: pb.ReadConsoleRequest, ctx: Context, /
    ) -> AsyncIterator[pb.ConsoleOutput]:
        pieces = self._vms.read_console(request.vm_id, offset=request.offset, follow=request.follow)
        async with aclosing(pieces):
            async for piece in pieces:
                yield pb.ConsoleOutput(offset=piece.offset, data=piece.data)


def _filter(request: pb.ListVMsRequest, states: frozenset[PowerState]) -> VmFilter:
    return VmFilter(
        project_id=request.project_id,
        labels=dict(request.labels),
        states=states,
        node_id=request.node_id,
    )
