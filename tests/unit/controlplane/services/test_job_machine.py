"""The jobs' state machine under any order of events: whatever happens, each ends once and for good."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from image_library.controlplane.ports.images import ImageFilter
from image_library.controlplane.ports.jobs import JobFilter
from image_library.controlplane.services.download_plan import DownloadWish
from image_library.controlplane.services.download_runs import node_key
from image_library.controlplane.services.import_wish import Description, ImportWish
from image_library.domain.errors import LibraryError
from image_library.domain.image import Failure, Image, ImagePhase
from image_library.domain.job import Job, JobState
from image_library.domain.paging import PageRequest
from image_library.domain.progress import Progress
from image_library.domain.store import Download, DownloadOrder
from image_library.domain.trust import Evidence, TrustLevel
from tests.fakes.control_clock import settle
from tests.fakes.control_plane import Plane
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, SHA512, a_node, a_published_image, an_evidence

T = TypeVar("T")
NODES = ("node-1", "node-2")
ENTRIES = ("debian-12", "ubuntu-24.04")
NAMES = ("web", "db")
# Ends are rare among all states, and they are what matters.
SAID = (JobState.READY, JobState.READY, JobState.FAILED, JobState.FAILED, *JobState)
LOST = Failure(code="import.unreachable", message="No answer.")
EVERYTHING = PageRequest(size=1000)
choices = st.integers(min_value=0, max_value=9)


def proof_for(order: DownloadOrder, digest: str) -> Evidence:
    """What an honest node says of what it published."""
    if order.unproved:
        digits = digest.removeprefix("sha256:")
        return an_evidence(level=TrustLevel.UNVERIFIED, algorithm="sha256", expected="", actual=digits)
    return an_evidence(level=TrustLevel.PINNED if order.digest else TrustLevel.CHECKSUM)


class Jobs(RuleBasedStateMachine):
    """The real planner, log and runs over the memory database, with nodes that do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.plane = Plane()
        # Every job that was ever seen; and how those ended that have.
        self.seen: set[str] = set()
        self.ends: dict[str, Job] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def settled() -> T:
            try:
                return await work
            finally:
                await settle()

        return self.loop.run_until_complete(settled())

    def tried(self, work: Coroutine[Any, Any, object]) -> None:
        """A refusal is as good as an answer; only what is left behind counts."""
        with suppress(LibraryError):
            self.run(work)

    @initialize()
    def begin(self) -> None:
        self.run(self.plane.know(*map(a_node, NODES)))
        self.import_(name="web", node="node-1", proved=False)
        self.download(entry="debian-12", node="node-1")

    @rule(entry=st.sampled_from(ENTRIES), node=st.sampled_from(NODES))
    def download(self, entry: str, node: str) -> None:
        self.tried(self.plane.downloads.start(DownloadWish(catalog_id=entry, node=node)))

    @rule(name=st.sampled_from(NAMES), node=st.sampled_from(NODES), proved=st.booleans())
    def import_(self, name: str, node: str, proved: bool) -> None:
        wish = ImportWish(
            url=f"https://example.org/{name}.qcow2",
            image=Description(name=name),
            checksum=SHA512 if proved else "",
            node=node,
        )
        self.tried(self.plane.imports.start(wish))

    @precondition(lambda self: self.seen)
    @rule(choice=choices)
    def cancel(self, choice: int) -> None:
        async def cancelled() -> None:
            asking = asyncio.ensure_future(self.plane.downloads.cancel(self.one(choice)))
            await settle()
            # A node that is there and silent is waited for, but not for ever.
            await self.plane.clock.advance(10.0)
            await asking

        self.tried(cancelled())

    @precondition(lambda self: self.seen)
    @rule(choice=choices)
    def retry(self, choice: int) -> None:
        async def twice() -> None:
            first = await self.plane.downloads.retry(self.one(choice))
            assert (await self.plane.downloads.retry(self.one(choice))).id == first.id

        self.tried(twice())

    @rule(node=st.sampled_from(NODES))
    def go_away(self, node: str) -> None:
        self.plane.nodes.go_away(node)
        self.run(settle())

    @rule(node=st.sampled_from(NODES))
    def come_back(self, node: str) -> None:
        self.plane.nodes.away.discard(node)
        self.plane.changes.notify(node_key(node))
        self.run(settle())

    @precondition(lambda self: self.plane.nodes.journal)
    @rule(choice=choices, state=st.sampled_from(SAID), other=st.booleans(), lie=st.booleans())
    def report(self, choice: int, state: JobState, other: bool, lie: bool) -> None:
        """In any order, twice, back again: as from a node whose journal was restored."""
        orders = [said.order for said in self.plane.nodes.journal.values()]
        order = orders[choice % len(orders)]
        digest = OTHER_DIGEST if other else DIGEST
        proof = an_evidence(actual="00" * 64) if lie else proof_for(order, digest)
        self.plane.nodes.journal[order.job_id] = Download(
            order=order,
            state=state,
            progress=Progress(done=choice, total=10),
            waiting_for="better times" if choice % 5 == 0 else "",
            published=a_published_image(digest=digest, evidence=proof) if state is JobState.READY else None,
            failure=LOST if state is JobState.FAILED else None,
        )
        self.plane.nodes.say(order.job_id)
        self.run(settle())

    @rule(seconds=st.sampled_from((1, 5, 60, 3600)))
    def pass_time(self, seconds: int) -> None:
        self.run(self.plane.clock.advance(seconds))

    @rule()
    def restart(self) -> None:
        async def again() -> None:
            await self.plane.runs.close()
            self.plane = Plane(before=self.plane)
            await self.plane.downloads.resume()

        self.run(again())

    @invariant()
    def jobs_end_once_and_are_never_lost(self) -> None:
        jobs = {job.id: job for job in self.jobs()}
        assert self.seen <= set(jobs)
        self.seen = set(jobs)
        assert {job_id: jobs[job_id] for job_id in self.ends} == self.ends
        self.ends = {job_id: job for job_id, job in jobs.items() if job.state.ended}
        for job in self.ends.values():
            assert (job.failure is None) == (job.state is JobState.READY)
            assert (job.waiting_for, job.waiting_since) == ("", None)

    @invariant()
    def one_image_has_one_live_job_on_a_node(self) -> None:
        live = [(job.image_id, job.node_id) for job in self.jobs() if not job.state.ended]
        assert len(live) == len(set(live))

    @invariant()
    def a_ready_image_has_its_proof(self) -> None:
        for image in self.images():
            if image.phase is ImagePhase.READY:
                assert image.ready_placements
                assert image.evidence is not None
                proved = image.catalog_id or image.evidence.level > TrustLevel.UNVERIFIED
                assert image.evidence.expected == (image.evidence.actual if proved else "")
                assert image.evidence.actual
            live = [j for j in self.jobs() if j.image_id == image.id and not j.state.ended]
            if not live:
                assert image.phase in (ImagePhase.READY, ImagePhase.ERROR), image

    def teardown(self) -> None:
        """Wherever it stopped: what can be reached ends, and so does what stays away."""
        try:
            for said in list(self.plane.nodes.journal.values()):
                if not said.state.ended:
                    self.plane.nodes.say(said.order.job_id, state=JobState.FAILED, failure=LOST)
            for _ in range(3):
                self.run(self.plane.clock.advance(25 * 3600))
            assert [job for job in self.jobs() if not job.state.ended] == []
            self.jobs_end_once_and_are_never_lost()
        finally:
            self.run(self.plane.runs.close())
            self.loop.close()

    def one(self, choice: int) -> str:
        known = sorted(self.seen)
        return known[choice % len(known)]

    def jobs(self) -> list[Job]:
        async def read() -> list[Job]:
            async with self.plane.database.read() as records:
                return list((await records.jobs.list(JobFilter(), EVERYTHING)).items)

        return self.loop.run_until_complete(read())

    def images(self) -> list[Image]:
        async def read() -> list[Image]:
            matching = ImageFilter(all_versions=True, hidden_too=True)
            async with self.plane.database.read() as records:
                return list((await records.images.list(matching, EVERYTHING)).items)

        return self.loop.run_until_complete(read())


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=100, stateful_step_count=50, deadline=None, print_blob=True)
