"""From bytes that came to an image that is kept: unpacked, judged twice, converted, and judged again.

What came is never changed; all that is made of it is new, and goes when the attempt ends badly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast

import structlog

from image_library.domain.conversion import MAGIC_BYTES, DiskInside, DiskReport, Packing, Shape, packing_of
from image_library.domain.errors import (
    AllocatedTooLarge,
    ConvertFailed,
    LibraryError,
    UnsupportedArchive,
)
from image_library.domain.image import ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.qcow2 import MAX_VIRTUAL_SIZE
from image_library.domain.store import ImageFacts
from image_library.domain.trust import TrustLevel
from image_library.node.ports.conversion import Converter, Unpacker
from image_library.node.ports.inspecting import Inspector
from image_library.node.ports.storage import Blob, ImageStore, Output, Part, PartDigests
from image_library.node.services.second_look import second_look

log = structlog.get_logger()
T = TypeVar("T")

# Beyond what was measured, for tables that measuring does not know.
_SLACK = 64 << 20
# How often the space that a growing file takes is looked at.
_WATCH_SECONDS = 0.5
# Where unpacking ends, and where converting does; the rest of the work is hashing.
_UNPACKED, _CONVERTED = 0.5, 0.9


class Watch(Protocol):
    """The one who waits, and is told how it goes."""

    async def entered(self, state: JobState) -> None: ...

    def worked(self, done: int, total: int) -> None:
        """How far unpacking and converting are, in bytes of what was given. From any thread."""
        ...


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an image is made of, and what is known of it."""

    source: Part | Blob | Output
    digests: PartDigests
    # For messages.
    name: str
    declared: ImageFormat
    # Of what this node knows already: its facts, which nobody guesses from its bytes, and its trust.
    facts: ImageFacts | None = None
    trust: TrustLevel | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """An image that may be published. ``output`` is None where it is the very file that was given."""

    output: Output | None
    digests: PartDigests
    facts: ImageFacts
    converted_from: ConvertedFrom | None = None


@dataclass
class _Attempt:
    given: Given
    wanted: Shape | None
    key: str
    watch: Watch
    stack: AsyncExitStack
    packing: Packing | None = None
    # What was made so far; None: what was given.
    output: Output | None = None
    done: float = 0.0
    begun: bool = False

    @property
    def fd(self) -> int:
        return self.output.fd if self.output else self.given.source.fd

    @property
    def size(self) -> int:
        return self.output.size if self.output else self.given.digests.size_bytes

    async def begin(self) -> None:
        if not self.begun:
            self.begun = True
            self.tell(0, until=1)
            await self.watch.entered(JobState.CONVERTING)

    def tell(self, fraction: float, *, until: float) -> None:
        """``fraction`` of the step that ends at ``until``."""
        size = self.given.digests.size_bytes
        self.watch.worked(int(size * (self.done + fraction * (until - self.done))), size)


class ImageMaking:
    def __init__(
        self,
        *,
        store: ImageStore,
        inspector: Inspector,
        unpacker: Unpacker,
        converter: Converter,
        max_virtual_size: int = MAX_VIRTUAL_SIZE,
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._unpacker = unpacker
        self._converter = converter
        self._max_virtual_size = max_virtual_size

    @asynccontextmanager
    async def making(
        self, given: Given, wanted: Shape | None, *, key: str, watch: Watch
    ) -> AsyncGenerator[Made]:
        """The image, for as long as the block lasts; what nobody has published then is removed.

        Raises:
            All errors of inspector, unpacker and converter.
            FormatMismatch: the two judges see different disks.
            AllocatedTooLarge, StorageFull, StorageIo
        """
        await watch.entered(JobState.INSPECTING)
        async with AsyncExitStack() as stack:
            attempt = _Attempt(given=given, wanted=wanted, key=key, watch=watch, stack=stack)
            if given.facts is None:
                attempt.packing = packing_of(await given.source.read(0, MAGIC_BYTES))
            if attempt.packing is not None:
                await self._unpack(attempt, attempt.packing)
            facts = inside = await self._judged(attempt, given.name, given.declared)
            disk = await self._inspector.disk_in(attempt.fd, facts, name=given.name, size=attempt.size)
            report = await second_look(self._converter, attempt.fd, disk, facts, name=given.name)
            digests = given.digests
            if wanted is not None and facts.format is not ImageFormat.ISO and not wanted.fits(facts.format):
                await self._convert(attempt, disk, wanted, report)
                async with _meanwhile(self._hashed(attempt)) as hashing:
                    made = await self._judged_again(attempt, wanted, report)
                    digests = await hashing
                facts = replace(made, hardware=facts.hardware)
            elif attempt.output is not None:
                digests = await self._hashed(attempt)
            yield self._made(attempt, digests, inside, facts)

    async def _judged(self, attempt: _Attempt, name: str, declared: ImageFormat) -> ImageFacts:
        given = attempt.given
        if given.facts is not None and attempt.output is None:
            return given.facts
        file = attempt.output or cast("Part", given.source)
        return await self._inspector.inspect_part(file, name=name, declared=declared, size=attempt.size)

    async def _unpack(self, attempt: _Attempt, packing: Packing) -> None:
        await attempt.begin()
        given = attempt.given
        output = await self._opened(attempt, "unpacked")
        output.promise(given.digests.size_bytes)
        room = await self._store.room()
        await self._unpacker.unpack(
            given.source.fd,
            packing,
            output.fd,
            name=given.name,
            most=self._max_virtual_size + _SLACK,
            room=room,
            told=lambda done: attempt.tell(done, until=_UNPACKED),
        )
        attempt.output, attempt.done = output, _UNPACKED
        if packing_of(await output.read(0, MAGIC_BYTES)) is not None:
            raise UnsupportedArchive(f"{given.name} is packed more than once.")

    async def _convert(self, attempt: _Attempt, disk: DiskInside, wanted: Shape, report: DiskReport) -> None:
        await attempt.begin()
        size, source = report.virtual_size_bytes, attempt.fd
        needed = await self._converter.measure(source, disk, wanted, virtual_size=size)
        output = await self._opened(attempt, "made")
        output.promise(needed)
        doing = self._converter.convert(
            source,
            disk,
            output.fd,
            wanted,
            virtual_size=size,
            most=_longest(wanted.format, size, needed),
            told=lambda done: attempt.tell(done, until=_CONVERTED),
        )
        await _bounded(doing, output, needed + _SLACK)
        attempt.output, attempt.done = output, _CONVERTED
        log.info("image_converted", before=disk.format.value, after=str(wanted), size_bytes=output.size)

    async def _judged_again(self, attempt: _Attempt, wanted: Shape, before: DiskReport) -> ImageFacts:
        """What was made is foreign bytes still: a raw disk may begin with another image's header."""
        name = f"The converted {attempt.given.name}"
        facts = await self._judged(attempt, name, wanted.format)
        disk = DiskInside(format=facts.format)
        report = await second_look(self._converter, attempt.fd, disk, facts, name=name)
        if report.virtual_size_bytes != before.virtual_size_bytes:
            sizes = f"{report.virtual_size_bytes} bytes, not {before.virtual_size_bytes}"
            raise ConvertFailed(f"{name} is a disk of {sizes}.")
        return facts

    async def _hashed(self, attempt: _Attempt) -> PartDigests:
        assert attempt.output is not None
        return await attempt.output.digests(lambda done: attempt.tell(done, until=1.0))

    def _made(self, attempt: _Attempt, digests: PartDigests, inside: ImageFacts, facts: ImageFacts) -> Made:
        given, output = attempt.given, attempt.output
        if output is None:
            return Made(output=None, digests=digests, facts=facts)
        source = ConvertedFrom(
            format=inside.format.value,
            packing=attempt.packing.value if attempt.packing else "",
            digest=f"sha256:{given.digests.sha256}",
            size_bytes=given.digests.size_bytes,
            sha512=given.digests.sha512,
            shape=str(attempt.wanted or Shape(format=facts.format)),
            trust=given.trust,
            hardware=inside.hardware,
        )
        return Made(output=output, digests=digests, facts=facts, converted_from=source)

    async def _opened(self, attempt: _Attempt, what: str) -> Output:
        output = await self._store.open_output(f"{attempt.key}-{what}")
        attempt.stack.push_async_callback(_drop, output)
        return output


async def _drop(output: Output) -> None:
    """Its end is no reason for another one; what stays goes at the next start."""
    try:
        await output.discard()
    except LibraryError as error:
        log.warning("output_not_removed", file=output.path.name, code=error.code)


def _longest(image_format: ImageFormat, size: int, needed: int) -> int:
    """How long the file may become. Only a qcow2's clusters follow each other without gaps."""
    return needed + _SLACK if image_format is ImageFormat.QCOW2 else size + size // 16 + 2 * _SLACK


@asynccontextmanager
async def _meanwhile(doing: Coroutine[object, object, T]) -> AsyncGenerator[asyncio.Task[T]]:
    """It is done beside the block, and given up with it."""
    task = asyncio.ensure_future(doing)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(BaseException):
            await task


async def _bounded(doing: Coroutine[object, object, None], output: Output, most: int) -> None:
    """Wait for the program that writes ``output``, and end it where that takes more space than ``most``."""
    async with _meanwhile(doing) as task:
        while not (await asyncio.wait([task], timeout=_WATCH_SECONDS))[0]:
            if output.offset > most:
                raise AllocatedTooLarge(f"The image unfolds to more than the {most} bytes that it may.")
        task.result()
