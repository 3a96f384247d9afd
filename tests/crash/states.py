"""Walks written down, the states that power cuts leave of them, and the rules that hold in each."""

# Nobody else waits for the loop.
from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from image_library.node.adapters.store.layout import Layout
from tests.crash.bench import open_bench
from tests.crash.material import IMAGE, SHA256, sha256_of
from tests.crash.model import UNIT, Content, Event, File, Model, Names, Rows
from tests.crash.protocols import Protocol, renumber
from tests.crash.seams import COMMIT, Hook

BLOB = f"blobs/sha256/{SHA256[:2]}/{SHA256}"
OPERATORS = "cloud-images/golden.img"
_DIRECTORY = -1
# Short walks have few states; as many are recovered anyway.
_FIRST = 12
_LINK = -2


def whole(data: bytes) -> Content:
    return (1 << -(-len(data) // UNIT)) - 1, len(data)


@dataclass
class Walk:
    """What one walk did, from the first operation to the last."""

    protocol: Protocol
    names: Names
    files: dict[int, File]
    # Inodes of images that the node knows to be changed: nothing relies on them.
    rotten: frozenset[int]
    events: list[Event] = field(default_factory=list[Event])
    # What each file holds in the end, where that is not the image.
    bodies: dict[int, bytes] = field(default_factory=dict[int, bytes])
    # The image's file in the end.
    blob: str = BLOB
    whole: Content = field(default_factory=lambda: whole(IMAGE))

    def __post_init__(self) -> None:
        name = PurePosixPath(self.blob).name
        self.trashed, self.aside = f"blobs/trash/{name}", f"blobs/quarantine/{name}"

    def model(self) -> Model:
        files = {inode: File(file.durable, file.pending) for inode, file in self.files.items()}
        first = self.events[0].rows
        assert first is not None
        return Model(files=files, names=dict(self.names), rows=first)


class Recorder(Hook):
    """Writes events down in their true order, and keeps a copy of the journal after each commit."""

    def __init__(self, root: Path, journals: Path, digest: str) -> None:
        self._root = root
        self._digest = digest
        self._journals = journals
        self._lock = threading.RLock()
        self._there = False
        self.events: list[Event] = []
        self.bodies: dict[int, bytes] = {}

    def before(self, operation: str, args: tuple[Any, ...]) -> None:
        self._lock.acquire()
        path = args[-1] if operation in ("link", "symlink") else args[0] if args else None
        if operation == "make_directory_entry":
            path = args[0]
        self._there = isinstance(path, Path) and os.path.lexists(path)

    def after(self, operation: str, args: tuple[Any, ...], result: object) -> None:
        event = self._commit(args[0]) if operation == COMMIT else self._event(operation, args, result)
        if event is not None:
            self.events.append(event)
        self._lock.release()

    def failed(self, operation: str) -> None:
        self._lock.release()

    def promise(self, name: str) -> None:
        self.events.append(Event("promise", name))

    def _event(self, operation: str, args: tuple[Any, ...], result: object) -> Event | None:
        match operation, args:
            case "create", (path,):
                assert isinstance(result, int)
                made = Event("link", self._name(path), inode=os.fstat(result).st_ino)
                return None if self._there else made
            case "write_some", (fd, _, offset):
                assert isinstance(result, int)
                return Event("write", inode=os.fstat(fd).st_ino, offset=offset, size=result)
            case "truncate", (fd, size):
                return Event("truncate", inode=os.fstat(fd).st_ino, size=size)
            case (("sync" | "datasync"), (fd,)):
                seen = os.fstat(fd)
                self.bodies[seen.st_ino] = os.pread(fd, seen.st_size, 0)
                return Event(operation, inode=seen.st_ino)
            case "sync_directory", (path,):
                return Event("sync_directory", self._name(path))
            case "link", (fd, path):
                return Event("link", self._name(path), inode=os.fstat(fd).st_ino)
            case "symlink", (_, path):
                return Event("link", self._name(path), inode=_LINK)
            case "rename", (path, target):
                return Event("rename", self._name(path), self._name(target))
            case "unlink", (path,):
                return Event("unlink", self._name(path)) if self._there else None
            case "make_directory_entry", (path, _):
                return None if self._there else Event("link", self._name(path), inode=_DIRECTORY)
            case _:
                return None

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _commit(self, connection: sqlite3.Connection) -> Event:
        number = len(list(self._journals.iterdir()))
        with closing(sqlite3.connect(self._journals / str(number))) as kept:
            connection.backup(kept)
        return Event("commit", rows=rows_of(connection, number, self._digest))


def rows_of(connection: sqlite3.Connection, number: int, digest: str) -> Rows:
    """``digest`` is of the image, or of what it was made of."""
    published = connection.execute(
        "SELECT inode FROM published LEFT JOIN made_of USING (digest) WHERE digest = ?1 OR source = ?1",
        (digest,),
    ).fetchone()
    parts = connection.execute("SELECT key, durable FROM parts WHERE durable > 0").fetchall()
    return Rows(
        number=number,
        published=published[0] if published else 0,
        parts=tuple((f"parts/{key}.part", durable) for key, durable in parts),
    )


async def record(protocol: Protocol, data: Path, journals: Path) -> Walk:
    """Do the walk in the prepared directory, which was copied there."""
    names, files, rotten = _found(data)
    recorder = Recorder(data, journals, f"sha256:{sha256_of(protocol.came)}")
    async with open_bench(data, recorder, pause=0.002) as bench:
        await protocol.walk(bench, recorder.promise)
    assert recorder.events[0].kind == COMMIT, "a start of a whole store writes down that it is the store"
    events = with_foreign_writes(recorder.events, recorder.bodies)
    if not protocol.kept:
        return Walk(protocol, names, files, rotten, events, recorder.bodies)
    [blob] = (path for path in Layout(data).blobs.rglob("*") if path.is_file())
    name, content = str(blob.relative_to(data)), whole(blob.read_bytes())
    return Walk(protocol, names, files, rotten, events, recorder.bodies, name, content)


def with_foreign_writes(events: list[Event], bodies: Mapping[int, bytes]) -> list[Event]:
    """What another program wrote into a file of ours, from when it was made; only we sync it."""
    ours = {event.inode for event in events if event.kind == "write"}
    found: list[Event] = []
    for event in events:
        found.append(event)
        fresh = event.kind == "link" and event.path.startswith("parts/") and event.inode not in ours
        if fresh and event.inode in bodies:
            found.append(Event("write", inode=event.inode, size=len(bodies[event.inode])))
    return found


def _found(data: Path) -> tuple[Names, dict[int, File], frozenset[int]]:
    names: Names = {".": _DIRECTORY}
    files: dict[int, File] = {_DIRECTORY: File((0, 0)), _LINK: File((0, 0))}
    rotten: set[int] = set()
    for path in data.rglob("*"):
        name = str(path.relative_to(data))
        if path.is_symlink() or path.is_dir():
            names[name] = _LINK if path.is_symlink() else _DIRECTORY
        elif not name.startswith("journal.db"):
            seen = path.stat()
            names[name] = seen.st_ino
            sound = path.read_bytes() == IMAGE
            files[seen.st_ino] = File(whole(IMAGE) if sound else (0, seen.st_size))
            if name == OPERATORS and seen.st_nlink == 1:
                # Somebody has only just written it.
                half = len(IMAGE) // UNIT - 16
                units = (("write", 1 << n, (n + 1) * UNIT) for n in range(half, half + 16))
                files[seen.st_ino] = File(((1 << half) - 1, half * UNIT), tuple(units))
            if name == BLOB and not sound:
                rotten.add(seen.st_ino)
    return names, files, frozenset(rotten)


@dataclass(frozen=True)
class State:
    """Of one moment: what a start after the power cut finds."""

    rows: Rows
    names: tuple[tuple[str, int], ...]
    contents: tuple[tuple[int, Content], ...]
    promised: frozenset[str]


def materialise(walk: Walk, state: State, template: Path, journals: Path, data: Path) -> None:
    """Make the directory that a start would find."""
    contents, made = dict(state.contents), dict[int, Path]()
    shutil.copytree(template, data, symlinks=True, ignore=shutil.ignore_patterns("journal.db"))
    for path in sorted(data.rglob("*"), reverse=True):
        if str(path.relative_to(data)) not in dict(state.names) and not path.name.startswith("node.lock"):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, inode in state.names:
        path = data / name
        if inode == _DIRECTORY:
            path.mkdir(mode=0o700, exist_ok=True)
        elif inode == _LINK and not path.is_symlink():
            path.symlink_to(Layout(data).link_target(PurePosixPath(walk.blob).name))
        elif inode > 0 and inode in made:
            path.unlink(missing_ok=True)
            path.hardlink_to(made[inode])
        elif inode > 0:
            made[inode] = path
            if inode in contents and (contents[inode][0] or not path.exists()):
                path.unlink(missing_ok=True)
                path.write_bytes(bytes_of(contents[inode], walk.bodies.get(inode, IMAGE)))
    shutil.copy(journals / str(state.rows.number), data / "journal.db")
    _after_the_cut(data / "journal.db", {inode: path.stat() for inode, path in made.items()}, walk.rotten)


def bytes_of(content: Content, body: bytes) -> bytes:
    bits, size = content
    units = (
        body[n * UNIT : (n + 1) * UNIT] if bits >> n & 1 else bytes(UNIT) for n in range(-(-size // UNIT))
    )
    return b"".join(units)[:size]


def _after_the_cut(journal: Path, seen: dict[int, os.stat_result], rotten: frozenset[int]) -> None:
    """Files have new inodes and times here, and the machine has started anew."""
    renumber(journal, {inode: status.st_ino for inode, status in seen.items()})
    with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        # What has rotted kept the time that it had, which tells or does not tell.
        for status in (status for inode, status in seen.items() if inode not in rotten):
            for table in ("published", "adopted"):
                query = f"UPDATE {table} SET mtime_ns = ? WHERE inode = ?"
                connection.execute(query, (status.st_mtime_ns, status.st_ino))
        connection.execute("UPDATE parts SET boot_id = 'before'")


@dataclass
class Found:
    count: int = 0
    violations: dict[str, State] = field(default_factory=dict[str, State])
    # Some of them: evenly, and the first after each commit.
    samples: list[State] = field(default_factory=list[State])
    commits: set[int] = field(default_factory=set[int])


def explore(walk: Walk, events: list[Event] | None = None, *, every: int = 10_000) -> Found:
    """All states of a walk. Each is counted once, whatever led there."""
    model, found = walk.model(), Found()
    seen: dict[tuple[object, ...], set[object]] = {}
    for event in events or walk.events:
        model.apply(event)
        for names in model.namespaces():
            _explore(walk, model, names, seen, found, every)
    return found


def _explore(
    walk: Walk,
    model: Model,
    names: Names,
    seen: dict[tuple[object, ...], set[object]],
    found: Found,
    every: int,
) -> None:
    kept = tuple(sorted(names.items()))
    # What came early for a part is never synced, nor read after a power cut: that it is there is enough.
    moved = {inode for name, inode in kept if inode > 0 and ".part." not in name}
    moving = tuple(sorted(inode for inode in moved if model.files[inode].pending))
    known = seen.setdefault((model.rows, kept, frozenset(model.promised), moving), set())
    contents = model.contents(moving)
    # Files that nothing happens to are the same in each.
    fixed = {inode: model.files[inode].durable for _, inode in kept if inode > 0 and inode not in moving}
    for chosen in contents - known:
        found.count += 1
        here = {**fixed, **dict(zip(moving, chosen, strict=True))}
        wrong = violated(walk, model, names, here)
        fresh = model.rows.number not in found.commits
        if wrong or fresh or found.count % every == 0 or found.count <= _FIRST:
            found.commits.add(model.rows.number)
            state = State(model.rows, kept, tuple(here.items()), frozenset(model.promised))
            if wrong:
                found.violations.setdefault(wrong, state)
            else:
                found.samples.append(state)
    known |= contents


def violated(walk: Walk, model: Model, names: Names, contents: dict[int, Content]) -> str:
    """The first rule that does not hold; "" where all do."""
    rows, at = model.rows, names.get(walk.blob, 0)
    if rows.published in walk.rotten:
        if "judged" in model.promised:
            return "I1: an image that was found damaged is listed"
        if walk.aside in names:
            return "F11: nobody knows why it was put aside"
    if rows.published and rows.published not in walk.rotten:
        if at == rows.published:
            bits, size = contents[at]
            if size == walk.whole[1] and bits != walk.whole[0]:
                return "I1: a listed image has other bytes"
            if size != walk.whole[1]:
                return "I2: a listed image is cut off"
        elif names.get(walk.trashed, 0) != rows.published and "removing" not in model.promised:
            return "I2: a listed image is lost"
    if "removed" in model.promised and at:
        return "I2: what was removed is back"
    if not rows.published or rows.published in walk.rotten:
        for name, durable in rows.parts:
            bits, size = contents.get(names.get(name, 0), (0, 0))
            needed = (1 << durable // UNIT) - 1
            if size < durable or bits & needed != needed:
                return "F04: bytes that the journal calls durable are not there"
    return ""
