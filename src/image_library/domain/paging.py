"""Pages of a list that stay right while rows are added: a page goes on after the last row's key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Generic, TypeVar

from image_library.domain.errors import InvalidRequest, printable

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

T = TypeVar("T")
U = TypeVar("U")


class SortKey(Enum):
    """What a list can be sorted by; rows with the same key are sorted by their id."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    NAME = "name"
    SIZE_BYTES = "size_bytes"


@dataclass(frozen=True, kw_only=True)
class Order:
    key: SortKey = SortKey.CREATED_AT
    descending: bool = True

    @classmethod
    def parse(cls, text: str) -> Order:
        """The order that "KEY" or "KEY desc" names; an empty text means newest first.

        Raises:
            InvalidRequest: there is no such order.
        """
        if not text.strip():
            return cls()
        word, *rest = text.lower().split()
        keys = {key.value: key for key in SortKey}
        if word not in keys or rest not in ([], ["asc"], ["desc"]):
            raise InvalidRequest(
                f"Images cannot be listed in the order '{printable(text)}'.",
                remedy=f"Use one of {', '.join(keys)}, with ' desc' behind it for the other way.",
                field="order_by",
            )
        return cls(key=keys[word], descending=rest == ["desc"])


# A moment is a number of microseconds since 1970, a name is in small letters.
Key = int | str


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The key by which a list is sorted, and the id, of a page's last row."""

    key: Key
    id: str


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """At most ``size`` rows after the row ``after`` (None: from the start)."""

    size: int = DEFAULT_PAGE_SIZE
    after: Cursor | None = None
    order: Order = Order()


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Rows, the number of all that match, and where the next page goes on (None: this is the last)."""

    items: tuple[T, ...]
    total: int
    next: Cursor | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        return Page(items=tuple(change(item) for item in self.items), total=self.total, next=self.next)


def micros(moment: datetime) -> int:
    """The moment as a key."""
    return (moment - _EPOCH) // _TICK


def page_size(requested: int) -> int:
    """The size to use: 0 means 50, and more than 1000 means 1000.

    Raises:
        InvalidRequest: it is negative.
    """
    if requested < 0:
        raise InvalidRequest(f"page_size is {requested}, which is negative.", field="page_size")
    return min(requested or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)
