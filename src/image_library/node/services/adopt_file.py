"""An operator's own file becomes a published image: hashed and judged through one descriptor, then linked.

Where the file itself cannot become the blob (another file system, somebody else's, with a third name), its
bytes are copied through the same parts and the same publish order as a download's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from image_library.domain.conversion import DiskInside
from image_library.domain.errors import ImageChanged, PathOutside, UnsupportedFeature, printable
from image_library.domain.image import ImageFormat
from image_library.domain.store import Download, DownloadOrder, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel
from image_library.node.ports.clock import Clock
from image_library.node.ports.conversion import Converter
from image_library.node.ports.folder import LocalFolder
from image_library.node.ports.inspecting import Inspector
from image_library.node.ports.storage import ImageStore, OpenedFile, Part, PartDigests, PartKey, Publication
from image_library.node.services.second_look import second_look

log = structlog.get_logger()

Complete = Callable[[PublishedImage], tuple[Download, ...]]


class AdoptFile:
    def __init__(
        self,
        *,
        store: ImageStore,
        folder: LocalFolder,
        inspector: Inspector,
        converter: Converter,
        clock: Clock,
        node_id: str,
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._converter = converter
        self._folder = folder
        self._clock = clock
        self._node_id = node_id

    async def open(self, order: DownloadOrder) -> OpenedFile:
        """The file, judged twice.

        Raises:
            PathOutside: there is no such file in the image folder.
            UnsupportedFeature: VM disks are not built on its format.
            Whatever the inspector and ``second_look`` raise of its bytes.
        """
        file = await self._folder.open(order.adopt_path)
        if file is None:
            raise PathOutside(f"'{printable(order.adopt_path)}' is no file of this node's image folder.")
        try:
            await self._judge(file)
        except BaseException:
            await file.close()
            raise
        return file

    async def _judge(self, file: OpenedFile) -> None:
        name, found = printable(file.filename), file.facts.format
        if found not in (ImageFormat.QCOW2, ImageFormat.RAW):
            raise UnsupportedFeature(f"{name} is {found.value}; VM disks are built on qcow2 and raw.")
        await second_look(self._converter, file.fd, DiskInside(format=found), file.facts, name=name)

    async def publish(self, file: OpenedFile, sha256: str, *, key: str, complete: Complete) -> PublishedImage:
        """The image that the file is from now on.

        Raises:
            ImageChanged: somebody wrote the file meanwhile; it is left as it was.
            StorageFull, StorageIo, StoreNotWritable, StoreChanged
        """
        digests = PartDigests(size_bytes=file.total, sha256=sha256)
        evidence = self._evidence(sha256)
        publication = Publication(
            digests=digests,
            facts=await self._inspector.look_inside(str(file.path), file.facts),
            filename=file.filename,
            evidence=evidence,
            # The job tells what it found out itself, also where the bytes were here with better evidence.
            complete=lambda image: complete(replace(image, evidence=evidence)),
        )
        # Known first: between the two, a scan would take the file for one more image.
        await self._folder.note_adopted(file, f"sha256:{sha256}")
        if self._store.can_link(file):
            image = await self._linked(file, publication)
        else:
            image = await self._copied(file, publication, key)
        log.info("file_adopted", file=file.filename, digest=image.digest)
        return image

    async def _linked(self, file: OpenedFile, publication: Publication) -> PublishedImage:
        try:
            await file.seal()
            await file.check_same()
            return await self._store.publish(file, publication)
        except BaseException:
            await file.unseal()
            raise

    async def _copied(self, file: OpenedFile, publication: Publication, key: str) -> PublishedImage:
        expected = f"sha256:{publication.digests.sha256}"
        part = await self._store.open_part(PartKey(key=key, expected=expected))
        try:
            await part.expect(file.total, "")
            await self._copy(file, part)
            await file.check_same()
            if await part.finish() != publication.digests:
                raise ImageChanged(f"{printable(file.filename)} was changed while it was copied.")
            return await self._store.publish(part, publication)
        except BaseException:
            await part.discard()
            raise

    async def _copy(self, file: OpenedFile, part: Part) -> None:
        while block := await file.read(part.offset):
            await part.write(block)

    def _evidence(self, sha256: str) -> Evidence:
        """Nobody vouches for an operator's own file; what its bytes are is known all the same."""
        now: datetime = self._clock.now()
        return Evidence(
            level=TrustLevel.UNVERIFIED,
            algorithm="sha256",
            actual=sha256,
            verified_at=now,
            node_id=self._node_id,
        )
