"""Sending a file as a resumable upload (tus 1.0): its offset is asked for, never believed to be known.

Source: https://tus.io/protocols/resumable-upload
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from image_library.cli.plain_http import PlainHttp
from image_library.cli.servers import Server
from image_library.domain.errors import LibraryError, UnknownUpload, UploadBusy

VERSION = "1.0.0"


# What an answer means that has no body.
_WORDLESS: Mapping[int, tuple[type[LibraryError], str]] = {
    404: (UnknownUpload, "The server does not know this upload any more."),
    410: (UnknownUpload, "The server does not know this upload any more."),
    423: (UploadBusy, "Somebody else sends bytes for this upload."),
}


@dataclass(frozen=True, kw_only=True)
class Created:
    """``path`` names the upload at its server."""

    path: str

    @property
    def job_id(self) -> str:
        return self.path.rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class TusClient:
    """Every call raises LibraryError only: the server's own, or ServerUnreachable."""

    server: Server

    def create(self, size: int, metadata: Mapping[str, str]) -> Created:
        """Begin an upload of ``size`` bytes; the server promises the space."""
        pairs = ",".join(
            f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items() if value
        )
        headers = {"Upload-Length": str(size), "Upload-Metadata": pairs}
        return Created(path=self._call("POST", "/uploads/", headers)["location"])

    def offset(self, upload: Created) -> int:
        """How many bytes the server keeps. Raises UnknownUpload when it knows nothing of it any more."""
        return int(self._call("HEAD", upload.path, {})["upload-offset"])

    def send(
        self, upload: Created, file: IO[bytes], *, offset: int, size: int, sent: Callable[[int], None]
    ) -> int:
        """Send the file from ``offset`` on; how many bytes the server keeps then. ``sent`` counts them."""
        file.seek(offset)
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size - offset),
        }
        answer = self._call("PATCH", upload.path, headers, _Counted(file, size - offset, sent))
        return int(answer["upload-offset"])

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: _Counted | None = None
    ) -> Mapping[str, str]:
        http = PlainHttp(self.server, _WORDLESS)
        with http.answered(method, path, {"Tus-Resumable": VERSION, **headers}, body) as answer:
            return answer.headers


class _Counted:
    """A file's next bytes, as http.client reads them."""

    def __init__(self, file: IO[bytes], left: int, sent: Callable[[int], None]) -> None:
        self._file = file
        self._left = left
        self._sent = sent

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        block = self._file.read(wanted)
        self._left -= len(block)
        self._sent(len(block))
        return block


def fingerprint(server: Server, path: Path) -> str:
    """Names a file as it is now at its server; another content has, as good as always, another time."""
    seen = path.stat()
    return f"{server.url} {path.resolve()} {seen.st_size} {seen.st_mtime_ns}"
