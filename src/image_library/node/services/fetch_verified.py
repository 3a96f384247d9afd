"""Fetching an image until its bytes have the expected digest, and refusing them when they never do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from image_library.domain.checksum import Digest
from image_library.domain.conversion import packing_of
from image_library.domain.errors import (
    AmbiguousFormat,
    BadLength,
    DigestMismatch,
    FormatMismatch,
    LibraryError,
    NotAnImage,
    SizeExceeded,
    StorageFull,
    StorageIo,
    UnknownUpload,
    UnsupportedArchive,
)
from image_library.domain.image import ImageFormat
from image_library.domain.image_formats import detect
from image_library.domain.job import JobState
from image_library.domain.progress import Waiting
from image_library.domain.store import DownloadOrder
from image_library.domain.trust import TrustLevel
from image_library.node.ports.fetching import Early, Fetcher, Source
from image_library.node.ports.inspecting import Inspector
from image_library.node.ports.signatures import Signatures
from image_library.node.ports.storage import ImageStore, Part, PartDigests, PartKey
from image_library.node.services.expected_digest import Expected, as_proof, resolve_expected
from image_library.node.services.receive_upload import upload_part

log = structlog.get_logger()

_ENOUGH_TO_JUDGE = 1024
# On a full disk, less than this is worth more as free space.
_WORTH_KEEPING = 64 << 20
_ARCHIVES = frozenset({"zip", "7z"})
_NO_LENGTH = "the source announces no length"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A part whose bytes have the digest that was expected of them, or that none was known for."""

    part: Part
    digests: PartDigests
    expected: Expected


class Watch(Protocol):
    """The one who waits for a fetch, and is told how it goes."""

    async def entered(self, state: JobState) -> None: ...

    def waiting(self, waiting: Waiting) -> None:
        """What is waited for, or that it moves again."""
        ...

    def opened(self, part: Part) -> None:
        """The part that grows now."""
        ...


class VerifiedFetch:
    def __init__(
        self,
        *,
        store: ImageStore,
        fetcher: Fetcher,
        library: Fetcher,
        inspector: Inspector,
        signatures: Signatures,
    ) -> None:
        """``library`` fetches what the library has on other nodes."""
        self._store = store
        self._library = library
        self._fetcher = fetcher
        self._signatures = signatures
        self._inspector = inspector

    async def run(
        self, order: DownloadOrder, expected: Expected | None, *, key: str, watch: Watch
    ) -> Verified:
        """The verified part, open. A part with wrong bytes is removed.

        With nothing to expect, the bytes are taken as they come and only measured.

        Wrong bytes may be an earlier try's, a cache's or a carrying mirror's, or those of a file that its
        publisher replaced meanwhile: before the source is blamed it is asked once more, past all these.

        Raises:
            DigestMismatch, BadLength, and the errors of the fetcher, the store and the inspector.
        """
        if expected is None:
            return await self._measured(order, key=key, watch=watch)
        again = False
        while True:
            part, digests = await self._fetch(order, expected, key=key, watch=watch, fresh=again)
            if digests.named(expected.digest.algorithm) == expected.digest.hex:
                return Verified(part=part, digests=digests, expected=as_proof(order, expected))
            try:
                newest = await self._newest(order, watch)
                if digests.named(newest.digest.algorithm) == newest.digest.hex:
                    return Verified(part=part, digests=digests, expected=newest)
                if again or order.received:
                    raise await self._refusal(order, part, digests, newest)
            except BaseException:
                await part.discard()
                raise
            await part.discard()
            log.warning("download_starts_again", job_id=order.job_id, resumed_from=part.resumed_from)
            again, expected = True, newest

    async def _newest(self, order: DownloadOrder, watch: Watch) -> Expected:
        """What is expected if caches on the way are asked to look again."""
        return await resolve_expected(
            order, self._fetcher, self._signatures, waiting=watch.waiting, fresh=True
        )

    async def _measured(self, order: DownloadOrder, *, key: str, watch: Watch) -> Verified:
        """What came, with its own digest. Whether it is all of it, only its length can tell."""
        part, digests = await self._fetch(order, None, key=key, watch=watch, fresh=False)
        try:
            if part.total:
                return _as_it_came(part, digests, note="")
            announced = await self._fetcher.announced_size(Source(url=order.url))
            if announced in (0, digests.size_bytes):
                return _as_it_came(part, digests, note="" if announced else _NO_LENGTH)
            raise BadLength(
                f"{order.filename} came with {digests.size_bytes} bytes, and {announced} are announced."
            )
        except BaseException:
            await part.discard()
            raise

    def _fetcher_for(self, order: DownloadOrder) -> Fetcher:
        return self._library if order.library_digest else self._fetcher

    async def _refusal(
        self, order: DownloadOrder, part: Part, digests: PartDigests, expected: Expected
    ) -> LibraryError:
        """Why these bytes are not taken; a web page, or another format, deserves its own name."""
        beginning = await part.read(0, _ENOUGH_TO_JUDGE)
        _judge(self._inspector, beginning, name=order.filename, declared=order.format)
        algorithm, source = expected.digest.algorithm, expected.source
        # Not every digest has a place of its own; one that was given with the order is known to who gave it.
        but = f"{source} says" if "://" in source else "it must have"
        found = digests.named(algorithm)
        return DigestMismatch(
            f"{order.filename} has the {algorithm} {found}, but {but} {expected.digest.hex}."
        )

    async def _received(self, part: Part, watch: Watch) -> tuple[Part, PartDigests]:
        """The bytes of an upload, which are here already."""
        if part.offset < part.total or not part.total:
            raise UnknownUpload(f"Of the upload only {part.offset} of {part.total} bytes are here.")
        await watch.entered(JobState.VERIFYING)
        return part, await part.finish()

    async def _fetch(
        self, order: DownloadOrder, expected: Expected | None, *, key: str, watch: Watch, fresh: bool
    ) -> tuple[Part, PartDigests]:
        await watch.entered(JobState.FETCHING)
        part = await self._store.open_part(_part_of(order, expected, key))
        watch.opened(part)
        try:
            if order.received:
                return await self._received(part, watch)
            source = Source(
                url=order.library_digest or order.url,
                digest_known=expected is not None,
                fresh=fresh,
                size=order.size_bytes,
            )
            receiver = _Judged(part, self._inspector, name=order.filename, declared=order.format)
            await self._fetcher_for(order).fetch(source, receiver, watch.waiting)
            await watch.entered(JobState.VERIFYING)
            digests = await part.finish()
            _check_size(order, digests.size_bytes)
            return part, digests
        except (StorageIo, NotAnImage, AmbiguousFormat, FormatMismatch, SizeExceeded, UnsupportedArchive):
            # A failing disk is never trusted again; and what is no such image is no beginning of one.
            await part.discard()
            raise
        except BaseException as error:
            least = _WORTH_KEEPING if isinstance(error, StorageFull) else 1
            await (part.close() if part.offset >= least else part.discard())
            raise


def _check_size(order: DownloadOrder, size: int) -> None:
    """Raises BadLength: these are fewer bytes than were ordered; more are never taken."""
    if order.size_bytes and size != order.size_bytes:
        raise BadLength(f"{order.filename} came with {size} bytes, and there are to be {order.size_bytes}.")


def _as_it_came(part: Part, digests: PartDigests, *, note: str) -> Verified:
    digest = Digest(algorithm="sha256", hex=digests.sha256)
    found = Expected(digest=digest, level=TrustLevel.UNVERIFIED, source=note, measured=True)
    return Verified(part=part, digests=digests, expected=found)


def _part_of(order: DownloadOrder, expected: Expected | None, key: str) -> PartKey:
    if order.received:
        return upload_part(order.job_id, order.checksum_algorithm)
    return PartKey(key=key, expected=str(expected.digest) if expected else "")


def _judge(inspector: Inspector, beginning: bytes, *, name: str, declared: ImageFormat) -> None:
    """Of what is packed, only what is inside can be judged.

    Raises:
        UnsupportedArchive, NotAnImage, FormatMismatch
    """
    if detect(beginning) in _ARCHIVES:
        raise UnsupportedArchive(f"{name} is an archive of files, not one packed disk image.")
    if packing_of(beginning) is None:
        inspector.judge_beginning(beginning, name=name, declared=declared)


class _Judged:
    """A part that refuses what cannot become the image as soon as its first bytes show it."""

    def __init__(self, part: Part, inspector: Inspector, *, name: str, declared: ImageFormat) -> None:
        self._part = part
        self._inspector = inspector
        self._name = name
        self._declared = declared
        self._beginning = b""

    @property
    def offset(self) -> int:
        return self._part.offset

    @property
    def total(self) -> int:
        return self._part.total

    @property
    def validator(self) -> str:
        return self._part.validator

    async def expect(self, total: int, validator: str) -> None:
        await self._part.expect(total, validator)

    async def write(self, block: bytes | memoryview) -> None:
        if self._part.offset == len(self._beginning) < _ENOUGH_TO_JUDGE:
            self._beginning += bytes(block[: _ENOUGH_TO_JUDGE - len(self._beginning)])
            if len(self._beginning) in (_ENOUGH_TO_JUDGE, self._part.total):
                _judge(self._inspector, self._beginning, name=self._name, declared=self._declared)
        await self._part.write(block)

    @property
    def early(self) -> Sequence[Early]:
        return self._part.early

    async def begin_early(self, offset: int, length: int) -> Early:
        return await self._part.begin_early(offset, length)

    async def forget_early(self, early: Early) -> None:
        await self._part.forget_early(early)

    async def restart(self) -> None:
        self._beginning = b""
        await self._part.restart()
