"""Reads an index of any format, without fetching: a reading asks for one page after the other.

reading = read_index(index)
url = next(reading)
url = reading.send(the bytes at url)     # and so on, until StopIteration brings the releases
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from image_library.domain.checksum import MAX_CHECKSUM_FILE_BYTES
from image_library.domain.releases.checksums import read_checksums
from image_library.domain.releases.fedora import read_fedora_releases
from image_library.domain.releases.gitlab import read_gitlab_packages
from image_library.domain.releases.index import IndexFormat, ReleaseIndex
from image_library.domain.releases.listing import read_listing
from image_library.domain.releases.release import Release
from image_library.domain.releases.simplestreams import read_simplestreams

# Ubuntu's products are the largest; Alpine's listing has some thousand lines.
_MOST_BYTES = {IndexFormat.CHECKSUMS: MAX_CHECKSUM_FILE_BYTES, IndexFormat.LISTING: 4 << 20}
_MOST_BYTES_OF_JSON = 16 << 20

Reading = Generator[str, bytes, tuple[Release, ...]]

_READERS: dict[IndexFormat, Callable[[ReleaseIndex], Reading]] = {
    IndexFormat.SIMPLESTREAMS: read_simplestreams,
    IndexFormat.FEDORA_RELEASES: read_fedora_releases,
    IndexFormat.GITLAB_PACKAGES: read_gitlab_packages,
    IndexFormat.CHECKSUMS: read_checksums,
    IndexFormat.LISTING: read_listing,
}


def page_limit(index: ReleaseIndex) -> int:
    """How many bytes a page of the index may have; who fetches it sees to that."""
    return _MOST_BYTES.get(index.format, _MOST_BYTES_OF_JSON)


def read_index(index: ReleaseIndex) -> Reading:
    """Yields the URLs to read, at most two; gets their bytes; returns the builds, newest first, at least one.

    Raises:
        IndexUnreadable: a page is not what it should be, or lists no build. Nothing else.
    """
    return _READERS[index.format](index)
