"""Reading published blobs again from the disk itself, and putting aside those that have rotted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from image_library.domain.errors import ImageFileMissing, ImageNotReady
from image_library.domain.inventory import DamagedImage
from image_library.domain.store_health import Damage
from image_library.node.adapters.store.direct_reader import DirectReader
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.links import ReadableLinks
from image_library.node.adapters.store.published_records import PublishedRecords
from image_library.node.adapters.store.scrub_records import ScrubRecords
from image_library.node.ports.scrubbing import BlobTurn, RawBlob

# Nobody can read it by mistake; who wants to look at it, root or the owner, can.
_QUARANTINED = 0o400
# So long it is kept to be looked at.
QUARANTINE_SECONDS = 7 * 24 * 3600.0


class StoreScrub:
    """Made by the store, whose ``turn`` it takes where it changes what is published."""

    def __init__(
        self,
        *,
        layout: Layout,
        disk: Disk,
        links: ReadableLinks,
        published: PublishedRecords,
        records: ScrubRecords,
        turn: asyncio.Lock,
        now: Callable[[], datetime],
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._links = links
        self._published = published
        self._records = records
        self._turn = turn
        self._now = now

    async def turns(self) -> tuple[BlobTurn, ...]:
        times = await self._records.times()
        found: list[BlobTurn] = []
        for record in await self._published.all():
            image = record.image
            # When it was published, all of it was read.
            born = image.published_at.timestamp()
            looked, verified = times.get(image.digest, (born, born))
            found.append(
                BlobTurn(
                    digest=image.digest,
                    looked_at=_moment(max(looked, born)),
                    verified_at=_moment(max(verified, born)),
                    name=record.link,
                    size_bytes=image.size_bytes,
                )
            )
        return tuple(sorted(found, key=lambda turn: (turn.looked_at, turn.digest)))

    async def open(self, digest: str) -> RawBlob:
        path = self._layout.blob(digest.removeprefix("sha256:"))
        if await self._published.find(digest) is None:
            raise ImageNotReady(f"The image {digest[:19]} is not on this node.")
        try:
            return await asyncio.to_thread(DirectReader.open, path)
        except FileNotFoundError as error:
            raise ImageFileMissing(f"The file of the image {digest[:19]} is gone.") from error

    async def passed(self, digest: str, blob: RawBlob) -> bool:
        record = await self._published.find(digest)
        whole = record is not None and blob.mark == (record.inode, record.image.size_bytes, record.mtime_ns)
        if record is not None:
            await self._records.looked(digest, self._now(), whole=whole)
        return whole

    async def missed(self, digest: str) -> None:
        await self._records.looked(digest, self._now(), whole=False)

    async def condemn(self, digest: str, blob: RawBlob, actual: str) -> bool:
        sha256 = digest.removeprefix("sha256:")
        path = self._layout.blob(sha256)
        async with self._turn:
            record = await self._published.find(digest)
            if record is None or not await asyncio.to_thread(_is, path, blob.mark[0]):
                # Fresh bytes came in its place.
                return False
            # The journal first: what has no record is never used, wherever its file lies.
            damage = DamagedImage(checksum=digest, actual=actual)
            await self._records.condemn(damage, self._now(), name=record.link)
            await asyncio.to_thread(self._links.remove, record.link, sha256)
            await asyncio.to_thread(self._put_aside, path)
            return True

    async def damaged(self) -> tuple[DamagedImage, ...]:
        return await self._records.damaged()

    async def last_damage(self) -> Damage | None:
        return await self._records.last_damage()

    async def tidy(self) -> None:
        await asyncio.to_thread(self._tidy)

    def _put_aside(self, path: Path) -> None:
        aside = self._layout.quarantine / path.name
        with disk_errors("putting a damaged image aside"):
            self._disk.make_directory(aside.parent)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                self._disk.set_mode(descriptor, _QUARANTINED)
            finally:
                self._disk.close(descriptor)
            self._disk.rename(path, aside)
            self._disk.sync_directory(aside.parent)
            self._disk.sync_directory(path.parent)

    def _tidy(self) -> None:
        with disk_errors("emptying the quarantine"):
            kept = list(self._layout.quarantine.iterdir()) if self._layout.quarantine.is_dir() else []
            for path in kept:
                with suppress(FileNotFoundError):
                    if self._now().timestamp() - path.lstat().st_ctime >= QUARANTINE_SECONDS:
                        self._disk.unlink(path)


def _is(path: Path, inode: int) -> bool:
    try:
        return path.lstat().st_ino == inode
    except OSError:
        return False


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
