"""A checksum file that lists dated names, in any layout that ``domain.checksum`` knows, JSON as well."""

from __future__ import annotations

import re
from collections.abc import Generator

from image_library.domain.checksum import parse_checksums
from image_library.domain.errors import IndexUnreadable, InvalidChecksumFile
from image_library.domain.releases.documents import text_of
from image_library.domain.releases.index import ReleaseIndex
from image_library.domain.releases.release import Release, newest_first

_SIZE = re.compile(r"^# (\S{1,300}): ([0-9]{1,18}) bytes\r?$", re.MULTILINE)


def read_checksums(index: ReleaseIndex) -> Generator[str, bytes, tuple[Release, ...]]:
    text = text_of((yield index.url))
    try:
        listed = parse_checksums(text)
    except InvalidChecksumFile as error:
        raise IndexUnreadable(f"The index cannot be read: {error.message}") from error
    sizes = dict(_SIZE.findall(text))
    places = ((index.release.locate(row.filename), row) for row in listed)
    return newest_first(
        [
            Release.listed(found, digest=row.digest, size=sizes.get(row.filename))
            for found, row in places
            if found
        ]
    )
