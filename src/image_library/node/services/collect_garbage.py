"""What nothing needs on this node: parts that nobody goes on with, nobody's blobs, dead links, leftovers.

Nothing is removed on one look only: whatever is wanted after all is found out again just before it goes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from image_library.domain.errors import ImageInUse
from image_library.domain.garbage import GarbageItem, GarbageKind, GarbageOrder
from image_library.node.ports.upkeep import ImageUsers, Leftover, StoreSweeper
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.vm_leftovers import VmLeftovers

log = structlog.get_logger()

_REASONS = {
    GarbageKind.PART: "Nobody has gone on with it for seven days.",
    GarbageKind.LINK: "The image that it leads to is gone.",
    GarbageKind.BLOB: "No image of the library is this file, and no VM is built on it.",
    GarbageKind.VM: "The node knows no VM that this folder belongs to.",
}


class GarbageCollection:
    def __init__(
        self,
        *,
        sweep: StoreSweeper,
        leftovers: VmLeftovers,
        users: ImageUsers,
        holds: ImageHolds,
        live_parts: Callable[[], Awaitable[frozenset[str]]],
        node_id: str,
        removed: Callable[[], None],
    ) -> None:
        """``removed`` is called after blobs went: the inventory has changed."""
        self._sweep = sweep
        self._leftovers = leftovers
        self._users = users
        self._holds = holds
        self._live_parts = live_parts
        self._node_id = node_id
        self._removed = removed

    async def collect(self, order: GarbageOrder) -> tuple[GarbageItem, ...]:
        """What went, or with ``dry_run`` would go.

        Raises:
            StorageIo, StoreNotWritable: the disk does not let it.
        """
        items = await self._parts(dry_run=order.dry_run) + await self._links(dry_run=order.dry_run)
        if order.complete:
            items += await self._blobs(order) + await self._vms(dry_run=order.dry_run)
        if items and not order.dry_run:
            log.info("garbage_collected", items=len(items), bytes=sum(item.bytes for item in items))
        return tuple(items)

    async def _parts(self, *, dry_run: bool) -> list[GarbageItem]:
        found = await self._sweep.stale_parts(await self._live_parts())
        return [
            self._item(GarbageKind.PART, left)
            for left in found
            if dry_run or await self._sweep.drop_part(left.name, self._live_parts)
        ]

    async def _links(self, *, dry_run: bool) -> list[GarbageItem]:
        found = await self._sweep.dead_links()
        return [
            self._item(GarbageKind.LINK, left)
            for left in found
            if dry_run or await self._sweep.drop_link(left.name)
        ]

    async def _blobs(self, order: GarbageOrder) -> list[GarbageItem]:
        found = [left for left in await self._sweep.old_blobs() if left.name not in order.known]
        gone = [left for left in found if await self._drop(left.name, dry_run=order.dry_run)]
        if gone and not order.dry_run:
            self._removed()
        return [self._item(GarbageKind.BLOB, left) for left in gone]

    async def _drop(self, digest: str, *, dry_run: bool) -> bool:
        """Whether it went, or would: nobody is building on it, and no VM has."""

        async def unwanted() -> bool:
            return not await self._users.users_of(digest)

        try:
            with self._holds.removing(digest):
                return await (unwanted() if dry_run else self._sweep.drop_blob(digest, unwanted))
        except ImageInUse:
            return False

    async def _vms(self, *, dry_run: bool) -> list[GarbageItem]:
        return [
            self._item(GarbageKind.VM, left)
            for left in await self._leftovers.found()
            if dry_run or await self._leftovers.remove(left.name)
        ]

    def _item(self, kind: GarbageKind, left: Leftover) -> GarbageItem:
        return GarbageItem(
            kind=kind, name=left.name, node_id=self._node_id, bytes=left.bytes, reason=_REASONS[kind]
        )
