"""What every keeper of jobs and nodes, and every database, does alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.ports.nodes import NodeFilter
from image_library.controlplane.ports.records import Database
from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.node import NodePhase
from image_library.domain.paging import PageRequest
from image_library.domain.progress import Progress
from tests.fakes.control_values import NOW, a_job, a_node, a_vm, an_image, an_order

JOB = a_job(
    catalog_id="debian-12",
    state=JobState.FETCHING,
    progress=Progress(done=10, total=100, speed=5, eta_seconds=18),
    waiting_for="space",
    failure=Failure(code="storage.full", message="Full."),
)


async def test_a_job_comes_back_with_its_order(database: Database) -> None:
    async with database.write() as records:
        await records.jobs.add(JOB, an_order(digest="ab", checksum_algorithm="sha256"))
        await records.jobs.save(replace(JOB, path="/x"))
    async with database.read() as records:
        assert await records.jobs.get(JOB.id) == replace(JOB, path="/x")
        assert await records.jobs.order(JOB.id) == an_order(digest="ab", checksum_algorithm="sha256")
        assert await records.jobs.get("no") is None
        assert await records.jobs.order("no") is None


async def test_what_is_kept_of_an_order_can_become_less(database: Database) -> None:
    async with database.write() as records:
        await records.jobs.add(JOB, an_order(digest="ab"))
        await records.jobs.set_order(JOB.id, an_order(digest="cd"))
        await records.jobs.set_order("no", an_order())
    async with database.read() as records:
        assert await records.jobs.order(JOB.id) == an_order(digest="cd")
        assert await records.jobs.order("no") is None
        assert await records.jobs.get(JOB.id) == JOB


async def test_live_jobs_are_told_from_ended_ones(database: Database) -> None:
    async with database.write() as records:
        for number, state in enumerate((JobState.QUEUED, JobState.READY, JobState.FETCHING)):
            made = NOW + timedelta(seconds=number)
            await records.jobs.add(a_job(f"j{number}", state=state, created_at=made), an_order(f"j{number}"))
    async with database.read() as records:
        assert [job.id for job in await records.jobs.live()] == ["j0", "j2"]
        assert [job.id for job in await records.jobs.of_image("image-1")] == ["j2", "j1", "j0"]
        active = await records.jobs.list(JobFilter(active_only=True), PageRequest())
        assert ([job.id for job in active.items], active.total) == (["j2", "j0"], 2)
        first = await records.jobs.list(JobFilter(), PageRequest(size=2))
        rest = await records.jobs.list(JobFilter(), PageRequest(size=2, after=first.next))
        assert [job.id for job in (*first.items, *rest.items)] == ["j2", "j1", "j0"]


async def test_a_node_comes_back_as_it_was_saved(database: Database) -> None:
    node = a_node(labels={"rack": "7", 'odd"key': "it's"}, last_heartbeat=NOW, error_message="none")
    async with database.write() as records:
        await records.nodes.save(a_node())
        await records.nodes.save(node)
    async with database.read() as records:
        assert await records.nodes.get(node.id) == node
        assert await records.nodes.with_hostname(node.hostname) == (node,)
        assert await records.nodes.all() == (node,)


async def test_nodes_are_filtered_by_label_and_phase(database: Database) -> None:
    async with database.write() as records:
        await records.nodes.save(a_node("a", labels={"rack": "1", 'odd"key': "it's"}))
        await records.nodes.save(a_node("b", labels={"rack": "1"}, phase=NodePhase.OFFLINE))

    async def ids(matching: NodeFilter) -> list[str]:
        async with database.read() as records:
            return sorted(n.id for n in (await records.nodes.list(matching, PageRequest())).items)

    assert await ids(NodeFilter(labels={"rack": "1"})) == ["a", "b"]
    assert await ids(NodeFilter(labels={"rack": "1", 'odd"key': "it's"})) == ["a"]
    assert await ids(NodeFilter(phases=frozenset({NodePhase.OFFLINE}))) == ["b"]
    assert await ids(NodeFilter(labels={"rack": "2"})) == []


async def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.write() as records:
            await records.images.save(an_image("half"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with database.read() as records:
        assert await records.images.get("half") is None


async def test_writers_take_turns(database: Database) -> None:
    async with database.write() as records:
        await records.jobs.add(a_job(progress=Progress(done=0)), an_order())

    async def add_one() -> None:
        async with database.write() as records:
            job = await records.jobs.get("job-1")
            assert job is not None
            await asyncio.sleep(0)
            await records.jobs.save(replace(job, progress=Progress(done=job.progress.done + 1)))

    await asyncio.gather(*(add_one() for _ in range(10)))
    async with database.read() as records:
        job = await records.jobs.get("job-1")
    assert job is not None
    assert job.progress.done == 10


async def test_a_secret_is_made_once(database: Database) -> None:
    first, again, other = [await database.secret(name) for name in ("a", "a", "b")]
    assert first == again != other
    assert len(bytes.fromhex(first)) == 32


async def test_the_number_that_lists_of_images_go_by_counts_images_and_vms_only(database: Database) -> None:
    seen: list[tuple[int, int]] = []
    for kind in ("node", "image", "job", "job then image", "vm", "node", "image goes"):
        async with database.write() as records:
            match kind:
                case "node":
                    await records.nodes.save(a_node())
                case "image":
                    await records.images.save(an_image())
                case "job":
                    await records.jobs.add(JOB, an_order())
                case "job then image":
                    await records.jobs.save(JOB)
                    await records.images.save(an_image())
                case "vm":
                    await records.vms.save(a_vm())
                case _:
                    await records.images.remove("image-1")
        seen.append((await database.sequence(), await database.images_sequence()))
    assert seen == [(1, 0), (2, 2), (3, 2), (4, 4), (5, 5), (6, 5), (7, 7)]


async def given_up(database: Database) -> None:
    async with database.write() as records:
        await records.images.save(an_image("two"))
        raise KeyError


async def test_a_transaction_that_is_given_up_leaves_the_numbers_as_they_were(database: Database) -> None:
    async with database.write() as records:
        await records.images.save(an_image("one"))
    with pytest.raises(KeyError):
        await given_up(database)
    assert (await database.sequence(), await database.images_sequence()) == (1, 1)
    async with database.write() as records:
        await records.images.save(an_image("three"))
    assert (await database.sequence(), await database.images_sequence()) == (2, 2)
