"""VMs as those see them who follow the library.

What a VM looks like follows from more than its own record: from its node being away, and from the copy below
its disk. So VMs are told anew when that changes, although their records stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.vm_records import Sight, shown, sight
from image_library.domain.library_change import Change, ItemKind
from image_library.domain.vm import Vm

# What VMs are shown by, beside their own records.
CAUSES = frozenset({ItemKind.IMAGE, ItemKind.NODE})


async def with_vms(
    records: Records, changes: tuple[Change, ...], *, after: int, reached: int
) -> tuple[Change, ...]:
    """The changes with VMs as people see them, and each VM whose node or image changed after that number.

    ``reached``: the number that the changes reach, as which such a VM is told.
    """
    causes = [change for change in changes if change.kind in CAUSES and change.sequence > after]
    seen = await sight(records)
    nodes = [change.id for change in causes if change.kind is ItemKind.NODE]
    images = [change.id for change in causes if change.kind is ItemKind.IMAGE]
    return _told(changes, await _vms_of(records, nodes, images), seen, reached)


class VmsInSight:
    """The same for one who reads without a gap: only VMs that look otherwise than before are told anew."""

    def __init__(self) -> None:
        # As it was at the last change that may have moved it; None: not known.
        self._seen: Sight | None = None

    def forget(self) -> None:
        """There was a gap, or there will be one."""
        self._seen = None

    async def told(self, records: Records, changes: tuple[Change, ...], reached: int) -> tuple[Change, ...]:
        """The changes with VMs as people see them, and with every VM that looks otherwise now."""
        if not any(change.kind in CAUSES or change.kind is ItemKind.VM for change in changes):
            return changes
        before, self._seen = self._seen, await sight(records)
        if before is None:
            return await with_vms(records, changes, after=0, reached=reached)
        turned = before.away ^ self._seen.away
        places = before.broken ^ self._seen.broken
        built = await _vms_of(records, (), {place.image_id for place in places})
        hit = {place.node_id for place in places}
        others = [*await _vms_of(records, turned, ()), *(vm for vm in built if vm.node_id in hit)]
        return _told(changes, others, self._seen, reached)


async def _vms_of(records: Records, node_ids: Collection[str], image_ids: Collection[str]) -> list[Vm]:
    found: list[Vm] = []
    for node_id in node_ids:
        found += await records.vms.on_node(node_id)
    for image_id in image_ids:
        found += await records.vms.using(image_id)
    return found


def _told(changes: tuple[Change, ...], others: list[Vm], seen: Sight, reached: int) -> tuple[Change, ...]:
    named = {change.id for change in changes if change.kind is ItemKind.VM}
    anew = {vm.id: vm for vm in others if vm.id not in named}
    return (
        *(_as_shown(change, seen) for change in changes),
        *(
            Change(sequence=reached, kind=ItemKind.VM, id=vm_id, item=shown(vm, seen))
            for vm_id, vm in anew.items()
        ),
    )


def _as_shown(change: Change, seen: Sight) -> Change:
    return replace(change, item=shown(change.item, seen)) if isinstance(change.item, Vm) else change
