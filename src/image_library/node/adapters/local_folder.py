"""The files that operators put into cloud-images/: listed without trust, judged by header, remembered."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path

from image_library.domain.errors import LibraryError, NotAnImage, printable
from image_library.domain.os_detection import detect_os
from image_library.domain.store import ImageFacts, LocalFile
from image_library.node.adapters.inspector import HeaderInspector, read_regular_file
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.records import dump_facts, load_facts
from image_library.node.adapters.store.disk import Disk, disk_errors
from image_library.node.adapters.store.identity import StoreIdentity
from image_library.node.adapters.store.layout import Layout
from image_library.node.adapters.store.operator_file import Mark, OperatorFile, mark_of, open_regular
from image_library.node.ports.storage import OpenedFile

MOST_FILES = 10_000


class LocalImageFolder:
    def __init__(
        self,
        *,
        layout: Layout,
        journal: JournalDatabase,
        inspector: HeaderInspector,
        identity: StoreIdentity,
        disk: Disk | None = None,
    ) -> None:
        self._disk = disk or Disk()
        self._identity = identity
        self._layout = layout
        self._journal = journal
        self._inspector = inspector

    async def check(self) -> None:
        await asyncio.to_thread(self._identity.check_folder)

    async def files(self) -> tuple[tuple[LocalFile, ...], tuple[str, ...]]:
        known, adopted = await self._remembered(), await self._adopted()
        found, problems, facts = await asyncio.to_thread(self._scan, known, adopted)
        if facts != known:
            await self._remember(facts)
        return found, problems

    async def find_by_path(self, path: str) -> LocalFile | None:
        return await asyncio.to_thread(self._find, Path(path))

    async def open(self, path: str) -> OpenedFile | None:
        return await asyncio.to_thread(self._open, Path(path))

    async def note_adopted(self, file: OpenedFile, digest: str) -> None:
        query = "INSERT OR REPLACE INTO adopted VALUES (?, ?, ?, ?, ?)"
        await self._journal.run(lambda c: c.execute(query, (file.filename, *file.mark, digest)))

    def _open(self, path: Path) -> OpenedFile | None:
        if not self._is_here(path):
            return None
        fd, seen = open_regular(path)
        try:
            facts = self._inspector.inspect_open(fd, name=printable(path.name), size=seen.st_size)
        except BaseException:
            os.close(fd)
            raise
        return OperatorFile(path, fd, seen, facts, disk=self._disk)

    def _is_here(self, path: Path) -> bool:
        """Whether it is a file right in the folder: neither hidden, nor a link, nor anywhere else."""
        if path.parent != self._layout.cloud_images or path.name.startswith("."):
            return False
        # These two know no error: a name that no file can have is no file.
        return os.path.lexists(path) and not os.path.islink(path)  # noqa: PTH114

    def _find(self, path: Path) -> LocalFile | None:
        return self._inspect(str(path), path.name, {})[0] if self._is_here(path) else None

    def _scan(
        self, known: _Remembered, adopted: dict[str, Mark]
    ) -> tuple[tuple[LocalFile, ...], tuple[str, ...], _Remembered]:
        found: list[LocalFile] = []
        problems: list[str] = []
        remembered: _Remembered = {}
        with disk_errors("listing the image folder"):
            entries = self._candidates()
        if len(entries) > MOST_FILES:
            problems.append(f"There are {len(entries)} files; only {MOST_FILES} are looked at.")
        for entry in entries[:MOST_FILES]:
            try:
                file, mark = self._inspect(entry.path, entry.name, known)
            except LibraryError as error:
                problems.append(error.message)
            else:
                if adopted.get(entry.name) != mark:
                    found.append(file)
                remembered[entry.name] = (mark, file.facts)
        return tuple(found), tuple(problems), remembered

    def _candidates(self) -> list[os.DirEntry[str]]:
        """Everything but hidden names and links: a link is ours, or leads where we do not go."""
        with os.scandir(self._layout.cloud_images) as entries:
            shown = (e for e in entries if not e.name.startswith(".") and not e.is_symlink())
            return sorted(shown, key=attrgetter("name"))

    def _inspect(self, path: str, name: str, known: _Remembered) -> tuple[LocalFile, Mark]:
        if not name.isprintable():
            raise NotAnImage(
                f"The file name '{printable(name)}' has characters that cannot be shown.",
                remedy="Give it another name.",
            )

        def judge(fd: int, seen: os.stat_result) -> tuple[LocalFile, Mark]:
            mark = mark_of(seen)
            before, facts = known.get(name, (None, None))
            if facts is None or before != mark:
                facts = self._inspector.inspect_open(fd, name=printable(name), size=seen.st_size)
            return _file(path, name, seen, facts), mark

        return read_regular_file(path, judge)

    async def _remembered(self) -> _Remembered:
        rows = await self._journal.run(lambda c: c.execute("SELECT * FROM scanned").fetchall())
        return {r["filename"]: ((r["inode"], r["size"], r["mtime_ns"]), load_facts(r["facts"])) for r in rows}

    async def _adopted(self) -> dict[str, Mark]:
        """Files that are published images by now, under their own names."""
        query = "SELECT adopted.* FROM adopted JOIN published USING (digest)"
        rows = await self._journal.run(lambda c: c.execute(query).fetchall())
        return {r["filename"]: (r["inode"], r["size"], r["mtime_ns"]) for r in rows}

    async def _remember(self, facts: _Remembered) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM scanned")
            connection.executemany(
                "INSERT INTO scanned (filename, inode, size, mtime_ns, facts) VALUES (?, ?, ?, ?, ?)",
                [(name, *mark, dump_facts(facts)) for name, (mark, facts) in facts.items()],
            )

        await self._journal.run(work)


_Remembered = dict[str, tuple[Mark, ImageFacts]]


def _file(path: str, name: str, seen: os.stat_result, facts: ImageFacts) -> LocalFile:
    return LocalFile(
        path=path,
        filename=name,
        size_bytes=seen.st_size,
        facts=facts,
        detected_os=detect_os(name),
        modified_at=_moment(seen.st_mtime),
    )


def _moment(seconds: float) -> datetime | None:
    """None for a time that no calendar has; anybody may give a file any time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
