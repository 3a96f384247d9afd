"""Finding and removing what the store does not need, in two phases: what is wanted after all comes back.

First a file moves to the trash, then it is looked at again, and only then it goes. A start after a kill
puts back what the journal still knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from image_library.node.adapters.store.blobs import Blobs
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.links import ReadableLinks
from image_library.node.adapters.store.part_records import PartRecords
from image_library.node.adapters.store.published_records import PublishedRecords
from image_library.node.ports.upkeep import Leftover

# A part that nobody has written for this long is not gone on with.
PART_SECONDS = 7 * 24 * 3600.0
# What is younger may be a file that somebody is about to make known.
YOUNG_SECONDS = 24 * 3600.0
_BLOCK = 512


class StoreSweep:
    """Made by the store, whose ``turn`` it takes: nothing is published, improved or removed meanwhile."""

    def __init__(
        self,
        *,
        layout: Layout,
        disk: Disk,
        blobs: Blobs,
        links: ReadableLinks,
        parts: PartRecords,
        records: PublishedRecords,
        turn: asyncio.Lock,
        open_parts: Callable[[], frozenset[str]],
        now: Callable[[], datetime],
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._blobs = blobs
        self._links = links
        self._parts = parts
        self._records = records
        self._turn = turn
        self._open_parts = open_parts
        self._now = now

    async def stale_parts(self, live: frozenset[str]) -> tuple[Leftover, ...]:
        kept = live | self._open_parts() | await self._parts.touched_since(PART_SECONDS)
        found = await asyncio.to_thread(self._old_files, self._layout.parts)
        return tuple(left for left in found if self._layout.part_key(left.name) not in kept)

    async def drop_part(self, name: str, live: Callable[[], Awaitable[frozenset[str]]]) -> bool:
        key = self._layout.part_key(name)
        path, trashed = self._layout.parts / name, self._layout.trash / name
        if not await asyncio.to_thread(self._move, path, trashed):
            return False
        if key in self._open_parts() | await live():
            # Somebody goes on with it after all, or has begun anew in its place.
            await asyncio.to_thread(self._put_back, trashed, path)
            return False
        await self._parts.remove(key)
        await asyncio.to_thread(self._unlink, trashed)
        return True

    async def dead_links(self) -> tuple[Leftover, ...]:
        dead = await asyncio.to_thread(self._dead)
        return tuple(Leftover(name=name, bytes=0) for name in sorted(dead))

    async def drop_link(self, name: str) -> bool:
        async with self._turn:
            digest = (await asyncio.to_thread(self._dead)).get(name)
            if digest is not None:
                await asyncio.to_thread(self._links.remove, name, digest)
            return digest is not None

    async def old_blobs(self) -> tuple[Leftover, ...]:
        found: list[Leftover] = []
        for sha256 in sorted(await asyncio.to_thread(self._blobs.listed)):
            seen = await asyncio.to_thread(self._blobs.look, sha256)
            if seen is not None and self._now().timestamp() - seen.st_ctime >= YOUNG_SECONDS:
                # Bytes that an operator's own name keeps are not freed by it.
                freed = seen.st_blocks * _BLOCK if seen.st_nlink == 1 else 0
                found.append(Leftover(name=f"sha256:{sha256}", bytes=freed))
        return tuple(found)

    async def drop_blob(self, digest: str, unwanted: Callable[[], Awaitable[bool]]) -> bool:
        sha256 = digest.removeprefix("sha256:")
        path, trashed = self._layout.blob(sha256), self._layout.trash / sha256
        async with self._turn:
            if not await asyncio.to_thread(self._move, path, trashed):
                return False
            try:
                if not await unwanted():
                    return False
                record = await self._records.find(digest)
                if record is not None:
                    await self._records.remove(digest)
                    await asyncio.to_thread(self._links.remove, record.link, sha256)
                await asyncio.to_thread(self._unlink, trashed)
                return True
            finally:
                await asyncio.to_thread(self._put_back, trashed, path)

    async def empty_trash(self) -> None:
        """What a killed collection left: wanted by the journal, it goes back to its place; else it goes."""
        known = {record.image.digest.removeprefix("sha256:") for record in await self._records.all()}
        await asyncio.to_thread(self._empty, known)

    def _empty(self, known: set[str]) -> None:
        with disk_errors("emptying the trash"):
            trashed = list(self._layout.trash.iterdir()) if self._layout.trash.is_dir() else []
        for path in trashed:
            if path.name in known:
                self._put_back(path, self._layout.blob(path.name))
            self._unlink(path)

    def _dead(self) -> dict[str, str]:
        with disk_errors("listing the image folder"):
            there = self._blobs.listed()
            return {name: digest for name, digest in self._links.ours().items() if digest not in there}

    def _old_files(self, folder: Path) -> tuple[Leftover, ...]:
        found: list[Leftover] = []
        with disk_errors("listing old parts"):
            for path in sorted(folder.iterdir()):
                with suppress(FileNotFoundError):
                    seen = path.lstat()
                    if self._now().timestamp() - seen.st_mtime >= PART_SECONDS:
                        freed = seen.st_blocks * _BLOCK if seen.st_nlink == 1 else 0
                        found.append(Leftover(name=path.name, bytes=freed))
        return tuple(found)

    def _move(self, path: Path, target: Path) -> bool:
        """Rename durably; False where there is nothing."""
        with disk_errors("moving to the trash"):
            self._disk.make_directory(target.parent)
            try:
                self._disk.rename(path, target)
            except FileNotFoundError:
                return False
            self._disk.sync_directory(target.parent)
            self._disk.sync_directory(path.parent)
        return True

    def _put_back(self, trashed: Path, path: Path) -> None:
        """Back to where it was, unless something is there by now, or it has gone for good."""
        if not trashed.exists() or path.exists():
            return
        with disk_errors("taking from the trash"):
            self._disk.make_directory(path.parent)
            self._disk.rename(trashed, path)
            self._disk.sync_directory(path.parent)

    def _unlink(self, trashed: Path) -> None:
        with disk_errors("emptying the trash"):
            self._disk.unlink(trashed)
