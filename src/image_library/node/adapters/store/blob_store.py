"""The image store: the one publish order, and looking again before an image is used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from weakref import WeakSet

import structlog

from image_library.domain.conversion import Shape
from image_library.domain.errors import (
    ImageChanged,
    ImageDamaged,
    ImageFileMissing,
    ImageNotReady,
    Internal,
    LibraryError,
    StorageFull,
)
from image_library.domain.sizes import in_words
from image_library.domain.store import ImageFacts, PublishedImage
from image_library.domain.trust import Evidence
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.store.blob_reader import open_blob
from image_library.node.adapters.store.blobs import Blobs
from image_library.node.adapters.store.disk import KEEP_FREE, Disk, Space, disk_errors
from image_library.node.adapters.store.identity import StoreIdentity
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.links import ReadableLinks
from image_library.node.adapters.store.operator_file import OperatorFile
from image_library.node.adapters.store.output_file import OutputFile
from image_library.node.adapters.store.part_file import PartFile, open_part
from image_library.node.adapters.store.part_records import PartRecords
from image_library.node.adapters.store.published_records import PublishedRecord, PublishedRecords, moved
from image_library.node.adapters.store.scrub import StoreScrub
from image_library.node.adapters.store.scrub_records import ScrubRecords
from image_library.node.adapters.store.sweep import PART_SECONDS, StoreSweep
from image_library.node.ports.storage import Blob, OpenedFile, Output, Part, PartKey, Publication

log = structlog.get_logger()


class BlobStore:
    """One per data directory, used from one event loop."""

    def __init__(
        self,
        *,
        layout: Layout,
        journal: JournalDatabase,
        identity: StoreIdentity,
        now: Callable[[], datetime],
        disk: Disk | None = None,
    ) -> None:
        self._layout = layout
        self._identity = identity
        self._now = now
        self._disk = disk or Disk()
        self._blobs = Blobs(layout, self._disk)
        self._links = ReadableLinks(layout, self._disk)
        self._parts = PartRecords(journal)
        self._records = PublishedRecords(journal)
        # Weak: one that nobody holds any more has no claim on space, and need not keep its memory.
        self._open: WeakSet[PartFile | OutputFile] = WeakSet()
        # Publishing, improving and removing take turns: each reads before it writes.
        self._turn = asyncio.Lock()
        self.sweep = StoreSweep(
            layout=layout,
            disk=self._disk,
            blobs=self._blobs,
            links=self._links,
            parts=self._parts,
            records=self._records,
            turn=self._turn,
            open_parts=lambda: frozenset(part.key for part in self._open if part.fd >= 0),
            now=now,
        )
        self._damaged = ScrubRecords(journal)
        self.scrub = StoreScrub(
            layout=layout,
            disk=self._disk,
            links=self._links,
            published=self._records,
            records=self._damaged,
            turn=self._turn,
            now=now,
        )

    @property
    def store_id(self) -> str:
        return self._identity.store_id

    async def check(self) -> None:
        await asyncio.to_thread(self._identity.check)

    async def open_part(self, part: PartKey) -> Part:
        await self.check()
        opened = await open_part(
            path=self._layout.part(part.key),
            key=part.key,
            expected=part.expected,
            records=self._parts,
            disk=self._disk,
            reserve=self._reserve,
        )
        self._open.add(opened)
        return opened

    async def open_output(self, key: str) -> Output:
        await self.check()
        with disk_errors("making a file for a converted image"):
            path = self._layout.part(key)
            opened = await asyncio.to_thread(
                OutputFile, path=path, key=key, disk=self._disk, reserve=self._reserve
            )
        self._open.add(opened)
        return opened

    def can_link(self, file: OpenedFile) -> bool:
        with disk_errors("looking at the store"):
            return isinstance(file, OperatorFile) and file.can_be_linked(self._layout.blobs)

    async def publish(self, part: Part | OpenedFile | Output, publication: Publication) -> PublishedImage:
        if not isinstance(part, PartFile | OperatorFile | OutputFile):
            raise Internal("A part of another store was to be published.")
        await self.check()
        digests = publication.digests
        async with self._turn:
            await self._settle(part, size=digests.size_bytes)
            seen = await asyncio.to_thread(
                self._blobs.add, part.fd, sha256=digests.sha256, size=digests.size_bytes
            )
            known = await self._records.find(f"sha256:{digests.sha256}")
            wanted = known.link if known else publication.filename
            await self._keep_name(wanted, digest=f"sha256:{digests.sha256}")
            link = await asyncio.to_thread(self._links.make, wanted, digests.sha256)
            evidence = publication.evidence
            if known is not None and known.image.evidence.level > evidence.level:
                evidence = known.image.evidence
            image = self._image(digests.sha256, digests.size_bytes, publication.facts, evidence, link)
            source = publication.converted_from or (known.image.converted_from if known else None)
            image = replace(image, converted_from=source)
            record = PublishedRecord(
                image=image,
                inode=seen.st_ino,
                mtime_ns=seen.st_mtime_ns,
                link=link,
                sha512=digests.sha512 or (known.sha512 if known else ""),
            )
            await self._records.save(record, publication.complete(image), spent=publication.spent)
        try:
            await part.discard()
        except LibraryError as error:
            # The image is whole and listed; its part is removed at the next start.
            log.warning("part_not_removed", file=part.path.name, code=error.code)
        return image

    async def find(self, digest: str) -> PublishedImage:
        return await self._whole(await self._recorded(digest))

    async def open(self, digest: str) -> Blob:
        record = await self._recorded(digest)
        image = await self._whole(record)
        path = Path(image.blob_path)
        with disk_errors("opening an image"):
            return await asyncio.to_thread(
                open_blob, path, size=image.size_bytes, inode=record.inode, mtime_ns=record.mtime_ns
            )

    async def find_by_path(self, path: str) -> PublishedImage | None:
        wanted = Path(path)
        record = None
        if wanted.parent == self._layout.cloud_images:
            record = await self._records.find_link(wanted.name)
            if record and not self._links.leads_to(wanted, record.image.digest.removeprefix("sha256:")):
                # Somebody put another file there.
                return None
        elif wanted == self._layout.blob(wanted.name):
            record = await self._records.find(f"sha256:{wanted.name}")
        return await self._whole(record) if record else None

    async def find_by_publisher_digest(
        self, algorithm: str, digest: str, wanted: Shape | None = None
    ) -> PublishedImage | None:
        if algorithm == "sha512":
            record = await self._records.find_sha512(digest)
        else:
            record = await self._records.find(f"sha256:{digest}")
        if record is not None:
            # These bytes came as they are, whatever else they may have been made of.
            record = replace(record, image=replace(record.image, converted_from=None))
        if wanted is not None and (record is None or not wanted.fits(record.image.facts.format)):
            record = await self._records.find_made_of(f"{algorithm}:{digest}", str(wanted))
        # One that is gone or changed is simply fetched again.
        with suppress(ImageFileMissing, ImageChanged):
            return await self._whole(record) if record else None
        return None

    async def improve(self, digest: str, evidence: Evidence) -> PublishedImage | None:
        async with self._turn:
            record = await self._records.find(digest)
            if record is None or record.image.evidence.level >= evidence.level:
                return record.image if record else None
            better = replace(record.image, evidence=evidence)
            await self._records.save(replace(record, image=better))
            return better

    async def published(self) -> tuple[tuple[PublishedImage, ...], tuple[str, ...]]:
        await self.check()
        whole: list[PublishedImage] = []
        problems: list[str] = []
        for record in await self._records.all():
            try:
                whole.append(await self._whole(record))
            except (ImageFileMissing, ImageChanged) as missing:
                problems.append(missing.message)
        return tuple(whole), tuple(problems)

    async def remove(self, digest: str) -> None:
        await self.check()
        async with self._turn:
            record = await self._records.find(digest)
            if record is None:
                await self._damaged.forget(digest)
                return
            # The files first: on a full disk the journal cannot be written before there is space.
            sha256 = digest.removeprefix("sha256:")
            await asyncio.to_thread(self._links.remove, record.link, sha256)
            await asyncio.to_thread(self._blobs.remove, sha256)
            await self._records.remove(digest)

    async def usage(self) -> tuple[int, int]:
        with disk_errors("looking at the file system"):
            space = await asyncio.to_thread(self._disk.space, self._layout.root)
        return space.used, space.total

    async def orphans(self) -> tuple[str, ...]:
        known = {record.image.digest for record in await self._records.all()}
        listed = await asyncio.to_thread(self._blobs.listed)
        return tuple(sorted({f"sha256:{name}" for name in listed} - known))

    async def adopt(self, digest: str, facts: ImageFacts, evidence: Evidence) -> PublishedImage | None:
        sha256 = digest.removeprefix("sha256:")
        whole = await asyncio.to_thread(self._blobs.keep, sha256)
        async with self._turn:
            seen = await asyncio.to_thread(self._blobs.look, sha256)
            # A download may have published it meanwhile.
            if seen is None or await self._records.find(digest) is not None:
                return None
            if not whole:
                await asyncio.to_thread(self._blobs.remove, sha256)
                return None
            names = {d: n for n, d in (await asyncio.to_thread(self._links.ours)).items()}
            link = names.get(sha256) or await asyncio.to_thread(
                self._links.make, f"{sha256[:12]}.{facts.format.value}", sha256
            )
            image = self._image(sha256, seen.st_size, facts, evidence, link)
            await self._records.save(
                PublishedRecord(image=image, inode=seen.st_ino, mtime_ns=seen.st_mtime_ns, link=link)
            )
            return image

    def blob_path(self, digest: str) -> str:
        return str(self._layout.blob(digest.removeprefix("sha256:")))

    async def recover(self, live: frozenset[str]) -> None:
        await self.sweep.empty_trash()
        await asyncio.to_thread(self._blobs.clear)
        late = await self._parts.touched_since(PART_SECONDS)
        await self._parts.keep_only(await asyncio.to_thread(self._drop_parts, live, late))
        records = await self._records.all()
        for record in records:
            await self._repair_link(record)
        blobs = await asyncio.to_thread(self._blobs.listed)
        for name, sha256 in (await asyncio.to_thread(self._links.ours)).items():
            if sha256 not in blobs:
                await asyncio.to_thread(self._links.remove, name, sha256)

    async def _repair_link(self, record: PublishedRecord) -> None:
        sha256 = record.image.digest.removeprefix("sha256:")
        if await asyncio.to_thread(self._blobs.look, sha256) is None:
            return
        try:
            link = await asyncio.to_thread(self._links.make, record.link, sha256)
            if link != record.link:
                path = str(self._layout.cloud_images / link)
                await self._records.save(moved(record, link=link, link_path=path))
        except LibraryError as error:
            log.warning("link_not_repaired", digest=record.image.digest, error=error.code)

    def _drop_parts(self, live: frozenset[str], late: frozenset[str]) -> frozenset[str]:
        """Remove what nobody will go on with; the keys of the others."""
        kept: set[str] = set()
        with disk_errors("removing an old part"):
            for path in self._layout.parts.iterdir():
                key = self._layout.part_key(path.name)
                # A late one that has a second name is published already.
                if key in live or (key in late and path.lstat().st_nlink == 1):
                    kept.add(key)
                else:
                    self._disk.unlink(path)
        return frozenset(kept)

    async def _settle(self, part: PartFile | OperatorFile | OutputFile, *, size: int) -> None:
        try:
            await asyncio.to_thread(self._blobs.settle, part.fd, size=size)
        except LibraryError:
            # Bytes whose sync failed look whole until the machine stops.
            if isinstance(part, PartFile):
                await part.doubt()
            raise

    async def _keep_name(self, name: str, *, digest: str) -> None:
        """Give the image that owns a readable name its link again, where somebody took it away."""
        owner = await self._records.find_link(name)
        if owner is not None and owner.image.digest != digest:
            await self._repair_link(owner)

    async def _recorded(self, digest: str) -> PublishedRecord:
        record = await self._records.find(digest)
        if record is not None:
            return record
        if await self._damaged.find(digest) is not None:
            raise ImageDamaged(f"The bytes of the image {digest[:19]} have changed on this node's disk.")
        raise ImageNotReady(f"The image {digest[:19]} is not on this node.")

    async def _whole(self, record: PublishedRecord) -> PublishedImage:
        image = record.image
        seen = await asyncio.to_thread(self._blobs.look, image.digest.removeprefix("sha256:"))
        if seen is None:
            raise ImageFileMissing(f"The file of the image {record.link} is gone.")
        if (seen.st_size, seen.st_ino, seen.st_mtime_ns) != (image.size_bytes, record.inode, record.mtime_ns):
            raise ImageChanged(
                f"The file of the image {record.link} was changed.", remedy="Download the image again."
            )
        return image

    def _image(
        self, sha256: str, size: int, facts: ImageFacts, evidence: Evidence, link: str
    ) -> PublishedImage:
        return PublishedImage(
            digest=f"sha256:{sha256}",
            size_bytes=size,
            facts=facts,
            blob_path=str(self._layout.blob(sha256)),
            link_path=str(self._layout.cloud_images / link),
            evidence=evidence,
            published_at=self._now(),
        )

    async def room(self) -> int:
        return await asyncio.to_thread(lambda: max(0, self._room()[0]))

    def _room(self, but: PartFile | OutputFile | None = None) -> tuple[int, int, Space]:
        """What may still be written, what of the rest is promised to others, and the file system's space."""
        with disk_errors("looking at the file system"):
            space = self._disk.space(self._layout.parts)
        others = [p for p in self._open if p is not but and p.fd >= 0]
        promised = sum(_missing(other) for other in others)
        return space.free - promised - _kept_free(space), promised, space

    def _reserve(self, part: PartFile | OutputFile, more: int = 0) -> None:
        """See that the rest of ``part`` fits beside the rests of the others and what must stay free."""
        room, promised, space = self._room(part)
        needed = _missing(part) + more
        if needed > room:
            size = in_words(needed) if part.total else "more space"
            besides = f", {in_words(promised)} are promised to other downloads" if promised else ""
            raise StorageFull(
                f"The image needs {size}; {in_words(space.free)} are free in {self._layout.root}"
                f"{besides}, and {in_words(_kept_free(space))} must stay free."
            )


def _missing(part: PartFile | OutputFile) -> int:
    here = part.received if isinstance(part, PartFile) else part.offset
    return max(0, part.total - here)


def _kept_free(space: Space) -> int:
    return min(space.total // 20, KEEP_FREE)
