"""Downloads: started or joined, followed, cancelled, and gone on with after any end of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog

from image_library.domain.changes import Changes
from image_library.domain.errors import (
    FormatMismatch,
    Internal,
    JobCancelled,
    LibraryError,
    UnknownJob,
    printable,
)
from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.progress import Progress, SpeedMeter, Tries, Waiting
from image_library.domain.store import Download, DownloadOrder, PublishedImage
from image_library.domain.trust import Evidence
from image_library.node.ports.clock import Clock
from image_library.node.ports.fetching import Fetcher
from image_library.node.ports.health import WriteGate
from image_library.node.ports.inspecting import Inspector
from image_library.node.ports.journal import DownloadJournal
from image_library.node.ports.signatures import Signatures
from image_library.node.ports.storage import ImageStore
from image_library.node.services.adopt_file import AdoptFile
from image_library.node.services.expected_digest import Expected, as_proof, resolve_expected
from image_library.node.services.fetch_verified import VerifiedFetch
from image_library.node.services.finish_image import Finishing
from image_library.node.services.flights import Flight, FlightWatch, version_key

log = structlog.get_logger()

# How often followers hear of progress, and how often the journal does.
TICK = 0.2
_TICKS_PER_CHECKPOINT = 5


class Downloads:
    """Used from one event loop."""

    def __init__(
        self,
        *,
        journal: DownloadJournal,
        store: ImageStore,
        fetcher: Fetcher,
        library: Fetcher,
        inspector: Inspector,
        signatures: Signatures,
        clock: Clock,
        changes: Changes,
        adoption: AdoptFile,
        finishing: Finishing,
        gate: WriteGate,
        node_id: str,
        published: Callable[[], None] = lambda: None,
    ) -> None:
        """``published`` is called when the inventory has grown."""
        self._journal = journal
        self._store = store
        self._fetcher = fetcher
        self._signatures = signatures
        self._clock = clock
        self._changes = changes
        self._adoption = adoption
        self._finishing = finishing
        self._gate = gate
        self._node_id = node_id
        self._published = published
        self._verified = VerifiedFetch(
            store=store, fetcher=fetcher, library=library, inspector=inspector, signatures=signatures
        )
        # Those that have not ended, in the order in which they left.
        self._flights: list[Flight] = []
        # The key of each flight that still holds its part.
        self._tasks: dict[asyncio.Task[None], str] = {}
        # Ends that the journal could not take: known until this process ends, tried again by the next one.
        self._unrecorded: dict[str, Download] = {}
        self._starting = asyncio.Lock()

    async def start(self, order: DownloadOrder) -> Download:
        """Start the job, or join it: the same job id is the same job, also when it has ended.

        Raises:
            StoreDegraded: the store takes nothing new.
            StorageFull, StorageIo: it could not be written down; nothing was started.
        """
        # The caller may leave at any moment; what was begun is finished.
        return await asyncio.shield(self._start(order))

    async def _start(self, order: DownloadOrder) -> Download:
        async with self._starting:
            known = await self._find(order.job_id)
            if known is not None:
                return known
            self._gate.check()
            download = Download(order=order)
            await self._journal.save(download)
            log.info("download_started", job_id=order.job_id, image_id=order.image_id)
            return self._board(download)

    async def status(self, job_id: str) -> Download:
        """Raises UnknownJob."""
        known = await self._find(job_id)
        if known is None:
            raise UnknownJob(f"There is no download '{printable(job_id)}' on this node.")
        return known

    async def follow(self, job_id: str) -> AsyncGenerator[Download]:
        """The current record at once, then the latest after each change, the last one being an ended one."""
        with self._changes.follow(_bell(job_id)) as changed:
            while True:
                download = await self.status(job_id)
                yield download
                if download.state.ended:
                    return
                await changed.wait()

    async def cancel(self, job_id: str) -> Download:
        """Cancel one job; what it fetched is kept for a later try, and others that wait for it go on.

        A job that has ended, or cannot be stopped any more, gives its result.

        Raises:
            UnknownJob
        """
        return await asyncio.shield(self._cancel(job_id))

    async def _cancel(self, job_id: str) -> Download:
        download = await self.status(job_id)
        flight = self._flight_of(job_id)
        if download.state.ended or flight is None:
            return download
        if flight.publishing:
            return await self._result(flight, job_id)
        del flight.members[job_id]
        if not flight.members:
            await self._stop(flight)
        cancelled = JobCancelled("The download was cancelled.")
        ended = download.evolve(
            state=JobState.CANCELLED, waiting_for="", tries=Tries(), failure=_failure(cancelled)
        )
        await self._record_end(ended)
        self._changes.notify(_bell(job_id))
        log.info("download_cancelled", job_id=job_id)
        return ended

    async def recover(self) -> None:
        """Go on with every download that had not ended."""
        unfinished = await self._journal.unfinished()
        await self._store.recover(frozenset(version_key(d.order) for d in unfinished))
        for download in unfinished:
            log.info("download_goes_on", job_id=download.order.job_id)
            self._board(replace(download, state=JobState.QUEUED))

    async def close(self) -> None:
        """Stop working. Nothing ends by it: the next start goes on."""
        for flight in tuple(self._flights):
            await self._stop(flight)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _board(self, download: Download) -> Download:
        """Put a download on the flight of its version, which leaves at once where there is none yet."""
        key = version_key(download.order)
        flight = next((f for f in self._flights if f.key == key and f.open), None)
        if flight is None:
            flight = Flight(key=key, meter=SpeedMeter(), members={download.order.job_id: download})
            self._flights.append(flight)
            earlier = [task for task, theirs in self._tasks.items() if theirs == key]
            flight.task = asyncio.create_task(self._fly(flight, earlier), name=f"download {key[:8]}")
            self._tasks[flight.task] = key
            flight.task.add_done_callback(self._tasks.pop)
            return download
        joined = download.evolve(state=flight.state, **flight.shown)
        flight.members[download.order.job_id] = joined
        return joined

    async def _fly(self, flight: Flight, earlier: list[asyncio.Task[None]]) -> None:
        """Run a flight to its end, after those of its version. Whatever happens, each member gets one end."""
        try:
            if earlier:
                await asyncio.wait(earlier)
            await self._gate.open(lambda what: self._wait(flight, what))
            await self._run(flight)
        except LibraryError as error:
            await self._fail(flight, error)
        except Exception:
            log.exception("download_broke", key=flight.key)
            await self._fail(flight, Internal("The download failed for a reason that should not exist."))
        finally:
            if flight.part is not None:
                await flight.part.close()
            self._land(flight)

    def _wait(self, flight: Flight, what: str) -> None:
        """Let followers hear what a flight that has not begun waits for."""
        flight.waiting = Waiting(what=what)
        if flight.measure(self._clock.monotonic()):
            for job_id in flight.members:
                self._changes.notify(_bell(job_id))

    @property
    def moving(self) -> bool:
        """Whether some job moves bytes now."""
        return any(f.state is not JobState.QUEUED and not f.waiting.what for f in self._flights)

    async def live_parts(self) -> frozenset[str]:
        """The keys of the parts that somebody is working on, or will go on with."""
        unfinished = await self._journal.unfinished()
        return frozenset(version_key(d.order) for d in unfinished) | frozenset(self._tasks.values())

    async def _run(self, flight: Flight) -> None:
        if flight.order.adopt_path:
            await self._adopt(flight)
            return
        watch = FlightWatch(flight, self._enter)

        def complete(image: PublishedImage, proof: Evidence) -> tuple[Download, ...]:
            return self._completed(flight, image, proof)

        async with self._shown(flight):
            if flight.order.convert_digest or flight.order.capture_vm:
                image = await self._finishing.of_here(
                    flight.order, key=flight.key, watch=watch, complete=complete
                )
                self._announce(flight, image)
                return
            expected = None
            if not flight.order.unproved:
                expected = await resolve_expected(
                    flight.order, self._fetcher, self._signatures, waiting=watch.waiting
                )
                if await self._take_known(flight, expected):
                    return
            verified = await self._verified.run(flight.order, expected, key=flight.key, watch=watch)
            if flight.members:
                image = await self._finishing.fetched(
                    flight.order, verified, key=flight.key, watch=watch, complete=complete
                )
                self._announce(flight, image)

    async def _adopt(self, flight: Flight) -> None:
        flight.part = file = await self._adoption.open(flight.order)
        await self._enter(flight, JobState.VERIFYING)
        async with self._shown(flight):
            sha256 = await file.sha256()
        if flight.members:
            flight.publishing = True
            await self._enter(flight, JobState.PUBLISHING)
            image = await self._adoption.publish(
                file,
                sha256,
                key=flight.key,
                complete=lambda image: self._completed(flight, image, image.evidence),
            )
            self._announce(flight, image)

    @asynccontextmanager
    async def _shown(self, flight: Flight) -> AsyncGenerator[None]:
        """Followers hear of progress, and of what is waited for, while the block lasts."""
        ticking = asyncio.create_task(self._tick(flight))
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking

    async def _take_known(self, flight: Flight, expected: Expected) -> bool:
        """Whether the very bytes are here already: only the evidence may be new."""
        order = flight.order
        known = await self._store.find_by_publisher_digest(
            expected.digest.algorithm, expected.digest.hex, order.wanted
        )
        if known is None:
            return False
        # What was made of such bytes has the format that is wanted; as they came they have the declared one.
        wanted = order.wanted.format if order.wanted else order.format
        if wanted is not known.facts.format:
            raise FormatMismatch(
                f"{order.filename} should be {wanted.value} but is {known.facts.format.value}."
            )
        flight.publishing = True
        evidence = as_proof(flight.order, expected).evidence(now=self._clock.now(), node_id=self._node_id)
        image = await self._store.improve(known.digest, evidence)
        if image is None:
            # They were removed this moment.
            flight.publishing = False
            return False
        image = replace(image, converted_from=known.converted_from)
        await self._journal.save(*self._completed(flight, image, evidence))
        self._announce(flight, image)
        return True

    def _completed(self, flight: Flight, image: PublishedImage, proof: Evidence) -> tuple[Download, ...]:
        """The members as they are once the image is published; nobody sees them before it is durable.

        Each tells its own proof, also where the image had a better one.
        """
        image = replace(image, evidence=proof)
        progress = Progress(done=image.size_bytes, total=image.size_bytes)
        return tuple(
            d.evolve(state=JobState.READY, waiting_for="", tries=Tries(), progress=progress, published=image)
            for d in flight.members.values()
        )

    def _announce(self, flight: Flight, image: PublishedImage) -> None:
        self._end(flight)
        self._published()
        log.info("image_published", digest=image.digest, size_bytes=image.size_bytes, key=flight.key)

    async def _fail(self, flight: Flight, error: LibraryError) -> None:
        failed = flight.advance(JobState.FAILED)
        failed = tuple(replace(d, failure=_failure(error)) for d in failed)
        flight.members.update({d.order.job_id: d for d in failed})
        for download in failed:
            log.warning("download_failed", job_id=download.order.job_id, code=error.code)
        await self._record_end(*failed)
        self._end(flight)

    async def _record_end(self, *ended: Download) -> None:
        try:
            await self._journal.save(*ended)
        except LibraryError as error:
            log.warning("download_end_not_recorded", code=error.code)
            self._unrecorded.update({download.order.job_id: download for download in ended})

    def _land(self, flight: Flight) -> None:
        if flight in self._flights:
            self._flights.remove(flight)

    def _end(self, flight: Flight) -> None:
        self._land(flight)
        for job_id in flight.members:
            self._changes.notify(_bell(job_id))

    async def _enter(self, flight: Flight, state: JobState) -> None:
        flight.measure(self._clock.monotonic())
        await self._journal.save(*flight.advance(state))
        for job_id in flight.members:
            self._changes.notify(_bell(job_id))

    async def _tick(self, flight: Flight) -> None:
        """Measure while bytes come, and tell the journal now and then what is safe."""
        ticks = 0
        while True:
            await self._clock.sleep(TICK)
            ticks += 1
            if flight.measure(self._clock.monotonic()):
                for job_id in flight.members:
                    self._changes.notify(_bell(job_id))
            if ticks % _TICKS_PER_CHECKPOINT == 0 and flight.part is not None:
                with suppress(LibraryError):
                    await flight.part.checkpoint()

    async def _stop(self, flight: Flight) -> None:
        task = flight.task
        if task is None:
            return
        if not flight.publishing:
            task.cancel()
        await asyncio.wait([task])

    async def _result(self, flight: Flight, job_id: str) -> Download:
        if flight.task is not None:
            await asyncio.wait([flight.task])
        return await self.status(job_id)

    async def _find(self, job_id: str) -> Download | None:
        if flight := self._flight_of(job_id):
            return flight.members[job_id]
        return self._unrecorded.get(job_id) or await self._journal.download(job_id)

    def _flight_of(self, job_id: str) -> Flight | None:
        return next((f for f in self._flights if job_id in f.members), None)


def _bell(job_id: str) -> str:
    return f"download/{job_id}"


def _failure(error: LibraryError) -> Failure:
    return Failure(code=error.code, message=error.message, remedy=error.remedy)
