"""Asks a publisher what the newest build of an image is, and reads what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from image_library.domain.errors import LibraryError, SourceStalled
from image_library.domain.origin import shown_url
from image_library.domain.progress import Waiting
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.releases import Reading, Release, ReleaseIndex, page_limit, read_index
from image_library.node.ports.fetching import SmallFiles, Source, Tell
from image_library.node.ports.signatures import Signatures
from image_library.node.services.expected_digest import resolve_expected
from image_library.node.services.shared_pages import SharedPages

log = structlog.get_logger()

# Who asks waits for the answer: the checksum file gets this many seconds, and so does the index.
PATIENCE_SECONDS = 45.0


def _ignore(_: Waiting) -> None:
    """Nobody is told what is waited for."""


class AskPublisher:
    def __init__(
        self, files: SmallFiles, signatures: Signatures, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._pages = SharedPages(files)
        self._signatures = signatures
        self._patience = patience

    async def latest(self, question: PublisherQuestion, *, waiting: Tell = _ignore) -> PublisherAnswer:
        """What the publisher offers now. An index that cannot be used is a note in the answer.

        Questions that are asked at the same time share what is fetched. ``waiting`` is told what is
        waited for.

        Raises:
            SignatureMissing, SignatureInvalid, SignatureKeyUnknown, SignatureExpired: it is not signed
                as the question demands.
            ChecksumMissing, InvalidChecksumFile: the checksum file does not tell.
            The errors of ``SmallFiles.read_small``, for the checksum file.
        """
        with self._pages.in_use():
            async with self._patient(question.checksum_url, waiting) as told:
                expected = await resolve_expected(
                    question, self._pages, self._signatures, waiting=told, fresh=True
                )
            answer = PublisherAnswer(
                digest=expected.digest, level=expected.level, source=expected.source, url=question.url
            )
            return await self._with_index(answer, question.index, waiting) if question.index else answer

    async def read(self, url: str, *, limit: int) -> bytes:
        """The whole of a small file, as it is now.

        Raises:
            The errors of ``SmallFiles.read_small``.
        """
        with self._pages.in_use():
            async with self._patient(url, _ignore) as told:
                return await self._pages.read_small(Source(url=url, fresh=True), limit=limit, waiting=told)

    async def _with_index(
        self, answer: PublisherAnswer, index: ReleaseIndex, waiting: Tell
    ) -> PublisherAnswer:
        try:
            async with self._patient(index.url, waiting) as told:
                return answer.with_index(index, await self._releases(index, told))
        except LibraryError as error:
            place = shown_url(index.url)
            log.info("index_not_used", code=error.code, url=place)
            return answer.without_index(index, f"The index {place} was not used: {error.message}")

    async def _releases(self, index: ReleaseIndex, waiting: Tell) -> tuple[Release, ...]:
        reading = read_index(index)
        step = next(reading)
        while isinstance(step, str):
            source = Source(url=step, fresh=True)
            page = await self._pages.read_small(source, limit=page_limit(index), waiting=waiting)
            # Ubuntu's takes some tenths of a second.
            step = await asyncio.to_thread(_after, reading, page)
        return step

    @asynccontextmanager
    async def _patient(self, url: str, waiting: Tell) -> AsyncGenerator[Tell]:
        """Gives up in the end, and says what was waited for then.

        Raises:
            SourceStalled: it took too long.
        """
        last = ""

        def told(what: Waiting) -> None:
            nonlocal last
            last = what.what
            waiting(what)

        try:
            async with asyncio.timeout(self._patience):
                yield told
        except TimeoutError:
            message = f"{shown_url(url)} was not read within {self._patience:g} s. {last}"
            raise SourceStalled(message.rstrip()) from None


def _after(reading: Reading, page: bytes) -> str | tuple[Release, ...]:
    """The next page's URL, or the releases: a StopIteration cannot leave a thread."""
    try:
        return reading.send(page)
    except StopIteration as end:
        return end.value
