"""Fetching a publisher's file: one way for images and checksum files, with the same rules about where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from image_library.domain.progress import Waiting

# Is told what a fetch waits for, and that it moves again.
Tell = Callable[[Waiting], None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What to fetch, and what is known of it beforehand."""

    url: str
    # A strong digest proves the bytes in the end: http will do, and a prefix can be gone on from.
    digest_known: bool = False
    # Ask caches on the way to look again, and no mirror that only carries.
    fresh: bool = False
    # Bytes that it must have; 0 where nobody said.
    size: int = 0


class Early(Protocol):
    """Bytes that came before their turn: those of the file from ``begin`` up to ``end``."""

    @property
    def begin(self) -> int: ...

    @property
    def end(self) -> int: ...

    async def write(self, block: bytes | memoryview) -> None:
        """Take the bytes from ``end`` on, which are not used after it; a kill does not take them any more.

        Raises:
            StorageFull, StorageIo
        """
        ...

    async def read(self, offset: int) -> bytes | memoryview:
        """Some of its bytes from there on, good until the next call.

        Raises:
            StorageIo
        """
        ...


class Receiver(Protocol):
    """Where the bytes of a fetch go, in order; what comes early lies beside them until it is its turn."""

    @property
    def offset(self) -> int:
        """Bytes already here; a fetch goes on from them."""
        ...

    @property
    def total(self) -> int:
        """The size announced when those bytes came; 0 where it is not known."""
        ...

    @property
    def validator(self) -> str:
        """The strong ETag that came with those bytes; empty where there was none."""
        ...

    async def expect(self, total: int, validator: str) -> None:
        """The source announces ``total`` bytes (0: it does not say).

        Raises:
            StorageFull: they do not fit.
        """
        ...

    async def write(self, block: bytes | memoryview) -> None:
        """Take the next bytes, which are not used after it; waits while the disk is behind."""
        ...

    @property
    def early(self) -> Sequence[Early]:
        """What came early, of an earlier process too."""
        ...

    async def begin_early(self, offset: int, length: int) -> Early:
        """Room for so many bytes from there on.

        Raises:
            StorageFull
        """
        ...

    async def forget_early(self, early: Early) -> None:
        """Its bytes were written; it goes once a kill does not take them any more."""
        ...

    async def restart(self) -> None:
        """Throw away what is here, early or not: the next bytes are the file's first."""
        ...


class SmallFiles(Protocol):
    async def read_small(self, source: Source, *, limit: int, waiting: Tell) -> bytes:
        """The whole of a small file; ``waiting`` is told as by ``Fetcher.fetch``.

        Raises:
            SizeExceeded: it has more than ``limit`` bytes.
            The errors of ``Fetcher.fetch``.
        """
        ...


class Fetcher(SmallFiles, Protocol):
    async def fetch(self, source: Source, receiver: Receiver, waiting: Tell) -> None:
        """Bring the rest of the file to ``receiver``, with as many tries as the rules allow.

        ``waiting`` is told what is waited for, which try comes when, and when bytes come again.

        Raises:
            UrlNotAllowed, AddressDenied, RedirectDenied: it may not be fetched from there.
            SourceUnreachable, SourceTls, SourceNotFound, SourceRefused, SourceStalled: it cannot be fetched.
            BadLength, SizeExceeded: the source contradicts itself, or what is known of its size.
        """
        ...

    async def announced_size(self, source: Source) -> int:
        """The size that the source tells to whom asks for that alone; 0 where it tells none."""
        ...
