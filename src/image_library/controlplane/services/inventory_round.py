"""One transaction of reconciling: parts of several nodes' reports, looked up together and saved together.

An image that a thousand nodes report is read and written once a round, not once a report; what a report
repeats unchanged is recognised without reading the image at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from image_library.controlplane.ports.clock import NewId
from image_library.controlplane.ports.copies import Copy
from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.damage import damage
from image_library.controlplane.services.download_outcome import failure_of
from image_library.controlplane.services.free_names import FreeNames
from image_library.controlplane.services.local_images import (
    PROJECT,
    checked,
    local_image,
    refreshed,
    seen_again,
)
from image_library.domain.errors import ImageFileMissing, LibraryError, printable
from image_library.domain.image import Image, ImagePhase, PlacementState
from image_library.domain.inventory import Inventory, ReportedImage
from image_library.domain.node import Node

log = structlog.get_logger()

# A copy that was read so much later than is recorded was read again.
VERIFIED_AGAIN = timedelta(minutes=1)


@dataclass
class ScanResult:
    """How many images were new and how many were known, and one sentence for each that could not be used."""

    registered: int = 0
    existing: int = 0
    # Images that were deleted while their node was away.
    buried: int = 0
    # Copies that were found damaged.
    damaged: int = 0
    errors: list[str] = field(default_factory=list[str])

    def add(self, other: ScanResult) -> None:
        self.registered += other.registered
        self.existing += other.existing
        self.buried += other.buried
        self.damaged += other.damaged
        self.errors += other.errors


@dataclass(eq=False)
class Part:
    """Some of a report's entries, and what a round made of them."""

    inventory: Inventory
    entries: Sequence[ReportedImage]
    # What earlier parts of the report have proved to be there.
    seen: frozenset[str]
    # With it the report's entries end: what it did not name is gone.
    last: bool
    # How many images may be marked gone in one round.
    most_gone: int
    node: Node | None = None
    copies: dict[str, Copy] = field(default_factory=dict[str, Copy])
    proved: set[str] = field(default_factory=set[str])
    result: ScanResult = field(default_factory=ScanResult)
    # The report is done with: all of it was reconciled, or it is older than one that was.
    ended: bool = False

    def here(self) -> Node:
        assert self.node is not None
        return self.node

    def at_path(self) -> dict[str, list[str]]:
        """The ids of what lies there without a digest, by its path."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for copy in self.copies.values():
            if not copy.digest and not copy.catalog_id:
                found[copy.path].append(copy.image_id)
        return found


class InventoryRound:
    def __init__(
        self, records: Records, *, names: FreeNames, found: frozenset[str], now: datetime, new_id: NewId
    ) -> None:
        """``found``: digests whose images are known to have what was found inside them."""
        self._records = records
        self._found = found
        self.newly_found: set[str] = set()
        self._names = names
        self._now = now
        self._new_id = new_id
        self._images: dict[str, Image] = {}
        self._changed: dict[str, Image] = {}
        self._fresh: list[str] = []
        self._holders: dict[str, frozenset[str]] = {}
        self._nodes: frozenset[str] = frozenset()
        # By node, the images of jobs of ours there, by the name of their file; None: not looked up yet.
        self._arriving: dict[str, dict[str, str]] | None = None

    async def reconcile(self, parts: Sequence[Part]) -> None:
        """Record what these parts say. Their nodes are known, and no two are the same."""
        self._nodes = frozenset(part.here().id for part in parts)
        told = [(part, await self._believed(part)) for part in parts]
        await self._look_up(told)
        for part, entries in told:
            local = part.at_path()
            for entry in entries:
                await self._take(part, entry, local)
            if part.last:
                await self._end(part)
        await self._save()

    async def _believed(self, part: Part) -> list[ReportedImage]:
        """The entries that can be recorded; the others are sentences."""
        part.copies = {copy.image_id: copy for copy in await self._records.copies.on_node(part.here().id)}
        kept: list[ReportedImage] = []
        for entry in part.entries:
            try:
                kept.append(checked(entry))
            except LibraryError as error:
                part.result.errors.append(f"{printable(entry.filename or entry.path)}: {error.message}")
        return kept

    async def _look_up(self, told: Sequence[tuple[Part, list[ReportedImage]]]) -> None:
        """Read what the entries need: the images of digests that are not as they were, and local files."""
        digests = {entry.checksum for _, entries in told for entry in entries if entry.checksum}
        self._holders = dict(await self._records.copies.holders(digests))
        needed: set[str] = set()
        for part, entries in told:
            local = part.at_path()
            for entry in entries:
                if not entry.checksum:
                    needed.update(local.get(entry.path, ()))
                elif not self._is_unchanged(part, entry):
                    needed |= self._holders.get(entry.checksum, frozenset())
        await self._read(needed)

    async def _read(self, image_ids: Iterable[str]) -> None:
        missing = set(image_ids) - self._images.keys()
        if missing:
            self._images |= {image.id: image for image in await self._records.copies.images(missing)}

    def _is_unchanged(self, part: Part, entry: ReportedImage) -> bool:
        """Whether the copy of each image with this digest is recorded just so."""
        if entry.found and entry.checksum not in self._found:
            return False
        holders = self._holders.get(entry.checksum, frozenset())
        return bool(holders) and all(
            _is_as_said(part.copies.get(image_id), part.here(), entry) for image_id in holders
        )

    async def _take(self, part: Part, entry: ReportedImage, local: dict[str, list[str]]) -> None:
        known = self._known(part, entry, local)
        if known:
            part.result.existing += 1
            part.proved |= known
            return
        if entry.checksum:
            if arriving := await self._is_arriving(part.here(), entry):
                part.proved.add(arriving)
                return
            if await self._is_buried(part, entry):
                return
        image = local_image(part.here(), entry, now=self._now, image_id=self._new_id())
        self._change(image)
        self._fresh.append(image.id)
        if entry.checksum:
            self._holders[entry.checksum] = frozenset({image.id})
        else:
            local[entry.path] = [image.id]
        part.proved.add(image.id)
        part.result.registered += 1

    def _known(self, part: Part, entry: ReportedImage, local: dict[str, list[str]]) -> set[str]:
        """The images that this entry is, with their copies there marked ready again."""
        if not entry.checksum:
            found = [self._images[i] for i in local.get(entry.path, ()) if i in self._images]
            for image in found:
                self._change(refreshed(image, part.here(), entry, self._now))
            return {image.id for image in found}
        holders = set(self._holders.get(entry.checksum, frozenset()))
        if self._is_unchanged(part, entry):
            return holders
        if entry.found:
            self.newly_found.add(entry.checksum)
        # A second file with the same bytes leaves the copy where the first one is.
        for image_id in holders - part.proved:
            self._change(seen_again(self._images[image_id], part.here(), entry, self._now))
        return holders

    def _change(self, image: Image) -> None:
        if self._images.get(image.id) is not image:
            self._images[image.id] = self._changed[image.id] = image

    async def _is_arriving(self, node: Node, entry: ReportedImage) -> str:
        """The image, if this is a job of ours that the node has published and is about to report as done."""
        if self._arriving is None:
            self._arriving = await self._expected()
        return self._arriving.get(node.id, {}).get(entry.filename, "")

    async def _expected(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {node_id: {} for node_id in self._nodes}
        for job in await self._records.jobs.live():
            arrives = job.kind.brings and job.node_id in found
            order = await self._records.jobs.order(job.id) if arrives else None
            if order:
                found[job.node_id][order.filename] = job.image_id
        return found

    async def _is_buried(self, part: Part, entry: ReportedImage) -> bool:
        """Whether its image was deleted while the node was away; then the node is told to remove it."""
        stone = await self._records.tombstones.get(entry.checksum)
        if stone is None:
            return False
        await self._records.tombstones.save(stone.waits_for(part.here().id))
        part.result.buried += 1
        return True

    async def _end(self, part: Part) -> None:
        """Mark what is gone, and the report as reconciled."""
        gone = self._gone(part)
        some = gone[: part.most_gone]
        await self._read(some)
        for image_id in some:
            self._change(self._without(self._images[image_id], part.here(), PlacementState.UNAVAILABLE))
        part.ended = len(some) == len(gone)
        await self._note_damaged(part)
        if part.ended and part.inventory.epoch:
            node = part.here().with_inventory(part.inventory.epoch, part.inventory.sequence)
            await self._records.nodes.keep([node])

    async def _note_damaged(self, part: Part) -> None:
        """Mark the copies that the node has put aside, unless they are coming again already."""
        named = {damaged.checksum for damaged in part.inventory.damaged}
        if not named or not self._is_its_store(part):
            return
        holders = {i for ids in (await self._records.copies.holders(named)).values() for i in ids}
        await self._read(holders - part.proved - part.seen)
        for image_id in sorted(holders - part.proved - part.seen):
            image = self._images[image_id]
            placed = image.placement_on(part.here().id)
            if placed is not None and placed.state not in (PlacementState.FETCHING, PlacementState.DAMAGED):
                self._change(self._without(image, part.here(), PlacementState.DAMAGED))
                part.result.damaged += 1

    def _is_its_store(self, part: Part) -> bool:
        node, said = part.here(), part.inventory
        return not (node.store_id and said.store_id and said.store_id != node.store_id)

    def _gone(self, part: Part) -> list[str]:
        """What the report leaves out; but nothing is gone because another store was looked into."""
        node, said = part.here(), part.inventory
        if not said.complete:
            return []
        if not self._is_its_store(part):
            part.result.errors.append(
                f"{node.hostname} has another store than before; nothing of the old one is given up."
            )
            return []
        there = part.seen | part.proved
        ready = (copy for copy in part.copies.values() if copy.state is PlacementState.READY)
        return sorted(copy.image_id for copy in ready if copy.image_id not in there)

    def _without(self, image: Image, node: Node, state: PlacementState) -> Image:
        placed = image.placement_on(node.id)
        assert placed is not None
        missing = replace(placed, state=state)
        image = image.with_placement(missing).evolve(updated_at=self._now)
        log.warning("copy_not_there", image_id=image.id, node_id=node.id, state=state.value)
        if image.ready_placements or image.phase not in (ImagePhase.READY, ImagePhase.ERROR):
            return image
        if state is PlacementState.DAMAGED:
            return image.evolve(phase=ImagePhase.ERROR, failure=failure_of(damage(image, node)))
        if image.phase is ImagePhase.ERROR:
            return image
        reason = ImageFileMissing(f"No node has '{image.name}' any more.")
        return image.evolve(phase=ImagePhase.ERROR, failure=failure_of(reason))

    async def _save(self) -> None:
        wanted = [self._images[image_id].name for image_id in self._fresh]
        given = await self._names.give(self._records.copies, wanted, PROJECT) if wanted else []
        for image_id, name in zip(self._fresh, given, strict=True):
            self._changed[image_id] = self._changed[image_id].evolve(name=name)
        await self._records.images.save_all(list(self._changed.values()))


def _is_as_said(copy: Copy | None, node: Node, entry: ReportedImage) -> bool:
    return (
        copy is not None
        and copy.state is PlacementState.READY
        and copy.phase is not ImagePhase.ERROR
        and (copy.path, copy.pool_id) == (entry.path, node.store_id)
        and not _is_news(copy.verified_at, entry.verified_at)
    )


def _is_news(known: datetime | None, said: datetime | None) -> bool:
    """Whether the bytes were read again since; not every moment's difference is worth a transaction."""
    return said is not None and (known is None or said - known >= VERIFIED_AGAIN)
