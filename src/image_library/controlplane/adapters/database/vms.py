"""VMs in the database. The row also is the VM's reference on its image (``image_id``)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document, to_document
from image_library.controlplane.adapters.database.rows import (
    has_label,
    named,
    newest_first,
    on_its_own,
    page_of,
    upsert,
)
from image_library.controlplane.adapters.database.stamp import Stamp
from image_library.controlplane.ports.vms import VmFilter
from image_library.domain.errors import NameTaken
from image_library.domain.paging import Page, PageRequest
from image_library.domain.vm import PowerState, Vm

_VMS = tables.vms


class DatabaseVms:
    """Fulfils ``ports.vms.Vms`` within one transaction."""

    def __init__(self, connection: AsyncConnection, stamp: Stamp) -> None:
        self._connection = connection
        self._stamp = stamp

    async def get(self, vm_id: str) -> Vm | None:
        found = await self._where(_VMS.c.id == vm_id)
        return found[0] if found else None

    async def named(self, name: str, project_id: str = "") -> tuple[Vm, ...]:
        conditions = [named(_VMS, name)]
        if project_id:
            conditions.append(_VMS.c.project_id == project_id)
        return await self._where(*conditions)

    async def on_node(self, node_id: str) -> tuple[Vm, ...]:
        return await self._where(_VMS.c.node_id == node_id)

    async def in_state(self, state: PowerState) -> tuple[Vm, ...]:
        return (await self._where(_VMS.c.state == state.value))[::-1]

    async def using(self, image_id: str) -> tuple[Vm, ...]:
        found = await self._where(keeps(image_id)) if image_id else ()
        return tuple(sorted(found, key=lambda vm: (vm.name, vm.id)))

    async def list(self, matching: VmFilter, page: PageRequest) -> Page[Vm]:
        rows, total, after = await page_of(self._connection, _VMS, _conditions(matching), page)
        return Page(items=tuple(from_document(Vm, row.document) for row in rows), total=total, next=after)

    async def save(self, vm: Vm) -> None:
        # Which images are in use is part of what lists of images show.
        sequence = await self._stamp.number()
        try:
            async with on_its_own(self._connection):
                await upsert(self._connection, _VMS, _row(vm, sequence))
        except IntegrityError as error:
            raise NameTaken(f"A VM '{vm.name}' exists already.", field="name") from error

    async def remove(self, vm_id: str) -> None:
        gone = await self._connection.execute(delete(_VMS).where(_VMS.c.id == vm_id))
        if gone.rowcount:
            await self._stamp.removed("vm", vm_id)

    async def _where(self, *conditions: ColumnElement[bool]) -> tuple[Vm, ...]:
        rows = await self._connection.execute(newest_first(select(_VMS).where(*conditions), _VMS))
        return tuple(from_document(Vm, row.document) for row in rows)


def keeps(image_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a VM's disk, or its disc with drivers, is that image."""
    return or_(_VMS.c.image_id == image_id, _VMS.c.driver_image_id == image_id)


def _conditions(wanted: VmFilter) -> list[ColumnElement[bool]]:
    conditions = [has_label(_VMS.c.document, key, value) for key, value in wanted.labels.items()]
    if wanted.project_id:
        conditions.append(_VMS.c.project_id == wanted.project_id)
    if wanted.node_id:
        conditions.append(_VMS.c.node_id == wanted.node_id)
    if wanted.states:
        states = sorted(state.value for state in wanted.states)
        conditions.append(_shown_state(wanted.away).in_(states))
    return conditions


def _shown_state(away: frozenset[str]) -> ColumnElement[str]:
    """A VM whose node is away is lost from sight, whatever was heard of it last."""
    unseen = and_(_VMS.c.node_id.in_(sorted(away)), _VMS.c.state != PowerState.PROVISIONING.value)
    return case((unseen, PowerState.LOST.value), else_=_VMS.c.state)


def _row(vm: Vm, sequence: int) -> dict[str, Any]:
    return {
        "id": vm.id,
        "project_id": vm.project_id,
        "name": vm.name,
        "node_id": vm.node_id,
        "image_id": vm.image_id,
        "image_digest": vm.image_digest,
        "driver_image_id": vm.driver_image_id,
        "state": vm.report.state.value,
        "document": to_document(vm),
        "sequence": sequence,
        "created_at": vm.created_at,
        "updated_at": vm.updated_at,
    }
