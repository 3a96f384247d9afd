"""A catalogue that comes as a signed file: its terms, its signatures, and which one may follow which.

The rules against rollback and freezing are those of The Update Framework (TUF, specification 1.0.33, sections
5.3 and 5.5), for one file and keys that an operator lists.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from image_library.domain.errors import (
    CatalogRollback,
    CatalogStale,
    CatalogUnsigned,
    InvalidCatalog,
    InvalidSettings,
    printable,
)

MAX_CATALOG_BYTES = 1 << 20
MAX_SIGNATURES_BYTES = 16 << 10
SIGNATURE_SUFFIX = ".sig"
# In front of what is signed: a signature that was made for anything else is none here.
CONTEXT = b"limiquantix catalog 1\n"
# Whoever can keep news away can do so for that long at the most before it shows.
LONGEST_LIFE = timedelta(days=400)
# The part of its life after which a catalogue is called ageing.
AGEING = 0.8

_KEY = re.compile(r"ed25519:([A-Za-z0-9+/]{43}=)")
_LINE = re.compile(r"([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)")
_MOST_SIGNATURES = 20

# Whether the second is the signature of the third by the first. Source: RFC 8032.
Verify = Callable[[bytes, bytes, bytes], bool]


@dataclass(frozen=True, kw_only=True)
class CatalogTerms:
    """What a signed catalogue says of itself."""

    version: int
    written: date
    # The last day on which it is good.
    expires: date

    def __post_init__(self) -> None:
        """Raises InvalidCatalog."""
        if self.version < 1:
            raise InvalidCatalog("A signed catalog's version is at least 1.", field="version")
        if not timedelta(0) < self.expires - self.written <= LONGEST_LIFE:
            raise InvalidCatalog(
                f"A signed catalog expires after it was written, within {LONGEST_LIFE.days} days.",
                field="expires",
            )


@dataclass(frozen=True, kw_only=True)
class AcceptedCatalog:
    """A catalogue whose signature was found valid, byte by byte as it was signed."""

    terms: CatalogTerms
    content: bytes
    # The file of signatures.
    signatures: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class CatalogAge(Enum):
    # There is no signed one: the catalogue is the shipped one.
    NONE = "none"
    FRESH = "fresh"
    AGEING = "ageing"
    STALE = "stale"


def age_of(terms: CatalogTerms | None, today: date) -> CatalogAge:
    if terms is None:
        return CatalogAge.NONE
    if today > terms.expires:
        return CatalogAge.STALE
    lived, life = (today - terms.written).days, (terms.expires - terms.written).days
    return CatalogAge.AGEING if lived >= AGEING * life else CatalogAge.FRESH


def read_key(text: str) -> bytes:
    """The public key that "ed25519:BASE64" names. Raises InvalidSettings."""
    found = _KEY.fullmatch(text.strip())
    if not found:
        raise InvalidSettings(
            f"'{printable(text)}' is not a key such as ed25519:BASE64.", field="catalog_keys"
        )
    return base64.b64decode(found[1])


def write_key(public: bytes) -> str:
    return f"ed25519:{base64.b64encode(public).decode()}"


def key_id(public: bytes) -> str:
    """What signatures call a key: the first 16 digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def signed_bytes(content: bytes) -> bytes:
    """What a key signs for this content."""
    return CONTEXT + content


def write_signature(public: bytes, signature: bytes) -> str:
    """A line of a file of signatures."""
    return f"{key_id(public)} {base64.b64encode(signature).decode()}\n"


def check_signatures(content: bytes, signatures: bytes, keys: Sequence[bytes], verify: Verify) -> None:
    """Whether one of the keys has signed the content; signatures by other keys are of no account.

    Nothing of the content is read before.

    Raises:
        CatalogUnsigned: none has.
        InvalidCatalog: one of the two is larger than it may be.
    """
    if len(content) > MAX_CATALOG_BYTES:
        raise InvalidCatalog(f"The catalog is larger than {MAX_CATALOG_BYTES >> 20} MiB.")
    if len(signatures) > MAX_SIGNATURES_BYTES:
        raise InvalidCatalog(f"The catalog's signature is larger than {MAX_SIGNATURES_BYTES >> 10} KiB.")
    found = _signatures(signatures)
    named = [public for public in keys if key_id(public) in found]
    if not named:
        raise CatalogUnsigned("The catalog is signed by none of the keys in catalog_keys.")
    if not any(verify(public, found[key_id(public)], signed_bytes(content)) for public in named):
        raise CatalogUnsigned("The catalog's signature is not that of this catalog.")


def _signatures(content: bytes) -> Mapping[str, bytes]:
    lines = content.decode("latin-1").splitlines()
    found = [_LINE.fullmatch(line) for line in lines if line.strip()]
    if not found or len(found) > _MOST_SIGNATURES or not all(found):
        raise CatalogUnsigned("The catalog's signature is no file of signatures.")
    try:
        return {line[1]: base64.b64decode(line[2], validate=True) for line in found if line}
    except binascii.Error:
        raise CatalogUnsigned("The catalog's signature is not base64.") from None


def judge_follower(
    new: AcceptedCatalog, held: AcceptedCatalog | None, *, shipped: date | None, today: date
) -> None:
    """Whether the new catalogue may take the place of the one that is held; the same again always may.

    ``shipped``: when the catalogue that comes with the program was written.

    Raises:
        CatalogRollback: it is older, or another one with the same version.
        CatalogStale: it has expired.
    """
    if held is not None and new.terms.version < held.terms.version:
        raise CatalogRollback(
            f"The catalog offered is version {new.terms.version}, and version {held.terms.version} is in use."
        )
    if held is not None and new.terms.version == held.terms.version and new.digest != held.digest:
        raise CatalogRollback(f"There are two catalogs with the version {new.terms.version}.")
    if shipped is not None and new.terms.written < shipped:
        raise CatalogRollback(
            f"The catalog offered was written on {new.terms.written}, the one of this program on {shipped}."
        )
    if today > new.terms.expires:
        raise CatalogStale(f"The catalog offered expired on {new.terms.expires}.")
