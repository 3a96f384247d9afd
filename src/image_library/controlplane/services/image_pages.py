"""Pages of images that were read already, for as long as nothing has changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import fields

from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.records import Database
from image_library.domain.image import Image
from image_library.domain.paging import Page, PageRequest

# All pages together; an image takes a few KiB.
MOST_IMAGES = 5_000
MOST_TOTALS = 1_000
_FIELDS = tuple(field.name for field in fields(ImageFilter) if field.name != "labels")


class ImagePages:
    """Every change that a list can show has a number: what was read at the last one is what is there.

    The number is asked for before anything is read. A change that comes in between makes a page newer
    than its number says, and such a page is never given out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_at = -1
        self._pages: OrderedDict[Hashable, Page[Image]] = OrderedDict()
        self._totals: dict[Hashable, int] = {}
        self._held = 0

    async def list(self, matching: ImageFilter, page: PageRequest) -> Page[Image]:
        sequence = await self._database.images_sequence()
        self._forget_before(sequence)
        wanted = _key(matching)
        held = self._pages.get((wanted, page))
        if held is not None:
            self._pages.move_to_end((wanted, page))
            return held
        async with self._database.read() as records:
            found = await records.images.list(matching, page, total=self._totals.get(wanted))
        if sequence == self._read_at:
            self._keep(wanted, page, found)
        return found

    def _forget_before(self, sequence: int) -> None:
        if sequence != self._read_at:
            self._read_at = sequence
            self._pages.clear()
            self._totals.clear()
            self._held = 0

    def _keep(self, wanted: Hashable, page: PageRequest, found: Page[Image]) -> None:
        if (wanted, page) in self._pages:
            return
        self._pages[wanted, page] = found
        self._held += len(found.items)
        while self._held > MOST_IMAGES:
            _, oldest = self._pages.popitem(last=False)
            self._held -= len(oldest.items)
        if len(self._totals) < MOST_TOTALS:
            self._totals[wanted] = found.total


def _key(matching: ImageFilter) -> Hashable:
    labels = tuple(sorted(matching.labels.items()))
    return labels, *(getattr(matching, name) for name in _FIELDS)
