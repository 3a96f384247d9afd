"""The files that operators put into cloud-images/: listed without trust, judged by header, remembered."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from image_library.domain.errors import LibraryError, NotAnImage, printable
from image_library.domain.os_detection import detect_os
from image_library.domain.store import ImageFacts, LocalFile
from image_library.node.adapters.inspector import HeaderInspector, read_regular_file
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.records import dump_facts, load_facts
from image_library.node.adapters.store.disk import disk_errors
from image_library.node.adapters.store.layout import Layout

MOST_FILES = 10_000


class LocalImageFolder:
    def __init__(self, *, layout: Layout, journal: JournalDatabase, inspector: HeaderInspector) -> None:
        self._layout = layout
        self._journal = journal
        self._inspector = inspector

    async def files(self) -> tuple[tuple[LocalFile, ...], tuple[str, ...]]:
        known = await self._remembered()
        found, problems, facts = await asyncio.to_thread(self._scan, known)
        await self._remember(facts)
        return found, problems

    async def find_by_path(self, path: str) -> LocalFile | None:
        return await asyncio.to_thread(self._find, Path(path))

    def _find(self, path: Path) -> LocalFile | None:
        if path.parent != self._layout.cloud_images or path.name.startswith("."):
            return None
        # These two know no error: a name that no file can have is no file.
        if os.path.islink(path) or not os.path.lexists(path):  # noqa: PTH114
            return None
        return self._inspect(path, {})[0]

    def _scan(self, known: _Remembered) -> tuple[tuple[LocalFile, ...], tuple[str, ...], _Remembered]:
        found: list[LocalFile] = []
        problems: list[str] = []
        remembered: _Remembered = {}
        with disk_errors("listing the image folder"):
            paths = list(self._candidates())
        if len(paths) > MOST_FILES:
            problems.append(f"There are {len(paths)} files; only {MOST_FILES} are looked at.")
        for path in paths[:MOST_FILES]:
            try:
                file, mark = self._inspect(path, known)
            except LibraryError as error:
                problems.append(error.message)
            else:
                found.append(file)
                remembered[path.name] = (mark, file.facts)
        return tuple(found), tuple(problems), remembered

    def _candidates(self) -> Iterator[Path]:
        """Everything but hidden names and links: a link is ours, or leads where we do not go."""
        with os.scandir(self._layout.cloud_images) as entries:
            names = sorted(e.name for e in entries if not e.name.startswith(".") and not e.is_symlink())
        return (self._layout.cloud_images / name for name in names)

    def _inspect(self, path: Path, known: _Remembered) -> tuple[LocalFile, _Mark]:
        if not path.name.isprintable():
            raise NotAnImage(
                f"The file name '{printable(path.name)}' has characters that cannot be shown.",
                remedy="Give it another name.",
            )
        seen: list[os.stat_result] = []

        def judge(beginning: bytes, status: os.stat_result) -> ImageFacts:
            seen.append(status)
            mark, facts = known.get(path.name, (None, None))
            if facts is not None and mark == _mark(status):
                return facts
            return self._inspector.inspect_bytes(beginning, name=printable(path.name), size=status.st_size)

        facts = read_regular_file(str(path), judge)
        status = seen[0]
        file = LocalFile(
            path=str(path),
            filename=path.name,
            size_bytes=status.st_size,
            facts=facts,
            detected_os=detect_os(path.name),
            modified_at=_moment(status.st_mtime),
        )
        return file, _mark(status)

    async def _remembered(self) -> _Remembered:
        rows = await self._journal.run(lambda c: c.execute("SELECT * FROM scanned").fetchall())
        return {r["filename"]: ((r["inode"], r["size"], r["mtime_ns"]), load_facts(r["facts"])) for r in rows}

    async def _remember(self, facts: _Remembered) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM scanned")
            connection.executemany(
                "INSERT INTO scanned (filename, inode, size, mtime_ns, facts) VALUES (?, ?, ?, ?, ?)",
                [(name, *mark, dump_facts(facts)) for name, (mark, facts) in facts.items()],
            )

        await self._journal.run(work)


# What tells a file apart from another of the same name: inode, size, time of the last change.
_Mark = tuple[int, int, int]
_Remembered = dict[str, tuple[_Mark, ImageFacts]]


def _moment(seconds: float) -> datetime | None:
    """None for a time that no calendar has; anybody may give a file any time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _mark(status: os.stat_result) -> _Mark:
    # Some file systems have times that SQLite's numbers do not reach.
    return status.st_ino, status.st_size, status.st_mtime_ns & (2**63 - 1)
