"""Where images are kept, and the node's own memory of its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from image_library.domain.image import ImageFormat
from image_library.domain.node import InventoryMark
from image_library.domain.store import Download, ImageFacts, LocalFile, PublishedImage
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
    def resumed_from(self) -> int:
        """How many of its bytes were found on disk when it was opened and not thrown away since."""
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


class OpenedFile(Protocol):
    """An operator's file in the image folder, through one descriptor from the first look to the last."""

    @property
    def path(self) -> Path:
        """Absolute."""
        ...

    @property
    def filename(self) -> str: ...

    @property
    def facts(self) -> ImageFacts: ...

    @property
    def mark(self) -> tuple[int, int, int]:
        """What tells it apart from another file of its name: inode, size, time of the last change."""
        ...

    @property
    def offset(self) -> int:
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
class Leftover:
    """Something that may go, and the bytes that are free then."""

    name: str
    bytes: int


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
    # The job records that become READY in the same transaction as the image.
    complete: Callable[[PublishedImage], tuple[Download, ...]]


class Blob(Protocol):
    """A published image's bytes."""

    @property
    def size(self) -> int: ...

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

    def can_link(self, file: OpenedFile) -> bool:
        """Whether the very file can become a blob, so that nothing is copied."""
        ...

    async def publish(self, part: Part | OpenedFile, publication: Publication) -> PublishedImage:
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
            ImageFileMissing: its file is gone or was changed.
        """
        ...

    async def open(self, digest: str) -> Blob:
        """The bytes of the image "sha256:HEX"; to be closed.

        Raises:
            ImageNotReady: it is not here.
            ImageFileMissing: its file is gone or was changed.
        """
        ...

    async def find_by_path(self, path: str) -> PublishedImage | None:
        """The image with this readable or blob path, None where it is no published image's.

        Raises:
            ImageFileMissing: its file is gone or was changed.
        """
        ...

    async def find_by_publisher_digest(self, algorithm: str, digest: str) -> PublishedImage | None:
        """The whole image whose bytes have this publisher's digest, or None."""
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


class StoreSweeper(Protocol):
    """Finding and removing what the store does not need. Each removal looks again just before the end."""

    async def stale_parts(self, live: frozenset[str]) -> tuple[Leftover, ...]:
        """Parts that nobody has gone on with for a week and that are not ``live`` (keys)."""
        ...

    async def drop_part(self, name: str, live: Callable[[], Awaitable[frozenset[str]]]) -> bool:
        """Whether it went; False where somebody goes on with it after all."""
        ...

    async def dead_links(self) -> tuple[Leftover, ...]:
        """Readable links of ours whose blob is gone."""
        ...

    async def drop_link(self, name: str) -> bool: ...

    async def old_blobs(self) -> tuple[Leftover, ...]:
        """Blobs that have been here for a day, by "sha256:HEX", whether or not they are recorded."""
        ...

    async def drop_blob(self, digest: str, unwanted: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it went; False where it is gone already, or where ``unwanted`` says no at last."""
        ...


class DownloadJournal(Protocol):
    """Every download that this node was ever asked for."""

    async def save(self, *downloads: Download) -> None:
        """Store the records durably, all or none."""
        ...

    async def download(self, job_id: str) -> Download | None: ...

    async def unfinished(self) -> tuple[Download, ...]:
        """Those that have not ended, oldest first."""
        ...


class Inspector(Protocol):
    """Judging an image by its header, and looking inside. Foreign bytes: what is read has limits."""

    def judge_beginning(self, beginning: bytes, *, name: str, declared: ImageFormat) -> None:
        """Refuse early what cannot become such an image, from its first bytes.

        Raises:
            NotAnImage, AmbiguousFormat, FormatMismatch, UnsupportedFeature
        """
        ...

    async def inspect_part(self, part: Part, *, name: str, declared: ImageFormat, size: int) -> ImageFacts:
        """The header's facts and the guest's.

        Raises:
            NotAnImage, AmbiguousFormat, FormatMismatch, ImageTruncated, UnsafeBackingFile, UnsafeDataFile,
            UnsafeVmdkExtent, UnsafeMetadata, UnsupportedArchive, UnsupportedFeature, VirtualSizeTooLarge
        """
        ...

    async def inspect_file(self, path: str, *, name: str, declared: ImageFormat | None) -> ImageFacts:
        """The same for a file; without a declared format, for whatever known format it has.

        Raises:
            Besides those, StorageIo: it cannot be read.
        """
        ...

    async def look_inside(self, path: str, facts: ImageFacts) -> ImageFacts:
        """The header's facts, with the guest's. Never raises."""
        ...


class InventoryNumbering(Protocol):
    """The numbers of this node's reports. They grow for as long as the journal is what it was."""

    async def next(self) -> InventoryMark:
        """The next report's number; never given twice."""
        ...

    async def compare(self, heard: InventoryMark) -> None:
        """Begin another epoch where more was heard of this node than it remembers to have said."""
        ...


class LocalFolder(Protocol):
    """The files that operators put beside the published images."""

    async def check(self) -> None:
        """See that it is still the folder that the node knows.

        Raises:
            StoreChanged: it was replaced or unmounted.
        """
        ...

    async def files(self) -> tuple[tuple[LocalFile, ...], tuple[str, ...]]:
        """The images among them, and a sentence for each that cannot be one."""
        ...

    async def find_by_path(self, path: str) -> LocalFile | None:
        """The image file with this absolute path, None where there is no such file in the folder.

        Raises: as ``Inspector.inspect_part`` does, when it is no safe image.
        """
        ...

    async def open(self, path: str) -> OpenedFile | None:
        """The image file with this absolute path, to be read; None where there is no such file in the folder.

        Raises: as ``find_by_path``.
        """
        ...

    async def note_adopted(self, file: OpenedFile, digest: str) -> None:
        """The file is "sha256:HEX" from now on: scans leave it out while that image is published."""
        ...


class ImageUsers(Protocol):
    async def users_of(self, digest: str) -> tuple[str, ...]:
        """The names of the VMs whose disks are built on the image "sha256:HEX"."""
        ...
