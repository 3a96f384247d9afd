"""Uploading a file: hashed, sent, gone on with after any interruption, and followed until it is an image."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from image_library.cli.output import Output, plain
from image_library.cli.progress import PATIENCE, chosen_view, follow
from image_library.cli.session import Session
from image_library.cli.tus import Created, TusClient, fingerprint
from image_library.cli.upload_memory import UploadMemory
from image_library.domain.errors import (
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    ServerUnreachable,
    UnknownUpload,
    UploadBusy,
    UploadOffset,
    printable,
)
from image_library.domain.progress import SpeedMeter
from limiquantix.storage.v1.image_pb import ImportStatus

_BLOCK = 4 << 20
# What passes by itself: a server or node that restarts, a sender of before that is not noticed to be gone.
_PASSING = (ServerUnreachable, NodeUnreachable, UploadBusy, UploadOffset)


@dataclass(frozen=True, kw_only=True)
class FileToSend:
    path: Path
    metadata: dict[str, str]

    @property
    def name(self) -> str:
        return self.metadata.get("name") or self.path.name


def upload(session: Session, wanted: FileToSend, *, wait: bool) -> ImportStatus | str:
    """Send the file; the job's last state, or its id where it is not waited for.

    Raises what made it fail. Ctrl-C leaves what was sent at the server, and the next run goes on with it.
    """
    memory = UploadMemory(session.data_dir.uploads_file)
    client = TusClient(session.library.server)
    with opened(wanted.path) as file:
        key = fingerprint(client.server, wanted.path)
        sending = _Sending(client=client, file=file, size=wanted.path.stat().st_size, out=session.out)
        begun = _begun(client, memory.find(key)) or _begin(sending, wanted)
        memory.remember(key, begun.path)
        try:
            sending.send(begun, wanted.name)
        except KeyboardInterrupt:
            session.out.note("What was sent is kept; the same command goes on with it.")
            raise
        except UnknownUpload:
            memory.forget(key)
            raise
    memory.forget(key)
    return follow(session.library, begun.job_id, session.out) if wait else begun.job_id


@contextmanager
def opened(path: Path) -> Generator[IO[bytes]]:
    """Raises InvalidRequest: there is no such file, or it cannot be read."""
    try:
        with path.open("rb") as file:
            if not path.is_file():
                raise InvalidRequest(f"{printable(str(path))} is no regular file.", remedy="Name a file.")
            yield file
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        raise InvalidRequest(
            f"{printable(str(path))}: {why}.", remedy="Name a file that can be read."
        ) from None


def _begun(client: TusClient, path: str) -> Created | None:
    """The upload of before, if the server still has it."""
    if not path:
        return None
    upload = Created(path=path)
    try:
        client.offset(upload)
    except UnknownUpload:
        return None
    return upload


def _begin(sending: _Sending, wanted: FileToSend) -> Created:
    counted = {} if wanted.metadata.get("checksum") else {"transfer_checksum": sending.hashed(wanted.name)}
    metadata = {"filename": wanted.path.name, **wanted.metadata, **counted}
    return sending.client.create(sending.size, metadata)


@dataclass(kw_only=True)
class _Sending:
    client: TusClient
    file: IO[bytes]
    size: int
    out: Output
    clock: Callable[[], float] = time.monotonic
    _done: int = 0
    _meter: SpeedMeter = field(default_factory=SpeedMeter)

    def hashed(self, name: str) -> str:
        """The file's digest, which the node compares with what came."""
        digest = hashlib.sha256()
        with self._shown(name, "hashing") as count:
            while block := self.file.read(_BLOCK):
                digest.update(block)
                count(len(block))
        return f"sha256:{digest.hexdigest()}"

    def send(self, upload: Created, name: str) -> None:
        """Send what the server does not have yet, however often the connection breaks."""
        lost_at: float | None = None
        while True:
            try:
                self._done = self.client.offset(upload)
                if self._done == self.size:
                    return
                with self._shown(name, "uploading", at=self._done) as count:
                    kept = self.client.send(upload, self.file, offset=self._done, size=self.size, sent=count)
                if kept == self.size:
                    # It is the node's now: the next question would be about a job.
                    return
                lost_at = None
            except _PASSING as error:
                lost_at = self._patient(error, lost_at)
                time.sleep(1.0)

    def _patient(self, error: LibraryError, lost_at: float | None) -> float:
        if lost_at is None:
            self.out.note(f"{plain(error.message)} What was sent is kept; trying again.")
            return self.clock()
        if self.clock() - lost_at > PATIENCE:
            raise error
        return lost_at

    @contextmanager
    def _shown(self, name: str, stage: str, at: int = 0) -> Generator[Callable[[int], None]]:
        self._done, self._meter = at, SpeedMeter()
        with chosen_view(self.out) as view:

            def count(more: int) -> None:
                self._done += more
                progress = self._meter.measure(now=self.clock(), done=self._done, total=self.size)
                view.update(
                    ImportStatus(
                        name=name,
                        stage=stage,
                        status=ImportStatus.Status.DOWNLOADING,
                        bytes_downloaded=progress.done,
                        bytes_total=self.size,
                        progress_percent=progress.percent,
                        download_speed=progress.speed,
                        eta_seconds=progress.eta_seconds,
                    )
                )

            yield count
