"""Uploads: bytes that are sent to this node, kept as a part until they are all here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from image_library.domain.errors import InvalidRequest, UnknownUpload, UploadBusy, UploadOffset, printable
from image_library.node.ports.health import WriteGate
from image_library.node.ports.storage import ImageStore, Part, PartKey

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some bytes of an upload, and where in it they belong."""

    offset: int
    data: bytes = field(repr=False)


@dataclass(eq=False)
class _Open:
    part: Part
    size: int
    busy: bool = False


def upload_part(job_id: str, algorithm: str) -> PartKey:
    """The part of an upload: its own, whatever else has the same bytes."""
    key = hashlib.sha256(f"upload\0{job_id}".encode()).hexdigest()[:32]
    return PartKey(key=key, expected=f"{algorithm}:upload")


class Uploads:
    """Used from one event loop. A restart forgets which are open, never their bytes."""

    def __init__(self, *, store: ImageStore, gate: WriteGate) -> None:
        self._store = store
        self._gate = gate
        self._open: dict[str, _Open] = {}
        self._opening = asyncio.Lock()

    async def open(self, job_id: str, *, size: int, algorithm: str) -> int:
        """Open the upload, again or for the first time, promise it the space it needs; the bytes here.

        Raises:
            InvalidRequest: it is empty, or another size than before.
            StoreDegraded: the store takes nothing new.
            StorageFull, StorageIo, StoreNotWritable, StoreChanged
        """
        if size <= 0:
            raise InvalidRequest("An upload has at least one byte.", field="size_bytes")
        async with self._opening:
            known = self._open.get(job_id)
            if known is None:
                self._gate.check()
                known = self._open[job_id] = await self._opened(job_id, size, algorithm)
        if known.size != size:
            raise InvalidRequest(f"The upload has {known.size} bytes, not {size}.", field="size_bytes")
        return known.part.offset

    async def _opened(self, job_id: str, size: int, algorithm: str) -> _Open:
        part = await self._store.open_part(upload_part(job_id, algorithm))
        try:
            await part.expect(size, "")
        except BaseException:
            await (part.close() if part.offset else part.discard())
            raise
        log.info("upload_opened", job_id=job_id, size_bytes=size, offset=part.offset)
        return _Open(part=part, size=size)

    async def write(self, job_id: str, pieces: AsyncIterator[Piece]) -> int:
        """Store the pieces as they come, until they end; how many bytes are here then.

        Raises:
            UnknownUpload: it is not open.
            UploadBusy: somebody else writes it.
            UploadOffset: a piece does not begin where the stored bytes end, or goes beyond the end.
            StorageFull, StorageIo: the disk does not take it.
        """
        async with self._written(job_id) as upload:
            async for piece in pieces:
                at = upload.part.offset
                if piece.offset != at:
                    raise UploadOffset(f"The upload goes on at byte {at}, not {piece.offset}.")
                if at + len(piece.data) > upload.size:
                    raise UploadOffset(f"The upload ends at byte {upload.size}.")
                await upload.part.write(piece.data)
            if upload.part.offset == upload.size:
                # Nobody sends more, who could be told of a late error, or asked again after a power cut.
                await upload.part.finish()
                await upload.part.secure()
            return upload.part.offset

    @asynccontextmanager
    async def _written(self, job_id: str) -> AsyncGenerator[_Open]:
        upload = self._open.get(job_id)
        if upload is None:
            raise UnknownUpload(f"There is no open upload '{printable(job_id)}'.")
        if upload.busy:
            raise UploadBusy("Somebody else sends bytes for this upload.")
        upload.busy = True
        try:
            yield upload
            # Before the sender is told how much is kept.
            await upload.part.settle()
            await upload.part.checkpoint()
        except BaseException:
            # After a failed write nothing more is trusted but what a fresh look at the disk finds.
            await self.release(job_id)
            raise
        finally:
            upload.busy = False

    @property
    def moving(self) -> bool:
        """Whether bytes come now."""
        return any(upload.busy for upload in self._open.values())

    async def release(self, job_id: str) -> None:
        """Let go of it and keep its bytes, for the job that publishes them or for opening it again."""
        upload = self._open.pop(job_id, None)
        if upload is not None:
            await upload.part.close()

    async def abort(self, job_id: str) -> None:
        """Throw away what came; aborting what is not there succeeds."""
        upload = self._open.pop(job_id, None)
        if upload is not None:
            await upload.part.discard()
        else:
            # Opened as something that it is not, it is emptied without being read.
            part = await self._store.open_part(upload_part(job_id, "nothing"))
            await part.discard()
        log.info("upload_aborted", job_id=job_id)

    async def close(self) -> None:
        for job_id in list(self._open):
            await self.release(job_id)
