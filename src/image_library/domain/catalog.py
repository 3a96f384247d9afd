"""The catalogue's entries: which images publishers offer, and how each is verified and provisioned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from image_library.domain.errors import NameTaken
from image_library.domain.image import ImageFormat, Requirements
from image_library.domain.os_info import GuestTraits, OsInfo
from image_library.domain.releases import ReleaseIndex
from image_library.domain.signature import SignatureSource
from image_library.domain.trust import TrustLevel


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An entry's image for one architecture, with either a checksum file or a pinned digest, never both."""

    architecture: str
    url: str
    # The publisher's checksum file; empty where "digest" is given.
    checksum_url: str = ""
    # "sha256" or "sha512".
    checksum_algorithm: str
    # A pinned digest in lower-case hexadecimal.
    digest: str = ""
    format: ImageFormat = ImageFormat.QCOW2
    # Of the download, when the catalogue was written; zero where it is not known.
    size_bytes: int = 0
    firmware: tuple[str, ...] = ()
    # Where the publisher tells of its builds; none where it does not.
    index: ReleaseIndex | None = None
    # How the checksum file is signed; none where it is not, or by a key that is not known here.
    signature: SignatureSource | None = None

    @property
    def filename(self) -> str:
        """The last part of the URL: the name that a checksum file's row must have."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def best_trust(self) -> TrustLevel:
        if self.signature:
            return TrustLevel.SIGNED
        return TrustLevel.PINNED if self.digest else TrustLevel.CHECKSUM


@dataclass(frozen=True, kw_only=True)
class Support:
    """How long the publisher supports something; none where it is rolling or not announced."""

    ends: date | None = None
    ended: bool = False


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    id: str
    name: str
    description: str = ""
    # Without an architecture: see "os_of" and "requirements_of".
    os: OsInfo
    requirements: Requirements
    traits: GuestTraits
    # The publisher's last day of support; none where it is rolling or not announced.
    support_ends: date | None = None
    # When its file was written; none where that does not say.
    written: date | None = None
    variants: tuple[Variant, ...]

    def variant_for(self, architecture: str) -> Variant | None:
        return next((v for v in self.variants if v.architecture == architecture), None)

    def os_of(self, variant: Variant) -> OsInfo:
        """What an image made from this variant holds: the entry's facts with its architecture."""
        return replace(self.os, architecture=variant.architecture)

    def requirements_of(self, variant: Variant) -> Requirements:
        """What a VM of this variant needs; firmware differs between architectures."""
        return replace(self.requirements, firmware=variant.firmware)

    def ended_support(self, today: date) -> bool:
        return self.support_ends is not None and self.support_ends < today

    def support_on(self, today: date) -> Support:
        return Support(ends=self.support_ends, ended=self.ended_support(today))


class Catalog:
    """The entries in use. Everybody shares one, so that a newer catalogue is everybody's at once."""

    def __init__(self, *, entries: tuple[CatalogEntry, ...]) -> None:
        self.take(entries)

    def take(self, entries: tuple[CatalogEntry, ...]) -> None:
        """Offer these from now on, and no others."""
        self._entries = entries
        self._by_id = {entry.id: entry for entry in entries}

    @property
    def entries(self) -> tuple[CatalogEntry, ...]:
        return self._entries

    def find(self, catalog_id: str) -> CatalogEntry | None:
        return self._by_id.get(catalog_id)

    def check_name(self, name: str, *, catalog_id: str = "") -> None:
        """See that an image of the entry ``catalog_id`` (empty: of none) may be called ``name``.

        Raises:
            NameTaken: it is another entry's id, which would be meant instead.
        """
        entry = self.find(name)
        if entry is not None and entry.id != catalog_id:
            raise NameTaken(f"'{name}' is the catalog's name for another image.", field="name")

    def own_name(self, name: str) -> str:
        """For an image that is in no catalog and whose name nobody chose: ``name``, or one like it."""
        return f"{name}-own" if self.find(name) else name

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._by_id)
