"""Which index a publisher keeps of its builds, and what to look for in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from image_library.domain.errors import IndexUnreadable
from image_library.domain.releases.pattern import ReleasePattern, order_of


class IndexFormat(Enum):
    """How an index is written; docs/catalog.md says who uses which."""

    SIMPLESTREAMS = "simplestreams"
    FEDORA_RELEASES = "fedora-releases"
    GITLAB_PACKAGES = "gitlab-packages"
    CHECKSUMS = "checksums"
    LISTING = "listing"


@dataclass(frozen=True, kw_only=True)
class ReleaseIndex:
    format: IndexFormat
    # Where reading starts.
    url: str
    # Where the publisher's builds are; what does not lie there is not one of them.
    release: ReleasePattern
    # Simplestreams: the product's id.
    product: str = ""
    # Simplestreams: the item's key. Listing: the ending of the checksum file beside each build.
    item: str = ""
    # The entry's own URL names one build for ever, so the index tells what is newest.
    leads: bool = False

    def is_ahead(self, url: str, *, of: str) -> bool:
        """Whether the index may say that the build at ``url`` is newer than that at the entry's own URL."""
        if not self.leads:
            return False
        try:
            there, own = self.release.version_in(url), self.release.version_in(of)
        except IndexUnreadable:
            return False
        return there is not None and order_of(there) > order_of(own or "")
