"""Which digest an image must have: pinned in the order, or read from the publisher's checksum file."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from image_library.domain.signature import SignatureSource, SigningKey
from image_library.domain.store import DownloadOrder
from image_library.domain.trust import Evidence, TrustLevel
from image_library.node.ports.fetching import SmallFiles, Source, Tell
from image_library.node.ports.signatures import Signatures
from image_library.node.services.signed_file import Proving


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A digest, and how far it proves the bytes that have it."""

    digest: Digest
    level: TrustLevel
    # The checksum file's or index's URL, or "catalog".
    source: str
    # Who signed the checksum file; none where it is not known to be signed.
    signer: SigningKey | None = None
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
            key_fingerprint=self.signer.fingerprint if self.signer else "",
            key_owner=self.signer.owner if self.signer else "",
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
    @property
    def signature(self) -> SignatureSource | None: ...


async def resolve_expected(
    order: Checked, files: SmallFiles, signatures: Signatures, *, waiting: Tell, fresh: bool = False
) -> Expected:
    """The order's own digest, else the row of its file in the checksum file; there is no third way.

    Where the order demands a signature, only what a pinned key has signed is read at all. ``waiting`` is
    told what is waited for.

    Raises:
        SignatureMissing, SignatureInvalid, SignatureKeyUnknown, SignatureExpired: it is not signed so.
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
    level, signer = TrustLevel.CHECKSUM, None
    if order.signature:
        proving = Proving(files=files, signatures=signatures, waiting=waiting, fresh=fresh)
        content, signer = await proving.signed_part(content, order.signature, shown=shown)
        level = TrustLevel.SIGNED
    try:
        digest = find_checksum(
            decode_checksum_file(content),
            filename=filename,
            algorithm=order.checksum_algorithm,
            sidecar=is_sidecar(checksum_url=order.checksum_url, filename=filename),
        )
    except (ChecksumMissing, InvalidChecksumFile) as error:
        raise type(error)(f"{error.message.rstrip('.')} ({printable(shown)}).") from None
    return Expected(digest=digest, level=level, source=shown, signer=signer)


def as_proof(order: DownloadOrder, expected: Expected) -> Expected:
    """What it proves that the bytes have the expected digest."""
    if order.library_digest:
        # The library's own copy: what it is, and how it was proved, the library knows.
        return replace(expected, level=TrustLevel.UNVERIFIED, source="library")
    if order.received and order.unverified:
        # Counted by whoever sent it: nothing is known of where it came from before.
        return replace(expected, level=TrustLevel.UNVERIFIED, source="upload")
    return expected
