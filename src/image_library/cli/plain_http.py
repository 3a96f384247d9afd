"""Plain HTTP to the server, beside the RPCs: for the bytes of images, which have no place in messages."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from image_library.cli.servers import Server
from image_library.domain.errors import (
    Internal,
    LibraryError,
    NodeUnreachable,
    ServerUnreachable,
    StorageFull,
    Unauthenticated,
    UnknownImage,
)

_BLOCK = 1 << 20
_LARGEST_ERROR = 64 * 1024
# What an answer means that has no body.
_WORDLESS: Mapping[int, tuple[type[LibraryError], str]] = {
    401: (Unauthenticated, "The server does not accept the token."),
    404: (UnknownImage, "The server does not know that."),
    503: (NodeUnreachable, "The node that is needed does not answer."),
    507: (StorageFull, "There is no space left for it."),
}


class Body(Protocol):
    def read(self, count: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Answer:
    """``headers`` have names in small letters."""

    status: int
    headers: Mapping[str, str]
    _response: http.client.HTTPResponse
    _url: str

    def read(self, count: int) -> bytes:
        """The next bytes of the body; none at its end. Raises ServerUnreachable when it breaks off."""
        with _translated(self._url):
            block = self._response.read(count)
            if not block and self._response.length:
                raise http.client.IncompleteRead(block)
            return block


@contextmanager
def _translated(url: str) -> Generator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise ServerUnreachable(f"The connection to {url} broke.") from error


@dataclass(frozen=True)
class PlainHttp:
    """``wordless`` are meanings of answers without a body besides the usual ones."""

    server: Server
    wordless: Mapping[int, tuple[type[LibraryError], str]]

    @contextmanager
    def answered(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Generator[Answer]:
        """The answer, whose body may be read within the block.

        Raises the server's own error, or ServerUnreachable.
        """
        connection = self._connection()
        try:
            with _translated(self.server.url):
                connection.request(method, path, body=body, headers={**self._token(), **headers})
                answer = connection.getresponse()
                if answer.status >= 400:
                    raise self._refusal(answer)
            told = {name.lower(): value for name, value in answer.getheaders()}
            yield Answer(answer.status, told, answer, self.server.url)
        finally:
            connection.close()

    def _token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.server.token}"} if self.server.token else {}

    def _connection(self) -> http.client.HTTPConnection:
        url = urlsplit(self.server.url)
        host, patience = url.hostname or "", self.server.patience
        if url.scheme == "https":
            trusted = ssl.create_default_context(cafile=self.server.ca_file)
            return http.client.HTTPSConnection(
                host, url.port, timeout=patience, context=trusted, blocksize=_BLOCK
            )
        return http.client.HTTPConnection(host, url.port, timeout=patience, blocksize=_BLOCK)

    def _refusal(self, answer: http.client.HTTPResponse) -> LibraryError:
        """The error that the server described; a HEAD's answer has no words."""
        from image_library.wire.errors import from_plain

        ours = from_plain(answer.read(_LARGEST_ERROR))
        if ours is not None:
            return ours
        meaning = {**_WORDLESS, **self.wordless}.get(answer.status)
        return meaning[0](meaning[1]) if meaning else Internal(f"The server answered {answer.status}.")
