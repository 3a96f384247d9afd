"""What has changed since some change: the latest state of everything that did, not a history."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from image_library.domain.library_change import Change, ItemKind


class LibraryChanges(Protocol):
    """Part of one transaction (see ``Records``)."""

    async def since(
        self, sequence: int, kinds: frozenset[ItemKind], *, limit: int
    ) -> tuple[tuple[Change, ...], int]:
        """What changed after that number, in the order of the numbers, and the number that this reaches.

        All changes of a number come together, so about ``limit`` of each kind at the most.
        """
        ...

    async def horizon(self) -> int:
        """The number after which every removal is still known; before it some are forgotten."""
        ...

    async def removals_before(self, moment: datetime) -> tuple[int, int]:
        """How many removals are older, and the highest of their numbers; zeros where there are none."""
        ...

    async def forget_removals(self, before: int) -> None:
        """Forget the removals up to that number; the horizon moves there."""
        ...
