"""A disk that loses what was not synced: every state that a power cut can leave, of a walk of the real code.

A walk is written down as events. The model replays them and asks at each point what may be on the disk then:

* a file has what was synced into it, and any of the units written since, each or none; its size is that of
  the last unit that is there, or what it was in memory;
* a directory has the entries that were there when it was synced, and any of the changes since, each or none.
  Only renaming is one change, as on every journaling file system; it is sure when its target is synced;
* what the journal committed is there: SQLite syncs its log itself (WAL, ``synchronous=FULL``).

POSIX promises no less than this, and ext4, xfs and btrfs, which keep changes in order, allow no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import product
from pathlib import PurePosixPath

UNIT = 32 << 10
_MOST = 18
SYNCS = ("sync", "datasync")

# A file's units that are as they should be, one bit each, and its size.
Content = tuple[int, int]
# ("write", bits, end) or ("truncate", size).
Change = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the journal says that matters here."""

    number: int
    # Inode of the published image; 0: none is published.
    published: int = 0
    # Part's name and the bytes of it that were synced, where some were.
    parts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Event:
    kind: str
    path: str = ""
    target: str = ""
    inode: int = 0
    offset: int = 0
    size: int = 0
    rows: Rows | None = None


@dataclass
class File:
    durable: Content
    pending: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A change of a directory: a new name, a name less, or both at once."""

    directory: str
    gone: str = ""
    made: str = ""
    inode: int = 0


Names = dict[str, int]


@dataclass
class Model:
    files: dict[int, File]
    names: Names
    rows: Rows
    pending: list[Entry] = field(default_factory=list[Entry])
    promised: set[str] = field(default_factory=set[str])

    def apply(self, event: Event) -> None:
        if event.kind == "commit":
            assert event.rows is not None
            self.rows = event.rows
        elif event.kind == "promise":
            self.promised.add(event.path)
        elif event.kind in ("write", "truncate", *SYNCS):
            self._content(event)
        elif event.kind == "sync_directory":
            mine = [entry for entry in self.pending if entry.directory == event.path]
            self.pending = [entry for entry in self.pending if entry.directory != event.path]
            for entry in mine:
                change(self.names, entry)
        else:
            made = event.target or (event.path if event.kind == "link" else "")
            gone = event.path if event.kind != "link" else ""
            inode = event.inode or self._now(event.path)
            directory = str(PurePosixPath(made or gone).parent)
            self.pending.append(Entry(directory, gone, made, inode))
            if event.kind == "link":
                self.files.setdefault(inode, File((0, 0)))

    def _now(self, path: str) -> int:
        names = dict(self.names)
        for entry in self.pending:
            change(names, entry)
        return names.get(path, 0)

    def _content(self, event: Event) -> None:
        file = self.files.setdefault(event.inode, File((0, 0)))
        if event.kind in SYNCS:
            for done in file.pending:
                file.durable = changed(file.durable, done)
            file.pending = ()
        elif event.kind == "truncate":
            file.pending = (*file.pending, ("truncate", event.size, 0))
        else:
            first, end = event.offset // UNIT, event.offset + event.size
            units = range(first, -(-end // UNIT))
            written = (("write", 1 << n, min(end, (n + 1) * UNIT)) for n in units)
            file.pending = (*file.pending, *written)

    def namespaces(self) -> Iterator[Names]:
        """Every set of names that may be found."""
        for chosen in range(1 << len(self.pending)):
            names = dict(self.names)
            for number, entry in enumerate(self.pending):
                if chosen >> number & 1:
                    change(names, entry)
            yield {path: inode for path, inode in names.items() if reachable(names, path)}

    def contents(self, inodes: tuple[int, ...]) -> frozenset[tuple[Content, ...]]:
        """Everything that may be found in these files."""
        files = (self.files[inode] for inode in inodes)
        return together(*((file.durable, file.pending) for file in files))


def change(names: Names, entry: Entry) -> None:
    if entry.gone and names.pop(entry.gone, None) is None and entry.made:
        # It was not there to be renamed.
        return
    if entry.made:
        names[entry.made] = entry.inode


def reachable(names: Names, path: str) -> bool:
    """Whether every directory above it is there."""
    return all(str(parent) in names for parent in PurePosixPath(path).parents if str(parent) != ".")


def changed(content: Content, done: Change) -> Content:
    bits, size = content
    kind, value, end = done
    if kind == "write":
        return bits | value, max(size, end)
    return bits & ((1 << -(-value // UNIT)) - 1), value


def _together(one: Change, other: Change | None = None) -> Change:
    if other is None or "truncate" in (one[0], other[0]):
        return other or one
    return "write", one[1] | other[1], max(one[2], other[2])


@cache
def possible(durable: Content, pending: tuple[Change, ...]) -> frozenset[Content]:
    found = {durable}
    last = durable
    while len(pending) > _MOST:
        # Of code that hardly ever syncs: neighbours are lost together.
        pending = tuple(_together(*pending[n : n + 2]) for n in range(0, len(pending), 2))
    for done in pending:
        found |= {changed(content, done) for content in found}
        last = changed(last, done)
    # Sizes are kept apart from bytes: all of it, and nothing but zeros there.
    return frozenset(found | {(bits, last[1]) for bits, _ in found})


@cache
def together(*files: tuple[Content, tuple[Change, ...]]) -> frozenset[tuple[Content, ...]]:
    """Each file in all its states, beside the others with nothing or all of what was not synced.

    Rules look at one file at a time: none is broken by what two of them are only together.
    """
    ends = [(durable, reduce(changed, pending, durable)) for durable, pending in files]
    found: set[tuple[Content, ...]] = set()
    for number, file in enumerate(files):
        choices = [*ends[:number], tuple(possible(*file)), *ends[number + 1 :]]
        found.update(product(*choices))
    return frozenset(found or {()})


def without(events: list[Event], wanted: Callable[[Event], bool]) -> list[Event]:
    """The walk of code that forgot these operations."""
    return [event for event in events if not wanted(event)]


def sooner(
    events: list[Event], wanted: Callable[[Event], bool], than: Callable[[Event], bool]
) -> list[Event]:
    """The walk of code that did the one right before the other, which it came after."""
    early = next(event for event in events if wanted(event))
    rest = [event for event in events if event is not early]
    place = next(number for number, event in enumerate(rest) if than(event))
    return [*rest[:place], early, *rest[place:]]


def later(events: list[Event], wanted: Callable[[Event], bool], than: Callable[[Event], bool]) -> list[Event]:
    """The walk of code that did the one right after the other, which it came before."""
    late = next(event for event in events if wanted(event))
    rest = [event for event in events if event is not late]
    place = next(number for number, event in enumerate(rest) if than(event)) + 1
    return [*rest[:place], late, *rest[place:]]
