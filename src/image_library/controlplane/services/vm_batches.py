"""Several VMs alike, made by one call: some at a time, each for itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from image_library.controlplane.services.download_outcome import failure_of
from image_library.controlplane.services.vm_orders import VmOrders
from image_library.controlplane.services.vms import VmService
from image_library.domain.errors import LibraryError
from image_library.domain.vm_batch import Outcome, names
from image_library.domain.vm_wish import VmWish

# A node makes disks as fast as its disk syncs; more at once would only wait there.
AT_ONCE = 4


class VmBatches:
    def __init__(self, *, orders: VmOrders, vms: VmService) -> None:
        self._orders = orders
        self._vms = vms

    async def create(self, wish: VmWish, count: int, *, key: str = "") -> tuple[Outcome, ...]:
        """One outcome for each, in order. What a call with the same key made already is not made again.

        Raises:
            LibraryError: what none of them could be made with: profile, parameters, password, count.
        """
        wish = await self._orders.prepared(wish)
        wanted = names(wish, count)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> Outcome:
            async with turns:
                try:
                    vm = await self._vms.create_prepared(replace(wish, name=name), key=key, what=f"vm {name}")
                except LibraryError as error:
                    return Outcome(name=name, failure=failure_of(error))
                return Outcome(name=name, vm=vm)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(name)) for name in wanted]
        return tuple(task.result() for task in tasks)
