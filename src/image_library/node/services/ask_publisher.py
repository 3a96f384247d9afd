"""Asks a publisher what the newest build of an image is, and reads what it says."""

from __future__ import annotations

import asyncio

import structlog

from image_library.domain.errors import LibraryError
from image_library.domain.origin import shown_url
from image_library.domain.progress import Waiting
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.releases import Reading, Release, ReleaseIndex, page_limit, read_index
from image_library.node.ports.fetching import Fetcher, Source, Tell
from image_library.node.services.expected_digest import resolve_expected

log = structlog.get_logger()


def _ignore(_: Waiting) -> None:
    """Nobody is told what is waited for."""


class AskPublisher:
    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def latest(self, question: PublisherQuestion, *, waiting: Tell = _ignore) -> PublisherAnswer:
        """What the publisher offers now. An index that cannot be used is a note in the answer.

        ``waiting`` is told what is waited for.

        Raises:
            ChecksumMissing, InvalidChecksumFile: the checksum file does not tell.
            The errors of ``Fetcher.read_small``, for the checksum file.
        """
        expected = await resolve_expected(question, self._fetcher, waiting=waiting, fresh=True)
        answer = PublisherAnswer(
            digest=expected.digest, level=expected.level, source=expected.source, url=question.url
        )
        index = question.index
        if index is None:
            return answer
        try:
            return answer.with_index(index, await self._releases(index, waiting))
        except LibraryError as error:
            place = shown_url(index.url)
            log.info("index_not_used", code=error.code, url=place)
            return answer.without_index(index, f"The index {place} was not used: {error.message}")

    async def _releases(self, index: ReleaseIndex, waiting: Tell) -> tuple[Release, ...]:
        reading = read_index(index)
        step = next(reading)
        while isinstance(step, str):
            source = Source(url=step, fresh=True)
            page = await self._fetcher.read_small(source, limit=page_limit(index), waiting=waiting)
            # Ubuntu's takes some tenths of a second.
            step = await asyncio.to_thread(_after, reading, page)
        return step


def _after(reading: Reading, page: bytes) -> str | tuple[Release, ...]:
    """The next page's URL, or the releases: a StopIteration cannot leave a thread."""
    try:
        return reading.send(page)
    except StopIteration as end:
        return end.value
