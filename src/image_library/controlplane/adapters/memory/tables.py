"""The rows of the in-memory records, and a page of any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from image_library.domain.garbage import Tombstone
from image_library.domain.image import Image
from image_library.domain.job import Job
from image_library.domain.node import Node
from image_library.domain.paging import Cursor, Key, Page, PageRequest, micros
from image_library.domain.profiles.profile import Profile
from image_library.domain.refresh import Finding, Landing
from image_library.domain.repeats import KnownCall
from image_library.domain.session import Session
from image_library.domain.store import DownloadOrder
from image_library.domain.vm import Vm


class Row(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> datetime: ...


R = TypeVar("R", bound=Row)


@dataclass
class Tables:
    """Every row by its id. The values never change, so a shallow copy is a snapshot."""

    images: dict[str, Image] = field(default_factory=dict[str, Image])
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    orders: dict[str, DownloadOrder] = field(default_factory=dict[str, DownloadOrder])
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    vms: dict[str, Vm] = field(default_factory=dict[str, Vm])
    # The sequence number of the last change of each.
    vm_sequences: dict[str, int] = field(default_factory=dict[str, int])
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict[tuple[str, str], Finding])
    landings: dict[str, Landing] = field(default_factory=dict[str, Landing])
    calls: dict[str, KnownCall] = field(default_factory=dict[str, KnownCall])
    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    profiles: dict[str, Profile] = field(default_factory=dict[str, Profile])
    # The sequence number at which something of a kind was removed.
    removed: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    removed_at: dict[tuple[str, str], datetime] = field(default_factory=dict[tuple[str, str], datetime])
    tombstones: dict[str, Tombstone] = field(default_factory=dict[str, Tombstone])
    sequence: int = 0
    # Removals up to this number are forgotten.
    horizon: int = 0
    # Of the last change that lists of images show.
    images_sequence: int = 0
    stamped: bool = False

    def stamp(self, *, shown: bool = True) -> int:
        """The number of this transaction, for a change that lists of images show or do not show."""
        if not self.stamped:
            self.stamped, self.sequence = True, self.sequence + 1
        if shown:
            self.images_sequence = self.sequence
        return self.sequence

    def note_removal(self, kind: str, item_id: str) -> None:
        """Note that something is gone."""
        self.removed[(kind, item_id)] = self.stamp()
        self.removed_at[(kind, item_id)] = datetime.now(UTC)

    def copy(self) -> Tables:
        return Tables(
            images=dict(self.images),
            jobs=dict(self.jobs),
            orders=dict(self.orders),
            nodes=dict(self.nodes),
            vms=dict(self.vms),
            vm_sequences=dict(self.vm_sequences),
            findings=dict(self.findings),
            landings=dict(self.landings),
            calls=dict(self.calls),
            sessions=dict(self.sessions),
            profiles=dict(self.profiles),
            removed=dict(self.removed),
            removed_at=dict(self.removed_at),
            tombstones=dict(self.tombstones),
            sequence=self.sequence,
            horizon=self.horizon,
            images_sequence=self.images_sequence,
        )


def newest_first(rows: Iterable[R]) -> tuple[R, ...]:
    return tuple(sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True))


def page_of(
    rows: Iterable[R], page: PageRequest, key: Callable[[R], Key] = lambda row: micros(row.created_at)
) -> Page[R]:
    """The page of these rows, sorted by the key that the page's order means."""

    def place(row: R) -> tuple[Any, str]:
        return key(row), row.id

    descending, after = page.order.descending, page.after
    ordered = sorted(rows, key=place, reverse=descending)
    if after is not None:
        at: tuple[Any, str] = (after.key, after.id)
        rest = [row for row in ordered if (place(row) < at if descending else place(row) > at)]
    else:
        rest = ordered
    items = tuple(rest[: page.size])
    more = len(rest) > page.size
    last = Cursor(key=key(items[-1]), id=items[-1].id) if more and items else None
    return Page(items=items, total=len(ordered), next=last)
