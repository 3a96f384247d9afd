"""A catalogue entry as this installation offers it: what is true of it here and now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from image_library.domain.catalog import CatalogEntry
from image_library.domain.refresh import Finding
from image_library.domain.trust import TrustLevel


@dataclass(frozen=True, kw_only=True)
class CatalogOffer:
    """An entry, whether its bytes count as verified, and whether the publisher still supports it."""

    entry: CatalogEntry
    verified: bool
    end_of_life: bool
    # What its publisher was last heard to say, by architecture.
    findings: Mapping[str, Finding] = field(default_factory=dict[str, Finding])

    @property
    def asked_at(self) -> datetime | None:
        return max((finding.asked_at for finding in self.findings.values()), default=None)

    @property
    def best_trust(self) -> TrustLevel:
        """What a download will be at best: the level that every variant reaches."""
        return min(v.best_trust for v in self.entry.variants)


class OfferState(Enum):
    NOT_DOWNLOADED = "not_downloaded"
    DOWNLOADING = "downloading"
    READY = "ready"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class OfferStatus:
    """How far an entry's download has come on this installation."""

    catalog_id: str
    state: OfferState
    image_id: str = ""
    pool_id: str = ""
    progress_percent: int = 0
    error_message: str = ""
    # What its publisher has that is newer than what is here.
    newer: str = ""
