"""A catalogue entry as this installation offers it: what is true of it here and now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.catalog import CatalogEntry
from image_library.domain.trust import TrustLevel


@dataclass(frozen=True, kw_only=True)
class CatalogOffer:
    """An entry, whether its bytes count as verified, and whether the publisher still supports it."""

    entry: CatalogEntry
    verified: bool
    end_of_life: bool

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
    progress_percent: int = 0
    error_message: str = ""
