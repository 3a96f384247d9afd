"""Following the library: nothing is missed, the latest is what counts, and the slow do not queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from image_library.controlplane.services import library_watch
from image_library.controlplane.services.library_watch import LibraryWatch, Said
from image_library.domain.image import Image
from image_library.domain.job import Job, JobState
from image_library.domain.library_change import Change, ItemKind, Mark
from image_library.domain.progress import Progress
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import a_job, a_node, an_image

Stream = AsyncGenerator[Said]


@pytest.fixture
async def plane() -> AsyncGenerator[Plane]:
    plane = Plane()
    reader = asyncio.create_task(plane.watch.run())
    yield plane
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await plane.runs.close()


async def following(stream: Stream) -> Said:
    return await asyncio.wait_for(anext(stream), 5)


async def until_up_to_date(stream: Stream) -> list[Said]:
    said: list[Said] = []
    while not said or said[-1].what is not Mark.UP_TO_DATE:
        said.append(await following(stream))
    return said


def names(said: list[Said]) -> list[str]:
    return [f"{s.what.kind.value} {s.what.id}" for s in said if isinstance(s.what, Change)]


def change(said: Said) -> Change:
    assert isinstance(said.what, Change)
    return said.what


async def test_an_empty_library_is_said_to_be_so_at_once(plane: Plane) -> None:
    async with aclosing(plane.watch.watch()) as stream:
        assert (await following(stream)).what is Mark.UP_TO_DATE


async def test_all_there_is_comes_first_and_then_what_changes(plane: Plane) -> None:
    await plane.know(a_node(), an_image("one"), a_job(image_id="one"))
    async with aclosing(plane.watch.watch()) as stream:
        assert sorted(names(await until_up_to_date(stream))) == ["image one", "job job-1", "node node-1"]
        await plane.know(an_image("two"))
        two = await following(stream)
        assert (names([two]), two.sequence) == (["image two"], await plane.database.sequence())
        async with plane.database.write() as records:
            await records.images.remove("one")
        gone = change(await following(stream))
        assert (gone.id, gone.item) == ("one", None)


async def test_one_goes_on_where_one_was(plane: Plane) -> None:
    await plane.know(an_image("one"))
    async with aclosing(plane.watch.watch()) as stream:
        reached = (await until_up_to_date(stream))[-1].sequence
    await plane.know(an_image("two"))
    async with plane.database.write() as records:
        await records.images.remove("one")
    async with aclosing(plane.watch.watch(reached)) as stream:
        assert names(await until_up_to_date(stream)) == ["image two", "image one"]


@pytest.mark.parametrize("since", [1, 10_000])
async def test_who_is_too_late_or_from_elsewhere_begins_anew(plane: Plane, since: int) -> None:
    await plane.know(an_image("one"), an_image("two"))
    async with plane.database.write() as records:
        await records.images.remove("one")
    async with plane.database.write() as records:
        await records.changes.forget_removals(await plane.database.sequence())
    async with aclosing(plane.watch.watch(since)) as stream:
        said = await until_up_to_date(stream)
        assert (said[0].what, names(said)) == (Mark.RESET, ["image two"])


async def test_only_the_wanted_kinds_are_told(plane: Plane) -> None:
    await plane.know(a_node(), an_image("one"))
    async with aclosing(plane.watch.watch(kinds=frozenset({ItemKind.NODE}))) as stream:
        assert names(await until_up_to_date(stream)) == ["node node-1"]
        await plane.know(an_image("two"), a_node("node-2"))
        assert names([await following(stream)]) == ["node node-2"]


async def test_a_slow_watcher_finds_the_latest_and_no_queue(plane: Plane) -> None:
    async with aclosing(plane.watch.watch()) as stream:
        await until_up_to_date(stream)
        for number in range(100):
            await plane.know(an_image("one", description=str(number)))
            await settle()
        image = change(await following(stream)).item
        assert isinstance(image, Image)
        assert image.description == "99"
        waiting = asyncio.ensure_future(anext(stream))
        await settle()
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_very_slow_watcher_misses_nothing(plane: Plane) -> None:
    watch = LibraryWatch(database=plane.database, runs=plane.runs, clock=plane.clock, largest_mailbox=5)
    reader = asyncio.create_task(watch.run())
    async with aclosing(watch.watch()) as stream:
        await until_up_to_date(stream)
        for number in range(20):
            await plane.know(an_image(f"i{number:02}"))
            await settle()
        seen: list[str] = []
        while len(set(seen)) < 20:
            seen += names([await following(stream)])
        assert sorted(set(seen)) == [f"image i{number:02}" for number in range(20)]
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)


async def test_progress_is_told_before_the_database_knows_it_and_the_end_comes_last(plane: Plane) -> None:
    await plane.know(a_node(), an_image("one"), a_job(image_id="one"))
    async with aclosing(plane.watch.watch(kinds=frozenset({ItemKind.JOB}))) as stream:
        await until_up_to_date(stream)
        await plane.downloads.resume()
        await settle()
        plane.nodes.say("job-1", state=JobState.FETCHING, progress=Progress(done=1, total=10))
        await settle()
        for done in (2, 3, 4):
            plane.nodes.say("job-1", progress=Progress(done=done, total=10))
            await settle()
        await plane.clock.advance(library_watch.PROGRESS_SECONDS)
        seen: list[Job] = []
        while not seen or seen[-1].progress.done < 4:
            job = change(await following(stream)).item
            assert isinstance(job, Job)
            seen.append(job)
            await plane.clock.advance(library_watch.PROGRESS_SECONDS)
        plane.nodes.say("job-1", state=JobState.CANCELLED)
        while not seen[-1].state.ended:
            job = change(await following(stream)).item
            assert isinstance(job, Job)
            seen.append(job)
        dones = [job.progress.done for job in seen]
        assert dones == sorted(dones)


async def test_watchers_leave_without_a_trace(plane: Plane) -> None:
    for _ in range(3):
        async with aclosing(plane.watch.watch()) as stream:
            await until_up_to_date(stream)
    await plane.know(an_image("one"))
    await settle()
    assert plane.watch.watchers == 0
