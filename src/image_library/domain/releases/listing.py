"""A folder's listing, as a web page or as openSUSE's JSON, then the checksum file beside its newest build."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC, date, datetime

from image_library.domain.checksum import find_checksum
from image_library.domain.errors import (
    ChecksumMissing,
    IndexUnreadable,
    InvalidChecksumFile,
    InvalidDigest,
)
from image_library.domain.releases.documents import json_of, rows, table, text_of, words
from image_library.domain.releases.index import ReleaseIndex
from image_library.domain.releases.pattern import order_of
from image_library.domain.releases.release import Release

_LINK = re.compile(r"""href=["']?(?:\./)?([A-Za-z0-9._+-]{1,300})["'\s>]""", re.IGNORECASE)
# The year 2100.
_LATEST = 4_102_444_800


def read_listing(index: ReleaseIndex) -> Generator[str, bytes, tuple[Release, ...]]:
    files = _files(text_of((yield index.url)))
    found = [(place, name) for name in files if (place := index.release.locate(name))]
    if not found:
        raise IndexUnreadable("The index lists no build of this image.")
    place, name = max(found, key=lambda one: order_of(one[0][0]))
    sums = text_of((yield f"{place[1]}.{index.item}"))
    try:
        digest = find_checksum(sums, filename=name, algorithm=index.item, sidecar=True)
    except (ChecksumMissing, InvalidChecksumFile, InvalidDigest) as error:
        raise IndexUnreadable(f"Of the newest build: {error.message}") from error
    facts = files[name]
    changed = _day(facts.get("mtime"))
    return (Release.listed(place, digest=digest, size=facts.get("size"), changed=changed),)


def _files(text: str) -> dict[str, dict[str, object]]:
    """Each file's name, with what else the listing says of it."""
    if text.lstrip()[:1] not in ("{", "["):
        return {name: {} for name in _LINK.findall(text)}
    listed = rows(table(json_of(text), "list of files").get("data"), "list of files")
    facts = [table(row, "row for a file") for row in listed]
    return {words(row.get("name"), "name of a file"): row for row in facts}


def _day(value: object) -> date | None:
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < _LATEST:
        raise IndexUnreadable("The index gives a date that is none.")
    return datetime.fromtimestamp(value, UTC).date()
