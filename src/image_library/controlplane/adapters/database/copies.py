"""The copies of images on nodes, in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from image_library.controlplane.adapters.database import tables
from image_library.controlplane.adapters.database.documents import from_document
from image_library.controlplane.ports.copies import Copy, Place
from image_library.domain.image import Image, ImagePhase, PlacementState

_IMAGES = tables.images
_PLACEMENTS = tables.placements
# Of one IN list; some databases take no more than a few thousand.
_MOST_VALUES = 1000


class DatabaseCopies:
    """Fulfils ``ports.copies.Copies`` within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def on_node(self, node_id: str) -> tuple[Copy, ...]:
        query = (
            select(
                _IMAGES.c.id,
                _IMAGES.c.digest,
                _IMAGES.c.catalog_id,
                _IMAGES.c.phase,
                _PLACEMENTS.c.pool_id,
                _PLACEMENTS.c.path,
                _PLACEMENTS.c.state,
                _PLACEMENTS.c.verified_at,
            )
            .join(_PLACEMENTS, _PLACEMENTS.c.image_id == _IMAGES.c.id)
            .where(_PLACEMENTS.c.node_id == node_id)
        )
        return tuple(
            Copy(
                image_id=image_id,
                digest=digest,
                catalog_id=catalog_id,
                phase=ImagePhase(phase),
                pool_id=pool_id,
                path=path,
                state=PlacementState(state),
                verified_at=verified_at,
            )
            for image_id, digest, catalog_id, phase, pool_id, path, state, verified_at in (
                await self._connection.execute(query)
            )
        )

    async def holders(self, digests: Collection[str]) -> Mapping[str, frozenset[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for some in _slices(digests):
            query = select(_IMAGES.c.digest, _IMAGES.c.id).where(_IMAGES.c.digest.in_(some))
            for digest, image_id in await self._connection.execute(query):
                found[digest].add(image_id)
        return {digest: frozenset(ids) for digest, ids in found.items()}

    async def images(self, image_ids: Collection[str]) -> tuple[Image, ...]:
        found: list[Image] = []
        for some in _slices(image_ids):
            query = select(_IMAGES.c.document).where(_IMAGES.c.id.in_(some))
            found += [from_document(Image, d) for d in (await self._connection.execute(query)).scalars()]
        return tuple(found)

    async def taken(self, names: Collection[str], project_id: str) -> frozenset[str]:
        found: set[str] = set()
        current: list[ColumnElement[bool]] = [_IMAGES.c.current == true(), _IMAGES.c.project_id == project_id]
        for some in _slices(names):
            query = select(_IMAGES.c.name_key).where(*current, _IMAGES.c.name_key.in_(some))
            found.update((await self._connection.execute(query)).scalars())
        return frozenset(found)

    async def counts(self, node_ids: Collection[str]) -> Mapping[str, int]:
        found = dict.fromkeys(node_ids, 0)
        ready = _PLACEMENTS.c.state == PlacementState.READY.value
        for some in _slices(node_ids):
            query = select(_PLACEMENTS.c.node_id, func.count()).where(ready, _PLACEMENTS.c.node_id.in_(some))
            rows = await self._connection.execute(query.group_by(_PLACEMENTS.c.node_id))
            found |= {row[0]: row[1] for row in rows}
        return found

    async def in_state(self, state: PlacementState) -> frozenset[Place]:
        query = select(_PLACEMENTS.c.image_id, _PLACEMENTS.c.node_id).where(
            _PLACEMENTS.c.state == state.value
        )
        rows = await self._connection.execute(query)
        return frozenset(Place(image_id=image_id, node_id=node_id) for image_id, node_id in rows)


def _slices(values: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), _MOST_VALUES):
        yield ordered[start : start + _MOST_VALUES]
