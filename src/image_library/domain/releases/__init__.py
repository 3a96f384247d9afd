"""Publishers' release indexes: which builds of an image there are, and which is the newest."""

from image_library.domain.releases.index import IndexFormat, ReleaseIndex
from image_library.domain.releases.pattern import ReleasePattern, order_of
from image_library.domain.releases.reading import Reading, page_limit, read_index
from image_library.domain.releases.release import Release

__all__ = [
    "IndexFormat",
    "Reading",
    "Release",
    "ReleaseIndex",
    "ReleasePattern",
    "order_of",
    "page_limit",
    "read_index",
]
