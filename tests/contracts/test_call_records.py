"""What every keeper of calls with keys, and of jobs that are over, does alike."""

from __future__ import annotations

from datetime import timedelta

from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.ports.records import Database
from image_library.domain.image import Failure
from image_library.domain.job import JobKind, JobState
from image_library.domain.paging import PageRequest
from image_library.domain.progress import Tries
from image_library.domain.repeats import KnownCall
from tests.fakes.control_values import NOW, a_job, an_order

CALL = KnownCall(id="key 1", rpc="Service/Do", request_digest="ab", created_at=NOW)
ENDED = CALL.evolve(
    answered=True,
    failure=Failure(code="name.taken", message="Taken.", remedy="Choose."),
    failed_field="name",
    made={"image": "i1"},
)


async def test_a_call_comes_back_as_it_was_saved(database: Database) -> None:
    async with database.write() as records:
        await records.calls.save(CALL)
        await records.calls.save(ENDED)
    async with database.read() as records:
        assert await records.calls.get("key 1") == ENDED
        assert await records.calls.get("key 2") is None


async def test_what_a_call_made_is_found_by_its_key(database: Database) -> None:
    async with database.write() as records:
        await records.calls.save(CALL)
        await records.calls.note("key 1", image="i1")
        await records.calls.note("key 1", job="j1")
        await records.calls.note("", image="i2")
        await records.calls.note("key 2", image="i3")
    async with database.read() as records:
        assert await records.calls.made("key 1") == {"image": "i1", "job": "j1"}
        assert await records.calls.made("") == await records.calls.made("key 2") == {}


async def test_old_calls_are_forgotten(database: Database) -> None:
    async with database.write() as records:
        await records.calls.save(CALL)
        await records.calls.save(KnownCall(id="new", rpc="x", request_digest="", created_at=NOW))
        await records.calls.save(
            KnownCall(id="old", rpc="x", request_digest="", created_at=NOW - timedelta(seconds=1))
        )
        assert await records.calls.forget(NOW) == 1
        assert await records.calls.get("old") is None
        assert await records.calls.get("new") is not None


async def test_calls_are_not_part_of_what_the_library_tells(database: Database) -> None:
    async with database.write() as records:
        await records.jobs.add(a_job(), an_order())
    async with database.write() as records:
        await records.calls.save(CALL)
    async with database.write() as records:
        await records.jobs.save(a_job())
        job = await records.jobs.get("job-1")
    assert job is not None
    assert job.sequence == 2


async def test_a_job_keeps_its_tries_and_since_when_it_waits(database: Database) -> None:
    job = a_job(
        kind=JobKind.IMPORT,
        waiting_for="space",
        waiting_since=NOW,
        tries=Tries(attempt=2, attempts=8, next_at=NOW + timedelta(seconds=9)),
    )
    async with database.write() as records:
        await records.jobs.add(job, an_order(unverified=True))
    async with database.read() as records:
        assert await records.jobs.get(job.id) == job
        assert await records.jobs.order(job.id) == an_order(unverified=True)


async def test_jobs_are_filtered(database: Database) -> None:
    async with database.write() as records:
        for job in (
            a_job("a", image_id="i1", node_id="n1"),
            a_job("b", image_id="i2", node_id="n1", kind=JobKind.IMPORT, retry_of="a"),
            a_job("c", image_id="i1", node_id="n2", kind=JobKind.UPLOAD, state=JobState.FAILED),
        ):
            await records.jobs.add(job, an_order(job.id))

    async def found(matching: JobFilter) -> list[str]:
        async with database.read() as records:
            page = await records.jobs.list(matching, PageRequest())
            assert page.total == len(page.items)
            return sorted(job.id for job in page.items)

    assert await found(JobFilter(image_id="i1")) == ["a", "c"]
    assert await found(JobFilter(image_id="i1", active_only=True)) == ["a"]
    assert await found(JobFilter(node_id="n1", kinds=frozenset({JobKind.IMPORT}))) == ["b"]
    async with database.read() as records:
        assert [job.id for job in await records.jobs.retries_of("a")] == ["b"]
        assert await records.jobs.retries_of("") != ()


async def test_ended_jobs_are_pruned_by_age_and_by_number(database: Database) -> None:
    async with database.write() as records:
        for number in range(8):
            state = JobState.FETCHING if number == 0 else JobState.READY
            moment = NOW + timedelta(days=number)
            job = a_job(f"j{number}", state=state, created_at=moment, updated_at=moment)
            await records.jobs.add(job, an_order(job.id))

    async def left() -> list[str]:
        async with database.read() as records:
            page = await records.jobs.list(JobFilter(), PageRequest())
            return sorted(job.id for job in page.items)

    async with database.write() as records:
        assert await records.jobs.prune(NOW + timedelta(days=3), keep=100, most=1) == 1
        assert await records.jobs.prune(NOW + timedelta(days=3), keep=100, most=100) == 1
        assert await records.jobs.prune(NOW + timedelta(days=3), keep=100, most=100) == 0
    assert await left() == ["j0", "j3", "j4", "j5", "j6", "j7"]
    async with database.write() as records:
        assert await records.jobs.prune(NOW, keep=2, most=100) == 3
        assert await records.jobs.order("j3") is None
    assert await left() == ["j0", "j6", "j7"]
