"""Exporting an image to a file: gone on with after any interruption, and there only when it is verified."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import quote

from image_library.cli.output import Output, plain
from image_library.cli.plain_http import PlainHttp
from image_library.cli.progress import PATIENCE, chosen_view
from image_library.cli.session import Session
from image_library.domain.errors import (
    DigestMismatch,
    InvalidRequest,
    LibraryError,
    NodeUnreachable,
    ServerUnreachable,
    StorageFull,
    StorageIo,
    printable,
)
from image_library.domain.progress import SpeedMeter
from limiquantix.storage.v1.image_pb import ImportStatus

_BLOCK = 1 << 20
_PASSING = (ServerUnreachable, NodeUnreachable)


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class _Described:
    """The image as the server describes it before its bytes."""

    size: int
    # "sha256:HEX".
    digest: str


def judge_target(target: Path, *, force: bool) -> None:
    """Raises InvalidRequest: there is a file already, or no directory for it."""
    name = printable(str(target))
    if target.is_dir():
        raise InvalidRequest(f"{name} is a directory.", remedy="Name a file to write.")
    if not target.parent.is_dir():
        parent = printable(str(target.parent))
        raise InvalidRequest(f"There is no directory {parent}.", remedy="Make it, or name another file.")
    if target.exists() and not force:
        raise InvalidRequest(f"{name} is there already.", remedy="Use --force to replace it.")


def export(session: Session, image: str, target: Path, *, called: str) -> str:
    """Write the image to ``target``; its digest. Ctrl-C leaves TARGET.part, and the next run goes on with it.

    ``called`` is what people are told of the image.

    Raises:
        DigestMismatch: what came is not the image; it is removed.
    """
    export = _of(session, image, called)
    found = export.described()
    part = target.with_name(target.name + ".part")
    with _disk_errors(part):
        # Not for everybody before it is whole; then as the user's umask has it.
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b") as file:
            digest = export.into(file, found)
            if digest != found.digest:
                part.unlink()
                raise DigestMismatch(f"What came has the digest {digest}, and the image has {found.digest}.")
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    return found.digest


def export_to_stdout(session: Session, image: str, *, called: str) -> str:
    """Write the image to standard output; its digest.

    Raises:
        DigestMismatch: what was written is not the image.
    """
    export = _of(session, image, called)
    found = export.described()
    counted = hashlib.sha256()
    with export.shown(found.size, 0) as count:
        export.receive(sys.stdout.buffer, counted, found, offset=0, count=count)
    sys.stdout.buffer.flush()
    if f"sha256:{counted.hexdigest()}" != found.digest:
        raise DigestMismatch("What was written is not the image.")
    return found.digest


@contextmanager
def _disk_errors(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        full = StorageFull if error.errno in (28, 122) else StorageIo
        raise full(f"{printable(str(path))} cannot be written: {why}.") from error


def _of(session: Session, image: str, called: str) -> _Export:
    http = PlainHttp(session.library.server, {})
    return _Export(http=http, image=image, called=called, out=session.out)


@dataclass(kw_only=True)
class _Export:
    http: PlainHttp
    image: str
    called: str
    out: Output
    clock: Callable[[], float] = time.monotonic
    _meter: SpeedMeter = field(default_factory=SpeedMeter)

    @property
    def path(self) -> str:
        return f"/images/{quote(self.image, safe='')}/file"

    def described(self) -> _Described:
        with self.http.answered("HEAD", self.path, {}) as answer:
            size, tag = answer.headers["content-length"], answer.headers["etag"]
        return _Described(size=int(size), digest=tag.strip('"'))

    def into(self, file: IO[bytes], found: _Described) -> str:
        """Fill the file from what it has on, however often the connection breaks; the digest of all."""
        counted = hashlib.sha256()
        done = _counted(file, counted, found.size)
        lost_at: float | None = None
        while done < found.size:
            try:
                with self.shown(found.size, done) as count:
                    self.receive(file, counted, found, offset=done, count=count)
            except _PASSING as error:
                lost_at = self._patient(error, lost_at, moved=file.tell() > done)
                time.sleep(1.0)
            done = file.tell()
        file.truncate(done)
        return f"sha256:{counted.hexdigest()}"

    def receive(
        self, file: IO[bytes], counted: _Hash, found: _Described, *, offset: int, count: Callable[[int], None]
    ) -> None:
        headers = {"Range": f"bytes={offset}-", "If-Range": f'"{found.digest}"'} if offset else {}
        with self.http.answered("GET", self.path, headers) as answer:
            if offset and answer.status != 206:
                raise DigestMismatch("The image is another one now.", remedy="Export it again.")
            while block := answer.read(_BLOCK):
                file.write(block)
                counted.update(block)
                count(len(block))

    def _patient(self, error: LibraryError, lost_at: float | None, *, moved: bool) -> float:
        if lost_at is None or moved:
            self.out.note(f"{plain(error.message)} Going on from there.")
            return self.clock()
        if self.clock() - lost_at > PATIENCE:
            raise error
        return lost_at

    @contextmanager
    def shown(self, size: int, done: int) -> Generator[Callable[[int], None]]:
        meter = SpeedMeter()
        with chosen_view(self.out) as view:

            def count(more: int) -> None:
                nonlocal done
                done += more
                progress = meter.measure(now=self.clock(), done=done, total=size)
                view.update(
                    ImportStatus(
                        name=self.called,
                        stage="exporting",
                        status=ImportStatus.Status.DOWNLOADING,
                        bytes_downloaded=done,
                        bytes_total=size,
                        progress_percent=progress.percent,
                        download_speed=progress.speed,
                        eta_seconds=progress.eta_seconds,
                    )
                )

            yield count


def _counted(file: IO[bytes], counted: _Hash, size: int) -> int:
    """Count what an earlier run has written; how much of it there is."""
    done = 0
    file.seek(0)
    while done < size and (block := file.read(min(_BLOCK, size - done))):
        counted.update(block)
        done += len(block)
    file.seek(done)
    return done
