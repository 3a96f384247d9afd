"""Pages of a list that stay right while rows are added: a page goes on after the last row's key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from image_library.domain.errors import InvalidRequest

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The key of a page's last row. Lists are sorted by it, newest first."""

    created_at: datetime
    id: str


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """At most ``size`` rows after the row ``after`` (None: from the start)."""

    size: int = DEFAULT_PAGE_SIZE
    after: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Rows, the number of all that match, and where the next page goes on (None: this is the last)."""

    items: tuple[T, ...]
    total: int
    next: Cursor | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        return Page(items=tuple(change(item) for item in self.items), total=self.total, next=self.next)


def page_size(requested: int) -> int:
    """The size to use: 0 means 50, and more than 1000 means 1000.

    Raises:
        InvalidRequest: it is negative.
    """
    if requested < 0:
        raise InvalidRequest(f"page_size is {requested}, which is negative.", field="page_size")
    return min(requested or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)
