"""Simplestreams 1.0, as Ubuntu keeps it: an index of files with products, versions and items."""

from __future__ import annotations

import re
from collections.abc import Generator

from image_library.domain.errors import IndexUnreadable
from image_library.domain.releases.documents import json_of, rows, table, words
from image_library.domain.releases.index import ReleaseIndex
from image_library.domain.releases.release import Release, digest_from, newest_first

# Every path in a stream is relative to the folder that "streams" is in.
_STREAMS = "/streams/"
_PATH = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:+-]*/)*[A-Za-z0-9][A-Za-z0-9._:+-]*")


def read_simplestreams(index: ReleaseIndex) -> Generator[str, bytes, tuple[Release, ...]]:
    base = index.url.partition(_STREAMS)[0]
    document = table(json_of((yield index.url)), "table of contents")
    if not words(document.get("format"), "format").startswith("products:"):
        document = table(json_of((yield f"{base}/{_products_path(document, index)}")), "products")
    product = table(table(document.get("products"), "products").get(index.product), f"{index.product}")
    versions = table(product.get("versions"), f"versions of {index.product}")
    found = (_release(base, build, index) for build in versions.values())
    return newest_first([release for release in found if release])


def _products_path(document: dict[str, object], index: ReleaseIndex) -> str:
    for value in table(document.get("index"), "table of contents").values():
        content = table(value, "contents")
        listed = content.get("products")
        if content.get("datatype") == "image-downloads" and index.product in rows(listed, "list of products"):
            return _path(content.get("path"))
    raise IndexUnreadable(f"The index has no {index.product}.")


def _release(base: str, build: object, index: ReleaseIndex) -> Release | None:
    item = table(table(build, "build").get("items"), "items of a build").get(index.item)
    if item is None:
        return None
    facts = table(item, "item of a build")
    url = f"{base}/{_path(facts.get('path'))}"
    version = index.release.version_in(url)
    if version is None:
        return None
    digest = digest_from(words(facts.get("sha256"), "digest of a build"), "sha256")
    return Release.listed((version, url), digest=digest, size=facts.get("size"))


def _path(value: object) -> str:
    path = words(value, "path of a file")
    if len(path) > 500 or not _PATH.fullmatch(path):
        raise IndexUnreadable("The index names a path that does not stay below its folder.")
    return path
