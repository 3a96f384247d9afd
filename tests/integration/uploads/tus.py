"""The tus protocol by hand, so that the door is tried by something that is not our own client."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.processes import Program

BYTES = "application/offset+octet-stream"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def offset(self) -> int:
        return int(self.headers["upload-offset"])


@dataclass
class Tus:
    program: Program
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def call(self, method: str, path: str, body: bytes | Iterable[bytes] = b"", **headers: str) -> Answer:
        """Header names are written with underscores; an empty value leaves a header out."""
        sent = {
            "Tus-Resumable": "1.0.0",
            "Authorization": f"Bearer {self.program.token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        where = urlsplit(self.program.url)
        with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)) as connection:
            connection.request(method, path, body=body, headers={k: v for k, v in sent.items() if v})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())

    def create(self, size: int, **metadata: str) -> str:
        answer = self.call("POST", "/uploads/", Upload_Length=str(size), Upload_Metadata=encoded(metadata))
        assert answer.status == 201, answer.body
        return answer.headers["location"]

    def append(self, path: str, offset: int, body: bytes, **headers: str) -> Answer:
        return self.call("PATCH", path, body, Upload_Offset=str(offset), Content_Type=BYTES, **headers)

    def offset(self, path: str) -> int:
        return self.call("HEAD", path).offset


def encoded(metadata: dict[str, str]) -> str:
    pairs = {key: base64.b64encode(value.encode()).decode() for key, value in metadata.items()}
    return ",".join(f"{key} {value}" for key, value in pairs.items())
