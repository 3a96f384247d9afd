"""Uploads: begun, gone on with after any interruption, and given over to a job when all bytes are there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from image_library.controlplane.ports.clock import Clock
from image_library.controlplane.ports.node_uploads import NodeUploads
from image_library.controlplane.ports.records import Database
from image_library.controlplane.services.download_log import DownloadLog
from image_library.controlplane.services.download_runs import DownloadRuns, job_key
from image_library.controlplane.services.upload_plan import UPLOADER, UploadPlanner, UploadWish, receives
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    LibraryError,
    UnknownUpload,
    UploadBusy,
    UploadExpired,
    UploadOffset,
    printable,
)
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node
from image_library.domain.progress import Progress, SpeedMeter
from image_library.domain.store import DownloadOrder

log = structlog.get_logger()

SAVE_EVERY_SECONDS = 1.0
LOOK_FOR_EXPIRED_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An upload as it stands: ``offset`` of its ``size`` bytes are kept."""

    id: str
    image_id: str
    offset: int
    size: int
    expires_at: datetime

    @property
    def whole(self) -> bool:
        return self.offset == self.size


class Uploads:
    def __init__(
        self,
        *,
        database: Database,
        planner: UploadPlanner,
        nodes: NodeUploads,
        records: DownloadLog,
        runs: DownloadRuns,
        changes: Changes,
        clock: Clock,
        expiry: timedelta,
    ) -> None:
        self._database = database
        self._planner = planner
        self._nodes = nodes
        self._log = records
        self._runs = runs
        self._changes = changes
        self._clock = clock
        self._expiry = expiry
        self._busy: set[str] = set()

    async def create(self, wish: UploadWish) -> Upload:
        """Begin an upload: quota and space are promised before its first byte.

        Raises: as ``UploadPlanner.plan`` does, and what the node refuses it for; nothing is left then.
        """
        async with self._database.write() as records:
            job, image, order = await self._planner.plan(records, wish)
            node = await records.nodes.get(job.node_id)
        assert node is not None
        try:
            offset = await self._opened(node, job, order)
        except LibraryError as error:
            await self._log.fail(job, error)
            if not wish.image_id:
                async with self._database.write() as records:
                    await records.images.remove(image.id)
            raise
        log.info("upload_created", job_id=job.id, image_id=image.id, size_bytes=wish.size)
        return self._upload(job, offset)

    async def find(self, upload_id: str) -> Upload:
        """How much of it is kept now.

        Raises:
            UnknownUpload: there is none that still takes bytes.
            NodeUnreachable: its node does not answer.
        """
        job, order, node = await self._load(upload_id)
        if not receives(job):
            return self._upload(job, job.progress.total)
        upload = self._upload(job, await self._opened(node, job, order))
        if upload.whole:
            self._runs.start(job)
        return upload

    async def write(self, upload_id: str, *, offset: int, blocks: AsyncIterator[bytes]) -> Upload:
        """Keep the blocks, which go on at ``offset``; with the last byte the upload becomes a job's work.

        Blocks that came before the sender broke off are kept.

        Raises:
            UnknownUpload, UploadBusy, UploadOffset, NodeUnreachable, and the node's own errors.
        """
        with self._alone(upload_id):
            job, order, node = await self._load(upload_id)
            kept = await self._opened(node, job, order) if receives(job) else job.progress.total
            if offset != kept:
                raise UploadOffset(f"The upload goes on at byte {kept}, not {offset}.", field="Upload-Offset")
            if kept < job.progress.total:
                kept = await self._nodes.write(
                    node, job.id, offset=offset, blocks=self._metered(job, kept, blocks)
                )
                job = await self._note(job.id, Progress(done=kept, total=job.progress.total))
                if kept == job.progress.total:
                    self._runs.start(job)
            return self._upload(job, kept)

    async def abort(self, upload_id: str) -> None:
        """End it and throw away what came."""
        job, _, _ = await self._load(upload_id)
        await self._runs.cancel(job)

    async def watch_expiry(self) -> None:
        """End uploads to which nothing came for too long; runs until it is cancelled."""
        while True:
            await self._clock.sleep(LOOK_FOR_EXPIRED_SECONDS)
            try:
                await self.expire()
            except LibraryError as error:
                log.warning("upload_expiry_failed", code=error.code)

    async def expire(self) -> None:
        """End uploads to which nothing came for too long."""
        async with self._database.read() as records:
            live = await records.jobs.live()
        oldest = self._clock.now() - self._expiry
        for job in live:
            if receives(job) and job.updated_at < oldest and job.id not in self._busy:
                await self._runs.cancel(job, UploadExpired("Nothing came for the upload for too long."))
                log.info("upload_expired", job_id=job.id)

    async def _load(self, upload_id: str) -> tuple[Job, DownloadOrder, Node]:
        async with self._database.read() as records:
            job = await records.jobs.get(upload_id)
        if (
            job is None
            or job.kind is not JobKind.UPLOAD
            or job.state in (JobState.FAILED, JobState.CANCELLED)
        ):
            raise UnknownUpload(f"There is no upload '{printable(upload_id)}'.")
        return await self._log.open(upload_id)

    async def _opened(self, node: Node, job: Job, order: DownloadOrder) -> int:
        return await self._nodes.open(
            node, job.id, size=job.progress.total, algorithm=order.checksum_algorithm
        )

    async def _metered(self, job: Job, done: int, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The blocks on their way to the node, counted, and told about once a second."""
        meter, told_at = SpeedMeter(), self._clock.monotonic()
        async for block in blocks:
            yield block
            done += len(block)
            now = self._clock.monotonic()
            if now - told_at >= SAVE_EVERY_SECONDS and done < job.progress.total:
                told_at = now
                await self._note(job.id, meter.measure(now=now, done=done, total=job.progress.total))

    async def _note(self, job_id: str, progress: Progress) -> Job:
        """Keep how far it has come. An upload that was ended meanwhile stays ended."""
        async with self._database.write() as records:
            stored = await records.jobs.get(job_id)
            if stored is None or stored.state.ended:
                raise UnknownUpload(f"The upload '{printable(job_id)}' was ended.")
            job = stored.evolve(progress=progress, waiting_for=UPLOADER, updated_at=self._clock.now())
            await records.jobs.save(job)
        self._changes.notify(job_key(job.id))
        return job

    @contextmanager
    def _alone(self, upload_id: str) -> Generator[None]:
        if upload_id in self._busy:
            raise UploadBusy("Somebody else sends bytes for this upload.")
        self._busy.add(upload_id)
        try:
            yield
        finally:
            self._busy.discard(upload_id)

    def _upload(self, job: Job, offset: int) -> Upload:
        return Upload(
            id=job.id,
            image_id=job.image_id,
            offset=offset,
            size=job.progress.total,
            expires_at=job.updated_at + self._expiry,
        )
