"""VMs in memory."""

from __future__ import annotations

from image_library.controlplane.adapters.memory.tables import Tables, newest_first, page_of
from image_library.controlplane.ports.vms import VmFilter
from image_library.domain.errors import NameTaken
from image_library.domain.paging import Page, PageRequest
from image_library.domain.vm import PowerState, Vm


class MemoryVms:
    """Fulfils ``ports.vms.Vms``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def get(self, vm_id: str) -> Vm | None:
        return self._tables.vms.get(vm_id)

    async def named(self, name: str, project_id: str = "") -> tuple[Vm, ...]:
        return newest_first(
            vm
            for vm in self._tables.vms.values()
            if vm.name.lower() == name.lower() and project_id in ("", vm.project_id)
        )

    async def on_node(self, node_id: str) -> tuple[Vm, ...]:
        return newest_first(vm for vm in self._tables.vms.values() if vm.node_id == node_id)

    async def in_state(self, state: PowerState) -> tuple[Vm, ...]:
        return newest_first(vm for vm in self._tables.vms.values() if vm.report.state is state)[::-1]

    async def using(self, image_id: str) -> tuple[Vm, ...]:
        found = (vm for vm in self._tables.vms.values() if image_id in vm.kept_images)
        return tuple(sorted(found, key=lambda vm: (vm.name, vm.id)))

    async def list(self, matching: VmFilter, page: PageRequest) -> Page[Vm]:
        return page_of((vm for vm in self._tables.vms.values() if _matches(vm, matching)), page)

    async def save(self, vm: Vm) -> None:
        same = await self.named(vm.name, vm.project_id)
        if any(other.id != vm.id and other.name == vm.name for other in same):
            raise NameTaken(f"A VM '{vm.name}' exists already.", field="name")
        self._tables.vm_sequences[vm.id] = self._tables.stamp()
        self._tables.vms[vm.id] = vm

    async def remove(self, vm_id: str) -> None:
        if self._tables.vms.pop(vm_id, None):
            del self._tables.vm_sequences[vm_id]
            self._tables.note_removal("vm", vm_id)


def _matches(vm: Vm, wanted: VmFilter) -> bool:
    return (
        wanted.project_id in ("", vm.project_id)
        and wanted.node_id in ("", vm.node_id)
        and (not wanted.states or _shown_state(vm, wanted.away) in wanted.states)
        and all(vm.labels.get(key) == value for key, value in wanted.labels.items())
    )


def _shown_state(vm: Vm, away: frozenset[str]) -> PowerState:
    """A VM whose node is away is lost from sight, whatever was heard of it last."""
    seen = vm.report.state is PowerState.PROVISIONING or vm.node_id not in away
    return vm.report.state if seen else PowerState.LOST
