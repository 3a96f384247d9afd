"""Which digest an image must have: pinned in the order, or read from the publisher's checksum file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from image_library.domain.checksum import (
    MAX_CHECKSUM_FILE_BYTES,
    Digest,
    decode_checksum_file,
    find_checksum,
    is_sidecar,
)
from image_library.domain.errors import ChecksumMissing, InvalidChecksumFile, printable
from image_library.domain.origin import shown_url
from image_library.domain.trust import Evidence, TrustLevel
from image_library.node.ports.fetching import SmallFiles, Source, Tell


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A digest, and how far it proves the bytes that have it."""

    digest: Digest
    level: TrustLevel
    # The checksum file's or index's URL, or "catalog".
    source: str
    # Nothing was known beforehand: it is the digest of what came.
    measured: bool = False

    def evidence(self, *, now: datetime, node_id: str) -> Evidence:
        """For bytes that were found to have this digest."""
        return Evidence(
            level=self.level,
            algorithm=self.digest.algorithm,
            expected="" if self.measured else self.digest.hex,
            actual=self.digest.hex,
            source=self.source,
            verified_at=now,
            node_id=node_id,
        )


class Checked(Protocol):
    """An image's URL, with either a checksum file's URL or a digest."""

    @property
    def url(self) -> str: ...
    @property
    def checksum_url(self) -> str: ...
    @property
    def checksum_algorithm(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def digest_source(self) -> str: ...


async def resolve_expected(
    order: Checked, files: SmallFiles, *, waiting: Tell, fresh: bool = False
) -> Expected:
    """The order's own digest, else the row of its file in the checksum file; there is no third way.

    ``waiting`` is told what is waited for.

    Raises:
        ChecksumMissing, InvalidChecksumFile: the checksum file does not tell.
        The errors of ``SmallFiles.read_small``.
    """
    if order.digest:
        pinned = Digest(algorithm=order.checksum_algorithm, hex=order.digest)
        level = TrustLevel.CHECKSUM if order.digest_source else TrustLevel.PINNED
        return Expected(digest=pinned, level=level, source=order.digest_source or "catalog")
    source = Source(url=order.checksum_url, fresh=fresh)
    content = await files.read_small(source, limit=MAX_CHECKSUM_FILE_BYTES, waiting=waiting)
    filename = urlsplit(order.url).path.rsplit("/", 1)[-1]
    shown = shown_url(order.checksum_url)
    try:
        digest = find_checksum(
            decode_checksum_file(content),
            filename=filename,
            algorithm=order.checksum_algorithm,
            sidecar=is_sidecar(checksum_url=order.checksum_url, filename=filename),
        )
    except (ChecksumMissing, InvalidChecksumFile) as error:
        raise type(error)(f"{error.message.rstrip('.')} ({printable(shown)}).") from None
    return Expected(digest=digest, level=TrustLevel.CHECKSUM, source=shown)
