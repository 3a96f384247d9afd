"""``images refresh``: what it says, whom it follows, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from limiquantix.storage.v1.image_pb import (
    ImageCatalogVariant,
    ImportStatus,
    RefreshImagesRequest,
    RefreshResult,
)
from tests.fakes.server import FakeLibrary, debian, image_of, progress
from tests.integration.cli.conftest import Cli

FAILED = ImportStatus.Status.FAILED
COMPLETED = ImportStatus.Status.COMPLETED


def result(name: str = "debian-12", **changes: Any) -> RefreshResult:
    facts: dict[str, Any] = {
        "name": name,
        "catalog_id": name,
        "architecture": "x86_64",
        "outcome": "up_to_date",
        "message": "Up to date: 20261123-1.",
    }
    return RefreshResult(**{**facts, **changes})


def newer(name: str, job_id: str = "", **changes: Any) -> RefreshResult:
    return result(name, outcome="newer", message="Newer: 20261124-1.", job_id=job_id, **changes)


def whole(job_id: str, name: str) -> ImportStatus:
    return progress("ready", 400 << 20, job_id=job_id, name=name, status=COMPLETED)


@pytest.fixture
def two(library: FakeLibrary) -> FakeLibrary:
    """Two images with something newer, and one that nobody can tell of."""
    library.refreshed = [
        newer("debian-12", "job-a"),
        result("alpine-3.24", outcome="unknown", message="It cannot be told: it is gone.", error_code="x.y"),
        newer("rocky-9", "job-b"),
    ]
    for job_id, name in (("job-a", "debian-12"), ("job-b", "rocky-9")):
        library.downloads[job_id] = (
            progress("fetching", 1 << 20, job_id=job_id, name=name),
            whole(job_id, name),
        )
    return library


def test_what_came_out_is_a_table_and_all_downloads_are_followed(cli: Cli, two: FakeLibrary) -> None:
    ended = cli("images", "refresh", "--all")
    assert ended.code == 0
    rows = ended.out.splitlines()
    assert rows[0].split() == ["IMAGE", "ARCHITECTURE", "OUTCOME", "WHAT", "JOB"]
    assert rows[2] == "alpine-3.24  x86_64        unknown  It cannot be told: it is gone."
    assert [row.split(",")[0] for row in rows[4:]] == ["debian-12: ready", "rocky-9: ready"]
    for name in ("debian-12", "rocky-9"):
        assert f"{name}: fetching, 0 %" in ended.err
        assert f"{name}: ready, 100 %" in ended.err


def test_the_document_holds_results_and_the_ends_of_the_jobs(cli: Cli, two: FakeLibrary) -> None:
    document = cli("images", "refresh", "--all", "--json").document
    assert [r["outcome"] for r in document["results"]] == ["newer", "unknown", "newer"]
    assert [j["jobId"] for j in document["jobs"]] == ["job-a", "job-b"]


def test_one_failed_download_fails_it_and_the_others_go_on(cli: Cli, two: FakeLibrary) -> None:
    two.downloads["job-a"] = (
        progress(
            "failed",
            job_id="job-a",
            status=FAILED,
            error_code="verify.digest_mismatch",
            error_message="The digests differ.",
        ),
    )
    ended = cli("images", "refresh", "--all", "--json")
    assert ended.code == 9
    assert ended.document["error"]["code"] == "verify.digest_mismatch"
    assert [j["stage"] for j in ended.document["jobs"]] == ["failed", "ready"]


def test_what_could_not_be_begun_fails_it_too(cli: Cli, library: FakeLibrary) -> None:
    library.refreshed = [newer("debian-12", error_code="storage.full")]
    ended = cli("images", "refresh", "debian-12")
    assert ended.code == 6
    assert "error: debian-12: Newer: 20261124-1." in ended.err


def test_the_wish_arrives_as_it_was_given(cli: Cli, library: FakeLibrary) -> None:
    library.refreshed = [result()]
    cli("images", "refresh", "debian-12", "web@2", "--dry-run", "--keep", "5")
    cli("images", "refresh", "--all")
    first, second = library.asked(RefreshImagesRequest)
    assert (list(first.images), first.all, first.dry_run, first.keep) == (
        ["debian-12", "web@2"],
        False,
        True,
        5,
    )
    assert (list(second.images), second.all, second.dry_run, second.keep) == ([], True, False, 0)


def test_downloads_can_be_left_alone(cli: Cli, two: FakeLibrary) -> None:
    ended = cli("images", "refresh", "--all", "--no-wait")
    assert "job-a" in ended.out
    assert "ready" not in ended.out
    assert "limiquantix jobs list --active" in ended.err


def test_with_nothing_here_that_is_said(cli: Cli) -> None:
    ended = cli("images", "refresh", "--all")
    assert (ended.code, ended.out) == (0, "")
    assert "No image of the catalog is here." in ended.err


def test_lists_mark_what_is_old_and_what_is_not_supported_any_more(cli: Cli, library: FakeLibrary) -> None:
    image = image_of(debian())
    assert image.status is not None
    image.version, image.current = 2, True
    image.status.newer_release, image.status.end_of_life = "20261124-1", True
    image.status.support_ends, image.status.release = "2026-07-11", "20261123-1"
    library.images.append(image)
    assert "newer: 20261124-1, support ended" in cli("images", "list").out
    shown = cli("images", "show", "debian-12").out
    facts = dict(line.split("  ", 1) for line in shown.splitlines() if "  " in line)
    assert {name: facts[name].strip() for name in ("version", "release", "newer", "support ends")} == {
        "version": "2, current",
        "release": "20261123-1",
        "newer": "20261124-1",
        "support ends": "2028-06-30",
    }
    assert "2026-07-11 (ended)" in shown


def test_an_entry_tells_of_the_newest_build(cli: Cli, library: FakeLibrary) -> None:
    variant = ImageCatalogVariant(
        architecture="x86_64",
        newest_release="20261124-1",
        newest_published="2026-11-24",
        asked_at="2026-11-25T01:02:03Z",
    )
    library.catalog = [debian(variants=[variant])]
    shown = cli("images", "show", "debian-12").out
    assert "20261124-1, published 2026-11-24 (asked 2026-11-25T01:02:03Z)" in shown
