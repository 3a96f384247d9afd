"""What an index adds to the checksum file's word, and what it may not change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.catalog.loader import load_catalog
from image_library.domain.checksum import Digest
from image_library.domain.errors import IndexUnreadable
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.releases import IndexFormat, Release, ReleaseIndex, ReleasePattern, order_of
from image_library.domain.trust import TrustLevel

MOVING = "https://h.example/latest/disk.qcow2"
INDEX = ReleaseIndex(
    format=IndexFormat.CHECKSUMS,
    url="https://h.example/SUMS?token=secret",
    release=ReleasePattern("https://h.example/{build}/disk-{build}.qcow2"),
)
LEADING = replace(INDEX, leads=True)


def digest(number: int, algorithm: str = "sha256") -> Digest:
    return Digest(algorithm=algorithm, hex=f"{number:0{64 if algorithm == 'sha256' else 128}x}")


def url(version: str) -> str:
    return f"https://h.example/{version}/disk-{version}.qcow2"


def build(version: str, number: int) -> Release:
    return Release(version=version, url=url(version), digest=digest(number), published=date(2026, 8, 1))


def answer(number: int, **changes: Any) -> PublisherAnswer:
    values: dict[str, Any] = {
        "digest": digest(number),
        "level": TrustLevel.CHECKSUM,
        "source": "https://h.example/latest/SUMS",
        "url": MOVING,
    }
    return PublisherAnswer(**{**values, **changes})


BUILDS = (build("20260803", 3), build("20260802", 2), build("20260801", 1))


def test_the_index_names_the_build_that_the_checksum_file_proves() -> None:
    found = answer(2).with_index(INDEX, BUILDS)
    assert (found.version, found.digest, found.url) == ("20260802", digest(2), MOVING)
    assert (found.level, found.note, found.complete) == (TrustLevel.CHECKSUM, "", True)


def test_a_build_that_is_only_in_the_index_changes_nothing() -> None:
    found = answer(9).with_index(INDEX, BUILDS)
    assert (found.release, found.digest) == (None, digest(9))
    assert "does not list" in found.note


def test_where_the_url_names_one_build_the_index_tells_what_is_newer() -> None:
    pinned = answer(2, url=url("20260802"), level=TrustLevel.PINNED, source="catalog")
    found = pinned.with_index(LEADING, BUILDS)
    assert (found.version, found.digest, found.url) == ("20260803", digest(3), url("20260803"))
    # It is the publisher's word now and no longer the catalogue's; a query may hold a secret.
    assert (found.level, found.source) == (TrustLevel.CHECKSUM, "https://h.example/SUMS")


def test_an_index_that_fell_behind_the_catalogue_does_not_lead_back() -> None:
    found = answer(9, url=url("20260901")).with_index(LEADING, BUILDS)
    assert (found.release, found.digest, found.url) == (None, digest(9), url("20260901"))


def test_an_index_that_contradicts_the_checksum_file_is_not_believed() -> None:
    with pytest.raises(IndexUnreadable, match="another digest"):
        answer(7, url=url("20260802")).with_index(LEADING, BUILDS)


def test_another_kind_of_digest_is_no_contradiction() -> None:
    stated = answer(0, url=url("20260803"), digest=digest(3, "sha512"))
    assert stated.with_index(LEADING, BUILDS).digest == digest(3, "sha512")


def test_without_the_index_it_is_known_whether_anything_is_missing() -> None:
    assert answer(1).without_index(INDEX, "Gone.").complete
    found = answer(1).without_index(LEADING, "Gone.")
    assert (found.complete, found.note, found.digest) == (False, "Gone.", digest(1))


@given(st.integers(0, 5), st.lists(st.integers(1, 5), min_size=1, unique=True), st.booleans())
def test_what_is_verified_is_the_checksum_files_word_or_a_newer_build(
    stated: int, listed: list[int], leads: bool
) -> None:
    builds = [build(f"2026080{n}", n) for n in sorted(listed, reverse=True)]
    index = replace(INDEX, leads=leads)
    before = answer(stated, url=url(f"2026080{stated}") if leads else MOVING)
    found = before.with_index(index, builds)
    if found.digest != before.digest:
        assert leads
        assert order_of(found.version) > order_of(f"2026080{stated}")
    if found.release:
        assert found.release.digest == found.digest


def test_a_question_holds_what_the_catalogue_knows() -> None:
    for entry in load_catalog().entries:
        for variant in entry.variants:
            question = PublisherQuestion.about(variant)
            assert (question.url, question.index) == (variant.url, variant.index)
            assert bool(question.digest) != bool(question.checksum_url)
