"""Fetching over HTTP: hop by hop, going on where it stopped, trying again where that may help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from image_library import __version__
from image_library.domain.errors import (
    BadLength,
    FormatMismatch,
    ImageNotReady,
    Kind,
    LibraryError,
    NotAnImage,
    RedirectDenied,
    SizeExceeded,
    SourceStalled,
    SourceUnreachable,
)
from image_library.node.adapters.fetcher.access import SourceAccess
from image_library.node.adapters.fetcher.answers import Answer, read_answer
from image_library.node.adapters.fetcher.attempts import Attempt, Attempts
from image_library.node.adapters.fetcher.bodies import BUFFER, body_of
from image_library.node.adapters.fetcher.failures import TryAgain, from_exception, from_status
from image_library.node.adapters.fetcher.policy import Hop, Routes, Way
from image_library.node.adapters.fetcher.retries import RetryRules
from image_library.node.adapters.fetcher.several import Ask, Blocks, Several, SeveralRules
from image_library.node.adapters.fetcher.traffic import Traffic
from image_library.node.ports.clock import Clock
from image_library.node.ports.fetching import Receiver, Source, Tell
from image_library.wire.errors import from_plain

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# An answer of unknown length is held against the free space this often.
_LOOK_AGAIN = 256 << 20
_LONGEST_WORDS = 64 << 10
_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError)
_FAILURES = (*_BROKEN, asyncio.TimeoutError)


def open_session(connector: aiohttp.BaseConnector, *, authorization: str = "") -> aiohttp.ClientSession:
    """A session that decodes nothing and follows nothing by itself."""
    shown = {"Authorization": authorization} if authorization else {}
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        read_bufsize=BUFFER,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "User-Agent": f"limiquantix/{__version__}",
            "Accept-Encoding": "identity",
            "Accept": "*/*",
            **shown,
        },
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
    )


class HttpFetcher:
    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        policy: Routes,
        clock: Clock,
        rules: RetryRules | None = None,
        access: SourceAccess | None = None,
        traffic: Traffic | None = None,
        several: SeveralRules | None = None,
        ours: bool = False,
    ) -> None:
        """``ours`` says that the source is the control plane, whose words for its errors are taken over."""
        self._several = several or SeveralRules()
        self._ours = ours
        self._session = session
        self._policy = policy
        self._clock = clock
        self._rules = rules or RetryRules()
        self._access = access or SourceAccess()
        self._traffic = traffic or Traffic(clock)

    async def read_small(self, source: Source, *, limit: int, waiting: Tell) -> bytes:
        async def attempt(trying: Attempt) -> bytes:
            # Not one of the host's connections: it would wait for whole images.
            await self._traffic.well(trying.host, waiting)
            async with self._answered(trying.way, source, {}) as (hop, response, answer):
                if answer.status != 200:
                    raise from_status(hop, answer.status, wait=answer.wait)
                trying.moves()
                return await self._read_all(hop, response, limit)

        return await self._attempts(self._policy.ways(source), waiting).run(attempt)

    async def fetch(self, source: Source, receiver: Receiver, waiting: Tell) -> None:
        ways = self._policy.ways(source)

        async def attempt(trying: Attempt) -> None:
            if receiver.offset and not (receiver.validator or source.digest_known):
                await receiver.restart()
            if receiver.total and receiver.offset == receiver.total:
                return
            several = Several(
                receiver,
                host=trying.host,
                ask=self._asking(trying, source, receiver),
                rules=self._several,
                clock=self._clock,
                traffic=self._traffic,
            )
            async with self._traffic.turn(trying.host, waiting), several.opened():
                await several.bring()
                while not receiver.total or receiver.offset < receiver.total:
                    await self._go_on(trying, source, receiver, several, alone=len(ways) == 1)
                    if not several.cut:
                        return
                    await several.bring()

        await self._attempts(ways, waiting, lambda: receiver.offset).run(attempt)

    async def _go_on(
        self, trying: Attempt, source: Source, receiver: Receiver, several: Several, *, alone: bool
    ) -> None:
        """One answer's worth of bytes. ``alone``: there is no other way whose validators differ."""
        headers = _rest(receiver, conditional=alone)
        try:
            async with self._answered(trying.way, source, headers) as (hop, response, answer):
                if answer.status >= 400 and answer.status != 416:
                    raise await self._refusal(hop, response, answer)
                _check_size(hop, answer, source.size)
                if not await self._complete(hop, answer, receiver, source, alone=alone):
                    trying.moves()
                    if self._may_be_several(trying, source, receiver, answer):
                        several.may_begin()
                    await self._receive(hop, response, receiver, several)
        except (FormatMismatch, NotAnImage, SizeExceeded):
            await several.stop()
            # Another way begins anew.
            await receiver.restart()
            raise

    def _may_be_several(self, trying: Attempt, source: Source, receiver: Receiver, answer: Answer) -> bool:
        """Only what a digest proves is put together from several answers."""
        known = source.digest_known and receiver.total > 0
        return known and answer.ranges and not self._ours and not self._traffic.is_single(trying.host)

    def _asking(self, trying: Attempt, source: Source, receiver: Receiver) -> Ask:
        async def ask(begin: int, end: int) -> Blocks:
            wanted = {"Range": f"bytes={begin}-{end - 1}"}
            async with self._answered(trying.way, source, wanted) as (hop, response, answer):
                if answer.status != 206:
                    raise from_status(hop, answer.status, wait=answer.wait)
                if not _is_span(answer, receiver, begin, end):
                    raise BadLength(f"{hop.host} sent another part of the file than was asked for.")
                missing = end - begin
                async with aclosing(self._blocks(hop, response)) as blocks:
                    async for block in blocks:
                        await self._traffic.pay(len(block))
                        missing -= len(block)
                        if missing < 0:
                            break
                        yield block
                if missing:
                    raise BadLength(f"{hop.host} sent {missing} bytes less than it announced.")

        return ask

    async def announced_size(self, source: Source) -> int:
        for way in self._policy.ways(source):
            try:
                async with self._answered(way, source, {}, method="HEAD") as (_, _, answer):
                    return answer.length if answer.status == 200 else 0
            except (LibraryError, TryAgain):
                continue
        return 0

    def _attempts(
        self, ways: tuple[Way, ...], waiting: Tell, done: Callable[[], int] = lambda: 0
    ) -> Attempts:
        return Attempts(
            ways, rules=self._rules, clock=self._clock, traffic=self._traffic, waiting=waiting, done=done
        )

    @asynccontextmanager
    async def _answered(
        self, way: Way, source: Source, headers: dict[str, str], *, method: str = "GET"
    ) -> AsyncGenerator[tuple[Hop, aiohttp.ClientResponse, Answer]]:
        """The answer at the end of all redirects."""
        if source.fresh:
            headers = {**headers, "Cache-Control": "no-cache"}
        hop = self._policy.first(way.url, http_will_do=source.digest_known)
        while True:
            response = await self._ask(hop, headers, method=method)
            try:
                if response.status not in _REDIRECTS:
                    yield hop, response, read_answer(hop, response)
                    return
                location = response.headers.get("Location", "")
                if not location:
                    raise RedirectDenied(f"{hop.host} redirects without saying where to.")
                hop = self._policy.redirected(hop, location, http_will_do=source.digest_known)
            finally:
                response.close()

    async def _ask(self, hop: Hop, headers: dict[str, str], *, method: str) -> aiohttp.ClientResponse:
        try:
            async with asyncio.timeout(self._rules.patience):
                return await self._session.request(
                    method,
                    URL(hop.url, encoded=True),
                    headers={**headers, **self._access.headers(hop)},
                    ssl=self._access.tls(hop),
                    allow_redirects=False,
                    proxy=hop.proxy or None,
                )
        except _FAILURES as error:
            raise from_exception(hop, error) from error

    async def _refusal(
        self, hop: Hop, response: aiohttp.ClientResponse, answer: Answer
    ) -> LibraryError | TryAgain:
        """Why there is no file; what has come to be nowhere for a moment may be back in the next."""
        said = from_plain(await self._read_all(hop, response, _LONGEST_WORDS)) if self._ours else None
        if said is None:
            return from_status(hop, answer.status, wait=answer.wait)
        passing = said.kind is Kind.UNAVAILABLE or isinstance(said, ImageNotReady)
        return TryAgain(said, wait=answer.wait) if passing else said

    async def _complete(
        self, hop: Hop, answer: Answer, receiver: Receiver, source: Source, *, alone: bool
    ) -> bool:
        """Ready the receiver for the body; True where nothing is missing any more."""
        if answer.status == 200:
            if receiver.offset:
                # No ranges here, or the file is another one now.
                await receiver.restart()
            await receiver.expect(answer.length or source.size, answer.validator)
            return False
        if answer.status == 416 and receiver.offset and answer.total == receiver.offset:
            return True
        if answer.status not in (206, 416):
            raise from_status(hop, answer.status, wait=answer.wait)
        if answer.status == 416 or not _continues(answer, receiver, proved=source.digest_known, alone=alone):
            await receiver.restart()
            raise TryAgain(BadLength(f"{hop.host} sent another part of the file than was asked for."), wait=0)
        await receiver.expect(answer.total or 0, answer.validator)
        return False

    async def _receive(
        self, hop: Hop, response: aiohttp.ClientResponse, receiver: Receiver, several: Several
    ) -> None:
        total, validator = receiver.total, receiver.validator
        look_at = receiver.offset + _LOOK_AGAIN
        try:
            async for block in several.first(self._blocks(hop, response)):
                await self._traffic.pay(len(block))
                if total and receiver.offset + len(block) > total:
                    raise SizeExceeded(f"{hop.host} sends more than the {total} bytes that there are to be.")
                await receiver.write(block)
                if not total and receiver.offset > look_at:
                    look_at += _LOOK_AGAIN
                    await receiver.expect(0, validator)
        except _BROKEN as error:
            raise TryAgain(_broken(hop, receiver)) from error
        if total and receiver.offset < total and not several.cut:
            raise TryAgain(_broken(hop, receiver))

    async def _read_all(self, hop: Hop, response: aiohttp.ClientResponse, limit: int) -> bytes:
        found = bytearray()
        try:
            async for block in self._blocks(hop, response):
                found += block
                if len(found) > limit:
                    raise SizeExceeded(
                        f"{hop.shown} has more than the {limit} bytes that such a file may have."
                    )
        except _BROKEN as error:
            raise TryAgain(SourceUnreachable(f"The connection to {hop.host} broke.")) from error
        return bytes(found)

    async def _blocks(self, hop: Hop, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes | memoryview]:
        """The body as it comes; ends the connection when it hardly comes any more."""
        rules, body, loop = self._rules, body_of(response), asyncio.get_running_loop()
        enough = round(rules.slowest_rate * rules.patience)
        came, window_ends = 0, loop.time() + rules.patience
        while True:
            try:
                async with asyncio.timeout_at(window_ends):
                    block = await body.read()
            except TimeoutError:
                kept = f"{rules.slowest_rate} bytes a second for {rules.patience:g} s"
                raise TryAgain(SourceStalled(f"{hop.host} sent less than {kept}.")) from None
            if not block:
                return
            came += len(block)
            if came >= enough:
                came, window_ends = 0, loop.time() + rules.patience
            asked = loop.time()
            yield block
            # Waiting for our own disk is not the source's fault.
            window_ends += loop.time() - asked


def _check_size(hop: Hop, answer: Answer, size: int) -> None:
    """Raises SizeExceeded, BadLength: what is announced is not the size that was ordered."""
    announced = answer.total if answer.status == 206 else answer.length
    if not size or not announced or answer.status not in (200, 206):
        return
    said = f"{hop.host} announces {announced} bytes, and there are to be {size}."
    if announced > size:
        raise SizeExceeded(said, remedy="Check the URL and the size that was given.")
    if announced < size:
        raise BadLength(said, remedy="Check the URL and the size that was given.")


def _rest(receiver: Receiver, *, conditional: bool) -> dict[str, str]:
    """The headers that ask for what is missing."""
    if not receiver.offset:
        return {}
    headers = {"Range": f"bytes={receiver.offset}-"}
    return {**headers, "If-Range": receiver.validator} if receiver.validator and conditional else headers


def _continues(answer: Answer, receiver: Receiver, *, proved: bool, alone: bool) -> bool:
    """Whether a 206 is exactly the rest of the file whose beginning we have.

    Where no digest will prove it in the end, the source must say so itself.
    """
    silent = proved and not (alone and receiver.validator and answer.validator)
    same = silent or answer.validator == receiver.validator
    known = not receiver.total or answer.total == receiver.total
    whole = answer.begins == receiver.offset and answer.ends == answer.total
    return bool(receiver.offset) and whole and known and same


def _is_span(answer: Answer, receiver: Receiver, begin: int, end: int) -> bool:
    """Whether it is exactly that part of the very file whose beginning we have."""
    where = (answer.begins, answer.ends, answer.total)
    return where == (begin, end, receiver.total) and answer.validator == receiver.validator


def _broken(hop: Hop, receiver: Receiver) -> SourceUnreachable:
    size = f" of {receiver.total}" if receiver.total else ""
    return SourceUnreachable(f"The connection to {hop.host} broke after {receiver.offset}{size} bytes.")
