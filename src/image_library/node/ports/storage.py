"""Where images are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from image_library.domain.conversion import Shape
from image_library.domain.lineage import ConvertedFrom
from image_library.domain.store import Download, ImageFacts, PublishedImage
from image_library.domain.trust import Evidence
from image_library.node.ports.fetching import Receiver


@dataclass(frozen=True, kw_only=True)
class PartDigests:
    """What was counted and hashed while a part was written. Lower-case hexadecimal."""

    size_bytes: int
    sha256: str
    # Empty unless it was asked for.
    sha512: str = ""

    def named(self, algorithm: str) -> str:
        return self.sha512 if algorithm == "sha512" else self.sha256


class Part(Receiver, Protocol):
    """A file on its way: written and hashed in order; it survives the process."""

    @property
    def path(self) -> Path:
        """The file's absolute path."""
        ...

    @property
    def fd(self) -> int:
        """Its open file, for those who hand it to other programs; below 0: closed."""
        ...

    @property
    def received(self) -> int:
        """Bytes that are here, those too that came before their turn."""
        ...

    @property
    def resumed_from(self) -> int:
        """How many of its bytes were found on disk when it was opened and not thrown away since."""
        ...

    async def settle(self) -> None:
        """Wait until a kill takes no more of what came than its last 64 KiB.

        Raises:
            StorageFull, StorageIo: the disk did not take it.
        """
        ...

    async def secure(self) -> None:
        """Sync all that was written, so that a power cut takes none of it; once it is finished.

        Raises:
            StorageFull, StorageIo: the disk did not take it.
        """
        ...

    async def checkpoint(self) -> None:
        """Remember how much is safe on disk, for a start after a power cut."""
        ...

    async def finish(self) -> PartDigests:
        """Wait until all is written; its size and digests.

        Raises:
            StorageFull, StorageIo: the disk did not take it.
        """
        ...

    async def read(self, offset: int, length: int) -> bytes: ...

    def read_now(self, offset: int, length: int) -> bytes:
        """The same, for a thread of the caller's.

        Raises:
            StorageIo
        """
        ...

    async def close(self) -> None:
        """Stop writing and keep what is there."""
        ...

    async def discard(self) -> None:
        """Close it and remove it."""
        ...


class Output(Protocol):
    """A file of the store that other programs write, and that may be published; it does not survive them."""

    @property
    def path(self) -> Path:
        """Absolute."""
        ...

    @property
    def fd(self) -> int:
        """Opened before anything was written."""
        ...

    @property
    def total(self) -> int:
        """Bytes on the disk that it was promised."""
        ...

    @property
    def offset(self) -> int:
        """Bytes on the disk that it takes."""
        ...

    @property
    def size(self) -> int:
        """Its length in bytes, with its holes."""
        ...

    def promise(self, total: int) -> None:
        """See that it may take that many bytes on the disk.

        Raises:
            StorageFull
        """
        ...

    async def read(self, offset: int, length: int) -> bytes: ...

    def read_now(self, offset: int, length: int) -> bytes:
        """The same, where waiting for the disk is allowed. Raises OSError."""
        ...

    async def digests(self, told: Callable[[float], None]) -> PartDigests:
        """Of all its bytes; ``told`` hears how far it is, from 0 to 1. Stops when it is cancelled.

        The bytes are on the disk afterwards; publishing sees to the rest.

        Raises:
            StorageFull, StorageIo: the disk did not take them, or does not give them back.
        """
        ...

    async def close(self) -> None: ...

    async def discard(self) -> None:
        """Close it and remove it."""
        ...


class OpenedFile(Protocol):
    """An operator's file in the image folder, through one descriptor from the first look to the last."""

    @property
    def path(self) -> Path:
        """Absolute."""
        ...

    @property
    def filename(self) -> str: ...

    @property
    def fd(self) -> int:
        """The open file, for those who hand it to other programs."""
        ...

    @property
    def facts(self) -> ImageFacts: ...

    @property
    def mark(self) -> tuple[int, int, int]:
        """What tells it apart from another file of its name: inode, size, time of the last change."""
        ...

    @property
    def received(self) -> int:
        """How many of its bytes have been hashed."""
        ...

    @property
    def total(self) -> int:
        """Its size in bytes."""
        ...

    async def sha256(self) -> str:
        """Of all its bytes, in hexadecimal. Stops when it is cancelled."""
        ...

    async def read(self, offset: int) -> bytes:
        """Some bytes from there on; empty at the end."""
        ...

    async def seal(self) -> None:
        """Let nobody open it for writing any more: read-only, and root's where the node is root's."""
        ...

    async def unseal(self) -> None:
        """As it was before ``seal``."""
        ...

    async def check_same(self) -> None:
        """Raises ImageChanged where the file, or what its name leads to, is not what was opened."""
        ...

    async def checkpoint(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class PartKey:
    """Which part it is. Bytes for another expected digest are never gone on with."""

    # Hexadecimal; the part's file name.
    key: str
    # The publisher's, as "sha512:HEX".
    expected: str


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What the one publish order needs besides the part itself."""

    digests: PartDigests
    facts: ImageFacts
    # The readable link's wanted name.
    filename: str
    evidence: Evidence
    # Where its bytes are not those that came.
    converted_from: ConvertedFrom | None = None
    # The key of the part that it was made of, which nobody goes on with from the same transaction on.
    spent: str = ""
    # The job records that become READY in the same transaction as the image.
    complete: Callable[[PublishedImage], tuple[Download, ...]]


class Blob(Protocol):
    """A published image's bytes."""

    @property
    def size(self) -> int: ...

    @property
    def fd(self) -> int:
        """Its open file, for those who hand it to other programs."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """At most ``length`` bytes from there; none only at the end.

        Raises:
            ImageFileMissing, StorageIo
        """
        ...

    async def close(self) -> None: ...


class ImageStore(Protocol):
    """Whole, verified, immutable images by digest, and the parts that become such images."""

    @property
    def store_id(self) -> str: ...

    async def check(self) -> None:
        """See that the store is still the one that was opened.

        Raises:
            StoreChanged: it was swapped or unmounted.
        """
        ...

    async def open_part(self, part: PartKey) -> Part:
        """The part, going on from the bytes that are there; hashed as it grows.

        Raises:
            StorageFull, StorageIo, StoreNotWritable, StoreChanged
        """
        ...

    async def open_output(self, key: str) -> Output:
        """An empty file; one that an earlier attempt left under this key is removed.

        Raises:
            StorageFull, StorageIo, StoreNotWritable, StoreChanged
        """
        ...

    def can_link(self, file: OpenedFile) -> bool:
        """Whether the very file can become a blob, so that nothing is copied."""
        ...

    async def publish(self, part: Part | OpenedFile | Output, publication: Publication) -> PublishedImage:
        """Make the part an image: durable first, then listed, then the part's name goes away.

        An operator's file keeps its name, which becomes the image's readable one.

        Raises:
            StorageFull, StorageIo, StoreNotWritable, StoreChanged
        """
        ...

    async def find(self, digest: str) -> PublishedImage:
        """The image "sha256:HEX", after a look at its file.

        Raises:
            ImageNotReady: it is not here.
            ImageFileMissing, ImageChanged, ImageDamaged: its file is gone, was written, or has rotted.
        """
        ...

    async def open(self, digest: str) -> Blob:
        """The bytes of the image "sha256:HEX"; to be closed.

        Raises:
            ImageNotReady: it is not here.
            ImageFileMissing, ImageChanged, ImageDamaged: its file is gone, was written, or has rotted.
        """
        ...

    async def find_by_path(self, path: str) -> PublishedImage | None:
        """The image with this readable or blob path, None where it is no published image's.

        Raises:
            ImageFileMissing, ImageChanged, ImageDamaged: its file is gone, was written, or has rotted.
        """
        ...

    async def find_by_publisher_digest(
        self, algorithm: str, digest: str, wanted: Shape | None = None
    ) -> PublishedImage | None:
        """The whole image whose bytes have this publisher's digest, or None.

        With ``wanted``, the one that has this shape, or was made in it of bytes with that digest; its
        ``converted_from`` is about those bytes, also where others became the same image.
        """
        ...

    async def improve(self, digest: str, evidence: Evidence) -> PublishedImage | None:
        """Store the evidence where it is better than an image's own; None: the image is gone."""
        ...

    async def published(self) -> tuple[tuple[PublishedImage, ...], tuple[str, ...]]:
        """Every image that is whole, and a sentence for each that is not any more."""
        ...

    async def remove(self, digest: str) -> None:
        """Remove an image and its link. Removing what is not there succeeds."""
        ...

    async def room(self) -> int:
        """Bytes that may still be written, beside what is promised and what must stay free."""
        ...

    async def usage(self) -> tuple[int, int]:
        """Bytes used and bytes in all of the file system that holds the store."""
        ...

    def blob_path(self, digest: str) -> str:
        """Where the file of "sha256:HEX" lies, or would."""
        ...

    async def orphans(self) -> tuple[str, ...]:
        """Digests of blobs that no image is recorded for, as after the loss of the journal."""
        ...

    async def adopt(self, digest: str, facts: ImageFacts, evidence: Evidence) -> PublishedImage | None:
        """Record an orphan as an image if its bytes have its digest; remove it and give None otherwise."""
        ...

    async def recover(self, live: frozenset[str]) -> None:
        """Repair readable links and drop parts that neither ``live`` (keys) nor late work wants."""
        ...
