"""Fedora's releases.json: one flat list of every file of every release."""

from __future__ import annotations

from collections.abc import Generator

from image_library.domain.releases.documents import json_of, rows, table
from image_library.domain.releases.index import ReleaseIndex
from image_library.domain.releases.release import Release, digest_from, newest_first


def read_fedora_releases(index: ReleaseIndex) -> Generator[str, bytes, tuple[Release, ...]]:
    found: list[Release] = []
    for value in rows(json_of((yield index.url)), "list of files"):
        row = table(value, "row for a file")
        link, digest = row.get("link"), row.get("sha256")
        version = index.release.version_in(link) if isinstance(link, str) else None
        # Some rows have no digest; there is nothing to be done with such a file.
        if isinstance(link, str) and version and isinstance(digest, str) and digest:
            proof = digest_from(digest, "sha256")
            found.append(Release.listed((version, link), digest=proof, size=row.get("size")))
    return newest_first(found)
