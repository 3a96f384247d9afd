"""GitLab's package registry, as Arch Linux uses it: the list of packages, then the files of the newest."""

from __future__ import annotations

from collections.abc import Generator

from image_library.domain.errors import IndexUnreadable
from image_library.domain.releases.documents import json_of, rows, table, words
from image_library.domain.releases.index import ReleaseIndex
from image_library.domain.releases.release import Release, digest_from, newest_first


def read_gitlab_packages(index: ReleaseIndex) -> Generator[str, bytes, tuple[Release, ...]]:
    packages = rows(json_of((yield index.url)), "list of packages")
    number = max((_id(table(package, "package").get("id")) for package in packages), default=0)
    if not number:
        raise IndexUnreadable("The index lists no package.")
    page = yield f"{index.url.partition('?')[0]}/{number}/package_files"
    files = (_release(table(file, "file"), index) for file in rows(json_of(page), "list of files"))
    return newest_first([release for release in files if release])


def _id(value: object) -> int:
    if type(value) is not int or not 0 < value < 1 << 63:
        raise IndexUnreadable("The index has a package without a number.")
    return value


def _release(file: dict[str, object], index: ReleaseIndex) -> Release | None:
    found = index.release.locate(words(file.get("file_name"), "name of a file"))
    if not found:
        return None
    digest = digest_from(words(file.get("file_sha256"), "digest of a file"), "sha256")
    return Release.listed(found, digest=digest, size=file.get("size"))
