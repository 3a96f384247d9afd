"""Published images in the journal: the record that makes a blob an image."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from image_library.domain.store import Download, PublishedImage
from image_library.node.adapters.download_records import save_downloads
from image_library.node.adapters.journal import JournalDatabase
from image_library.node.adapters.records import dump_published, dump_source, load_published, load_source


@dataclass(frozen=True, kw_only=True)
class PublishedRecord:
    image: PublishedImage
    # What the file was when it was published; another inode or time is another file.
    inode: int
    mtime_ns: int
    # The readable link's name.
    link: str
    # Hexadecimal; empty where it was never counted.
    sha512: str = ""


class PublishedRecords:
    def __init__(self, journal: JournalDatabase) -> None:
        self._journal = journal

    async def save(
        self, record: PublishedRecord, downloads: tuple[Download, ...] = (), *, spent: str = ""
    ) -> None:
        """Record an image, and in the same transaction the downloads and the part that end with it."""

        def work(connection: sqlite3.Connection) -> None:
            image = record.image
            connection.execute(
                "INSERT OR REPLACE INTO published (digest, sha512, link, inode, mtime_ns, record) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    image.digest,
                    record.sha512,
                    record.link,
                    record.inode,
                    record.mtime_ns,
                    dump_published(image),
                ),
            )
            _save_source(connection, image)
            # Fresh bytes: they were all read a moment ago.
            connection.execute("DELETE FROM damaged WHERE digest = ?", (image.digest,))
            connection.execute("DELETE FROM parts WHERE key = ?", (spent,))
            save_downloads(connection, downloads)

        await self._journal.run(work)

    async def find(self, digest: str) -> PublishedRecord | None:
        return await self._one("digest", digest)

    async def find_link(self, name: str) -> PublishedRecord | None:
        return await self._one("link", name)

    async def find_sha512(self, digest: str) -> PublishedRecord | None:
        return await self._one("sha512", digest)

    async def find_made_of(self, source: str, shape: str) -> PublishedRecord | None:
        """What was made in that shape of the file "sha256:HEX" or "sha512:HEX", with what is known of that.

        The same image may have been made of several files; its own record tells of the last one.
        """
        query = (
            "SELECT published.*, made_of.record AS source_record FROM published "
            "JOIN made_of USING (digest) WHERE source = ? AND shape = ?"
        )
        row = await self._journal.run(lambda c: c.execute(query, (source, shape)).fetchone())
        if row is None:
            return None
        record = _record(row)
        told = load_source(row["source_record"]) or record.image.converted_from
        if told is None or source not in (told.digest, f"sha512:{told.sha512}"):
            # An older version did not write it down.
            return None
        return replace(record, image=replace(record.image, converted_from=told))

    async def all(self) -> tuple[PublishedRecord, ...]:
        rows = await self._journal.run(
            lambda c: c.execute("SELECT * FROM published ORDER BY digest").fetchall()
        )
        return tuple(_record(row) for row in rows)

    async def remove(self, digest: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM published WHERE digest = ?", (digest,))
            connection.execute("DELETE FROM made_of WHERE digest = ?", (digest,))

        await self._journal.run(work)

    async def _one(self, column: str, value: str) -> PublishedRecord | None:
        query = f"SELECT * FROM published WHERE {column} = ?"  # noqa: S608 - the column's name is ours
        row = await self._journal.run(lambda c: c.execute(query, (value,)).fetchone())
        return _record(row) if row else None


def _save_source(connection: sqlite3.Connection, image: PublishedImage) -> None:
    source = image.converted_from
    # A template holds another disk than the image below it.
    if source is None or source.captured is not None:
        return
    names = [source.digest, *([f"sha512:{source.sha512}"] if source.sha512 else [])]
    connection.executemany(
        "INSERT OR REPLACE INTO made_of (source, shape, digest, record) VALUES (?, ?, ?, ?)",
        [(name, source.shape, image.digest, dump_source(source)) for name in names],
    )


def moved(record: PublishedRecord, *, link: str, link_path: str) -> PublishedRecord:
    """The record with another readable name."""
    return replace(record, link=link, image=replace(record.image, link_path=link_path))


def _record(row: sqlite3.Row) -> PublishedRecord:
    return PublishedRecord(
        image=load_published(row["record"]),
        inode=row["inode"],
        mtime_ns=row["mtime_ns"],
        link=row["link"],
        sha512=row["sha512"],
    )
