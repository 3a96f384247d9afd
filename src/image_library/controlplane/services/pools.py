"""The storage pools: the stores of the nodes, each of which keeps images and VM disks on its own machine."""

from __future__ import annotations

from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.ports.records import Database, Records
from image_library.domain.errors import UnknownPool, printable
from image_library.domain.node import Node
from image_library.domain.paging import Page, PageRequest
from image_library.domain.pool import Pool, pool_id


async def node_of_pool(records: Records, wanted: str) -> Node:
    """The node whose store the pool is.

    Raises:
        UnknownPool: there is no such pool.
    """
    for node in await records.nodes.all():
        if pool_id(node) == wanted:
            return node
    raise UnknownPool(f"There is no storage pool '{printable(wanted)}'.", field="storage_pool_id")


class Pools:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, wanted: str) -> Pool:
        """The pool with this id, or that of the node with this host name.

        Raises:
            UnknownPool: there is none.
        """
        async with self._database.read() as records:
            named = await records.nodes.with_hostname(wanted)
            return Pool.of(named[0] if named else await node_of_pool(records, wanted))

    async def list(self, matching: NodeFilter, page: PageRequest) -> Page[Pool]:
        """Newest first; the filter is that of the nodes."""
        async with self._database.read() as records:
            return (await records.nodes.list(matching, page)).map(Pool.of)
