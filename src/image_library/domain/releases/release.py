"""One build of an image, as its publisher's index describes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from image_library.domain.checksum import Digest, parse_digest
from image_library.domain.errors import IndexUnreadable, InvalidDigest, printable
from image_library.domain.releases.pattern import order_of

_STAMP = re.compile(r"(?<!\d)(20\d\d)(\d\d)(\d\d)(?!\d)")
# 1 PiB: no image is larger, and larger numbers do not fit everywhere.
_LARGEST = 1 << 50


@dataclass(frozen=True, kw_only=True)
class Release:
    # The publisher's build id or serial: "20260801.1", "9.8-20260525.0".
    version: str
    # Names this build for as long as the publisher keeps it.
    url: str
    digest: Digest
    # Of the download; zero where the index does not tell.
    size_bytes: int = 0
    published: date | None = None

    @classmethod
    def listed(
        cls, found: tuple[str, str], *, digest: Digest, size: object = None, changed: date | None = None
    ) -> Release:
        """The build with this version and URL; ``changed`` counts where the version holds no date.

        Raises:
            IndexUnreadable: the size is absurd.
        """
        version, url = found
        published = _stamped_date(version) or changed
        return cls(version=version, url=url, digest=digest, size_bytes=_size(size), published=published)

    @property
    def order(self) -> tuple[int, ...]:
        """The larger, the newer; for builds of one index."""
        return order_of(self.version)


def newest_first(releases: list[Release]) -> tuple[Release, ...]:
    """The builds, sorted.

    Raises:
        IndexUnreadable: there is none, or a file has two digests of one kind.
    """
    if not releases:
        raise IndexUnreadable("The index lists no build of this image.")
    kinds = {(release.url, release.digest.algorithm) for release in releases}
    distinct = {(release.url, release.digest) for release in releases}
    if len(kinds) != len(distinct):
        raise IndexUnreadable("The index gives different digests for one file.")
    return tuple(sorted(dict.fromkeys(releases), key=lambda release: release.order, reverse=True))


def _stamped_date(version: str) -> date | None:
    """The day in a version such as "20260801.1"; None where it has none."""
    for stamp in _STAMP.finditer(version):
        try:
            return date(*map(int, stamp.groups()))
        except ValueError:
            continue
    return None


def digest_from(text: str, algorithm: str) -> Digest:
    """Raises IndexUnreadable where ``text`` is no digest of this kind."""
    try:
        return parse_digest(text, algorithm=algorithm)
    except InvalidDigest as error:
        raise IndexUnreadable(f"The index is wrong: {error.message}") from error


def _size(value: object) -> int:
    """In bytes, from a number or digits; zero where there is none."""
    if value is None or value == "":
        return 0
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        value = int(value)
    if type(value) is not int or not 0 < value <= _LARGEST:
        raise IndexUnreadable(f"The index gives '{printable(repr(value), 40)}' as a size.")
    return value
