"""Writing down what nodes say of downloads: the job and its image always change in one transaction."""

from __future__ import annotations

from dataclasses import replace

import structlog

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Database, Records
from image_library.controlplane.services.download_outcome import (
    CANCELLED,
    abandoned,
    ended,
    failure_of,
    landed,
    next_version,
    underway,
    whole_again,
)
from image_library.controlplane.services.image_copies import copy_order
from image_library.controlplane.services.proof_outcome import CANCELLED as PROOF_CANCELLED
from image_library.controlplane.services.proof_outcome import believed, proof_ended, with_proof
from image_library.controlplane.services.version_names import point_to, released
from image_library.domain.errors import Internal, LibraryError, UnknownJob
from image_library.domain.image import Image, ImagePhase, PlacementState
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node
from image_library.domain.progress import Tries
from image_library.domain.proof_order import ProofOrder
from image_library.domain.proof_policy import NO_RULE, ProofPolicy
from image_library.domain.store import Download, DownloadOrder, PublishedImage

log = structlog.get_logger()


class DownloadLog:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        new_id: NewId,
        proofs: ProofPolicy = NO_RULE,
    ) -> None:
        self._proofs = proofs
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def open(self, job_id: str) -> tuple[Job, DownloadOrder, Node]:
        """A job with its order and the node as it is registered now."""
        async with self._database.read() as records:
            job = await records.jobs.get(job_id)
            order = await records.jobs.order(job_id)
            node = await records.nodes.get(job.node_id) if job else None
            if job and order and job.kind is JobKind.PLACE and not order.library_digest:
                # When it was planned, nobody knew yet which version it would be.
                image = await records.images.get(job.image_id)
                order = copy_order(job, image) if image else None
        if job is None or order is None or node is None:
            raise UnknownJob(f"The job {job_id} is not whole in the database.")
        if order.prove and job.state is not JobState.QUEUED:
            order = replace(order, prove=replace(order.prove, begun=True))
        return job, order, node

    async def progress(self, job: Job) -> None:
        """Keep how far a live job has come."""
        async with self._database.write() as records:
            image = await records.images.get(job.image_id)
            await records.jobs.save(job)
            if image is not None and job.kind.brings:
                await records.images.save(underway(image, job))

    async def end(self, job: Job, order: DownloadOrder, download: Download) -> Job:
        """Keep the end that the node reports; with it, in the same transaction, the image becomes READY."""
        if order.prove:
            return await self._end_proof(job, order.prove, download)
        done = ended(job, download, order, self._clock.now())
        async with self._database.write() as records:
            if done.state is JobState.READY and download.published:
                done = await self._land(records, done, download.published, order)
            else:
                await _give_up(records, done)
            await records.jobs.save(done)
        log.info("download_ended", job_id=done.id, image_id=done.image_id, state=done.state.value)
        return done

    async def _end_proof(self, job: Job, order: ProofOrder, download: Download) -> Job:
        """The same for a proof, whose evidence goes to the image that was booted, if it is still there."""
        now = self._clock.now()
        proof = believed(download.proof, job, order, now) if download.proof else None
        done = proof_ended(job, download, proof, now)
        async with self._database.write() as records:
            image = await records.images.get(job.image_id)
            if image is not None and proof is not None:
                await records.images.save(with_proof(image, proof))
            await _give_up(records, done)
            await records.jobs.save(done)
        log.info("proof_ended", job_id=done.id, image_id=done.image_id, state=done.state.value)
        return done

    async def fail(self, job: Job, error: LibraryError) -> Job:
        """Keep that it cannot be done."""
        return await self._close(job, JobState.FAILED, error)

    async def cancel(self, job: Job) -> Job:
        """Keep that it is no longer wanted."""
        return await self._close(job, JobState.CANCELLED, None)

    async def _close(self, job: Job, state: JobState, error: LibraryError | None) -> Job:
        cancelled = CANCELLED if job.kind.brings else PROOF_CANCELLED
        failure = failure_of(error) if error else cancelled
        now = self._clock.now()
        done = job.evolve(state=state, failure=failure, waiting_for="", tries=Tries(), updated_at=now)
        async with self._database.write() as records:
            await _give_up(records, done)
            await records.jobs.save(done)
        log.info("download_ended", job_id=done.id, state=state.value, code=failure.code)
        return done

    async def _land(self, records: Records, job: Job, published: PublishedImage, order: DownloadOrder) -> Job:
        image = await records.images.get(job.image_id)
        if image is None:
            raise Internal(f"The image of job {job.id} is gone.")
        if image.digest not in ("", published.digest):
            # The publisher moved on between two nodes' downloads: these bytes are another version.
            await records.images.save(abandoned(image, job))
            image = await self._version_of(records, image, job, published)
        elif not image.current:
            image = await self._known_or(records, image, published)
        await _absorb_found(records, image, job, published)
        await _make_whole(records, image, job, published)
        fresh = not image.digest
        image = await released(records, landed(image, job, published, order))
        if fresh:
            image = self._proofs.begun(image)
        # Bytes that were deleted are wanted again.
        await records.tombstones.lift(published.digest)
        await records.images.save(await _pointed_at(records, image))
        return replace(job, image_id=image.id, image_name=image.name)

    async def _version_of(self, records: Records, image: Image, job: Job, published: PublishedImage) -> Image:
        """The version of the same name that these bytes are: one that is known, or the next."""
        versions = await records.images.versions(image.name, image.project_id)
        known = next((v for v in versions if v.digest == published.digest), None)
        return known or next_version(versions[0], version_id=self._new_id(), now=job.updated_at)

    async def _known_or(self, records: Records, image: Image, published: PublishedImage) -> Image:
        """The version with these bytes; a draft of the next one is dropped where nothing is new."""
        versions = await records.images.versions(image.name, image.project_id)
        known = next((v for v in versions if v.digest == published.digest and v.id != image.id), None)
        if known is None or image.digest:
            return image
        await records.images.remove(image.id)
        return known


async def _pointed_at(records: Records, image: Image) -> Image:
    """The image, with its name pointing to it where it is the latest version that is whole.

    A build that was replaced before does not come back: a mirror may have fallen behind.
    """
    for other in await records.images.named(image.name, image.project_id):
        newer = other.version > image.version or any(str(d) in other.earlier for d in image.digests)
        if newer and other.phase is ImagePhase.READY and other.id != image.id:
            return image
    return await point_to(records, image)


async def _give_up(records: Records, job: Job) -> None:
    """What a job leaves behind that brought nothing, or was not to."""
    if not job.kind.brings:
        order = await records.jobs.order(job.id)
        if order is not None and order.prove is not None:
            await records.jobs.set_order(job.id, replace(order, prove=order.prove.without_documents()))
        return
    image = await records.images.get(job.image_id)
    if image is not None:
        await records.images.save(abandoned(image, job))


async def _make_whole(records: Records, image: Image, job: Job, published: PublishedImage) -> None:
    """Other images of these very bytes whose copy on the node was damaged: one file is all of theirs."""
    for other in await records.images.with_digest(published.digest):
        copy = other.placement_on(job.node_id)
        if other.id != image.id and copy is not None and copy.state is PlacementState.DAMAGED:
            await records.images.save(whole_again(other, job, published))


async def _absorb_found(records: Records, image: Image, job: Job, published: PublishedImage) -> None:
    """Drop the record that a scan made of these very bytes, between their publishing and this word of it."""
    for found in await records.images.with_digest(published.digest):
        nameless = not found.catalog_id and found.evidence is None
        only_there = [p.node_id for p in found.placements] == [job.node_id]
        if found.id != image.id and nameless and only_there and not await records.images.used_by(found.id):
            await records.images.remove(found.id)
