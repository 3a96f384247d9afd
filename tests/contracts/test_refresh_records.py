"""What every database remembers of refreshes alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from image_library.controlplane.ports.records import Database
from image_library.domain.refresh import Finding, Landing
from image_library.domain.releases import Release
from tests.fakes.control_publishers import offered, sha512
from tests.fakes.control_values import NOW

RELEASE = Release(
    version="20261123-1",
    url="https://example.org/20261123-1/debian-12.qcow2",
    digest=sha512(2),
    size_bytes=5,
    published=date(2026, 11, 23),
)
FINDING = Finding(
    catalog_id="debian-12",
    architecture="x86_64",
    asked_at=NOW,
    answer=replace(offered(2), release=RELEASE, note="Odd.", complete=False),
)
LANDING = Landing(job_id="job-1", name="debian-12", project_id="default", keep=3)


async def test_a_finding_comes_back_as_it_was_heard(database: Database) -> None:
    bare = Finding(catalog_id="debian-12", architecture="aarch64", asked_at=NOW)
    async with database.write() as records:
        await records.refreshes.found(FINDING)
        await records.refreshes.found(bare)
    async with database.read() as records:
        assert await records.refreshes.finding("debian-12", "x86_64") == FINDING
        assert await records.refreshes.finding("debian-12", "riscv64") is None
        assert await records.refreshes.findings() == (bare, FINDING)


async def test_the_last_finding_is_the_one_that_stays(database: Database) -> None:
    later = replace(FINDING, asked_at=NOW + timedelta(days=1), answer=None)
    for finding in (FINDING, later):
        async with database.write() as records:
            await records.refreshes.found(finding)
    async with database.read() as records:
        assert await records.refreshes.findings() == (later,)


async def test_what_is_to_be_done_is_remembered_until_it_is_done(database: Database) -> None:
    async with database.write() as records:
        await records.refreshes.expect(replace(LANDING, keep=1))
        await records.refreshes.expect(LANDING)
        await records.refreshes.expect(replace(LANDING, job_id="job-0"))
    async with database.write() as records:
        assert await records.refreshes.landings() == (replace(LANDING, job_id="job-0"), LANDING)
        await records.refreshes.settled("job-0")
        await records.refreshes.settled("no")
    async with database.read() as records:
        assert await records.refreshes.landings() == (LANDING,)
