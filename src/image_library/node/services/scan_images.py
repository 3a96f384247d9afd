"""The node's inventory: its published images and the files that operators put beside them."""

from __future__ import annotations

import asyncio
import os.path
from datetime import datetime

import structlog

from image_library.domain.errors import LibraryError
from image_library.domain.inventory import Inventory, ReportedImage
from image_library.domain.node import InventoryMark
from image_library.domain.os_detection import detect_os
from image_library.domain.store import LocalFile, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.node.ports.clock import Clock
from image_library.node.ports.folder import InventoryNumbering, LocalFolder
from image_library.node.ports.health import WriteGate
from image_library.node.ports.inspecting import Inspector
from image_library.node.ports.scrubbing import ScrubbedStore
from image_library.node.ports.storage import ImageStore

log = structlog.get_logger()


class ImageScan:
    def __init__(
        self,
        *,
        store: ImageStore,
        scrubbed: ScrubbedStore,
        folder: LocalFolder,
        inspector: Inspector,
        numbers: InventoryNumbering,
        gate: WriteGate,
        clock: Clock,
        node_id: str,
    ) -> None:
        self._store = store
        self._scrubbed = scrubbed
        self._folder = folder
        self._inspector = inspector
        self._numbers = numbers
        self._gate = gate
        self._clock = clock
        self._node_id = node_id
        # Two scans at once would only read everything twice.
        self._turn = asyncio.Lock()

    async def inventory(self) -> Inventory:
        """All that is here now; a file that cannot be read is a sentence, never the end of the scan.

        Raises:
            StoreChanged: the store or the folder is not there; nothing may be reported gone because of that.
            StorageIo: the folder cannot be listed.
        """
        async with self._turn:
            await self.check()
            mark = await self._numbers.next()
            published, missing = await self._store.published()
            damaged = await self._scrubbed.damaged()
            verified = {turn.digest: turn.verified_at for turn in await self._scrubbed.turns()}
            files, problems = await self._folder.files()
            # Not while it was listed either.
            await self.check()
        return Inventory(
            node_id=self._node_id,
            store_id=self._store.store_id,
            images=(*(_published(i, verified.get(i.digest)) for i in published), *map(_local, files)),
            damaged=damaged,
            errors=(*missing, *problems),
            complete=True,
            sequence=mark.sequence,
            epoch=mark.epoch,
        )

    async def check(self) -> None:
        """See that store and folder are those that the node knows.

        Raises:
            StoreChanged: one of them was replaced or unmounted.
        """
        await self._store.check()
        await self._folder.check()

    async def compare(self, heard: InventoryMark) -> None:
        """Take note of which report the control plane has reconciled last."""
        await self._numbers.compare(heard)

    async def adopt_orphans(self) -> int:
        """Record whole blobs that the journal does not know, as after its loss; how many they were.

        Nothing vouches for them, so they are unverified until a download proves them again. A degraded store
        is waited for: what a failed sync left without a record is not synced once more and trusted.
        """
        await self._gate.open(lambda _: None)
        count = 0
        for digest in await self._store.orphans():
            try:
                facts = await self._inspector.inspect_file(
                    self._store.blob_path(digest), name=digest[:19], declared=None
                )
                evidence = Evidence(
                    level=TrustLevel.UNVERIFIED, verified_at=self._clock.now(), node_id=self._node_id
                )
                adopted = await self._store.adopt(digest, facts, evidence)
                count += adopted is not None
                log.info("blob_adopted" if adopted else "blob_removed", digest=digest)
            except LibraryError as error:
                log.warning("blob_not_adopted", digest=digest, code=error.code)
        return count


def _published(image: PublishedImage, verified_at: datetime | None) -> ReportedImage:
    name = os.path.basename(image.link_path)  # noqa: PTH119 - a name, no file is touched
    return ReportedImage(
        path=image.link_path,
        filename=name,
        size_bytes=image.size_bytes,
        virtual_size_bytes=image.facts.virtual_size_bytes,
        format=image.facts.format.value,
        checksum=image.digest,
        detected_os=detect_os(name),
        found=image.facts.guest,
        modified_at=image.published_at,
        verified_at=verified_at,
    )


def _local(file: LocalFile) -> ReportedImage:
    return ReportedImage(
        path=file.path,
        filename=file.filename,
        size_bytes=file.size_bytes,
        virtual_size_bytes=file.facts.virtual_size_bytes,
        format=file.facts.format.value,
        detected_os=file.detected_os,
        modified_at=file.modified_at,
    )
