"""Pages that were read already: given again while nothing has changed, and never after."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from image_library.controlplane.adapters.memory.database import MemoryDatabase, MemoryRecords
from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.services import image_pages
from image_library.controlplane.services.image_pages import ImagePages
from image_library.domain.image import Image
from image_library.domain.paging import PageRequest
from image_library.domain.progress import Progress
from tests.fakes.control_values import a_job, a_node, a_vm, an_image, an_order

ALL = ImageFilter()


class CountingDatabase(MemoryDatabase):
    reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[MemoryRecords]:
        self.reads += 1
        async with super().read() as records:
            yield records


async def kept(database: MemoryDatabase, *images: Image) -> None:
    async with database.write() as records:
        for image in images:
            await records.images.save(image)


async def test_a_page_is_read_once_while_nothing_changes() -> None:
    database = CountingDatabase()
    await kept(database, an_image("one"), an_image("two"))
    pages = ImagePages(database)
    first = await pages.list(ALL, PageRequest(size=1))
    assert await pages.list(ImageFilter(), PageRequest(size=1)) is first
    assert database.reads == 1
    await pages.list(ImageFilter(labels={"a": "b"}), PageRequest(size=1))
    await pages.list(ALL, PageRequest(size=1, after=first.next))
    assert database.reads == 3


async def test_heartbeats_and_jobs_leave_the_pages_alone() -> None:
    database = CountingDatabase()
    await kept(database, an_image("one"))
    pages = ImagePages(database)
    first = await pages.list(ALL, PageRequest())
    async with database.write() as records:
        await records.nodes.save(a_node())
        await records.jobs.add(a_job(), an_order())
    assert await pages.list(ALL, PageRequest()) is first
    async with database.write() as records:
        await records.jobs.save(a_job(progress=Progress(done=1)))
        await records.images.save(an_image("two"))
    assert (await pages.list(ALL, PageRequest())).total == 2


async def test_every_change_is_seen_at_once() -> None:
    database = MemoryDatabase()
    pages = ImagePages(database)
    used = ImageFilter(in_use=True)
    assert (await pages.list(ALL, PageRequest())).total == 0
    await kept(database, an_image("one"))
    assert (await pages.list(ALL, PageRequest())).total == 1
    assert (await pages.list(used, PageRequest())).total == 0
    async with database.write() as records:
        await records.nodes.save(a_node())
        await records.vms.save(a_vm(image_id="one"))
    assert (await pages.list(used, PageRequest())).total == 1
    async with database.write() as records:
        await records.vms.remove("vm-1")
        await records.images.remove("one")
    assert (await pages.list(used, PageRequest())).total == (await pages.list(ALL, PageRequest())).total == 0


async def test_a_change_that_comes_while_a_page_is_read_is_not_lost() -> None:
    class Busy(MemoryDatabase):
        @asynccontextmanager
        async def read(self) -> AsyncGenerator[MemoryRecords]:
            async with super().read() as records:
                yield records
            await kept(self, an_image("late"))

    database = Busy()
    pages = ImagePages(database)
    assert (await pages.list(ALL, PageRequest())).total == 0
    assert (await pages.list(ALL, PageRequest())).total == 1


async def test_what_is_held_is_bounded() -> None:
    database = CountingDatabase()
    size = 1000
    await kept(database, *(an_image(f"i{n:05}") for n in range(size)))
    pages = ImagePages(database)
    rounds = image_pages.MOST_IMAGES // size + 1
    for turn in range(rounds):
        await pages.list(
            ImageFilter(name_contains="i" * (turn == 0), search="i" * bool(turn % 2)),
            PageRequest(size=size - turn),
        )
    reads = database.reads
    await pages.list(ImageFilter(name_contains="i"), PageRequest(size=size))
    assert database.reads == reads + 1
