"""When something is newer, when it cannot be told, and which old versions may go."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.checksum import Digest
from image_library.domain.errors import InvalidRequest
from image_library.domain.publisher import PublisherAnswer
from image_library.domain.refresh import Freshness, HeldVersion, RefreshReport, judge_refresh
from image_library.domain.releases import Release
from image_library.domain.trust import TrustLevel

START = datetime(2026, 8, 1, tzinfo=UTC)


def digest(number: int, algorithm: str = "sha512") -> Digest:
    return Digest(algorithm=algorithm, hex=f"{number:0128x}" if algorithm == "sha512" else f"{number:064x}")


def held(number: int, **changes: Any) -> HeldVersion:
    """Version ``number``, imported on that day of August."""
    values: dict[str, Any] = {
        "id": f"v{number}",
        "digests": frozenset({digest(number), digest(number, "sha256")}),
        "imported_at": START + timedelta(days=number - 1),
    }
    return HeldVersion(**{**values, **changes})


def offer(
    number: int, *, version: str = "", published: date | None = None, **changes: Any
) -> PublisherAnswer:
    release = Release(version=version, url="https://h/x", digest=digest(number), published=published)
    values: dict[str, Any] = {
        "digest": digest(number),
        "level": TrustLevel.CHECKSUM,
        "source": "https://h/SUMS",
        "url": "https://h/x",
        "release": release if version else None,
    }
    return PublisherAnswer(**{**values, **changes})


def ids(report: RefreshReport) -> list[str]:
    return [version.id for version in report.prune]


def test_the_current_version_with_the_publishers_digest_is_up_to_date() -> None:
    report = judge_refresh([held(1), held(2, current=True)], offer(2, version="20260802-7"))
    assert (report.freshness, report.prune) == (Freshness.UP_TO_DATE, ())
    assert report.describe() == "Up to date: 20260802-7."


def test_another_digest_is_newer() -> None:
    answer = offer(3, version="20260803-9", published=date(2026, 8, 3))
    report = judge_refresh([held(2, current=True, release="20260802-7")], answer)
    assert (report.freshness, report.held) == (Freshness.NEWER_AVAILABLE, None)
    assert report.describe() == "Newer: 20260803-9, published 2026-08-03."


def test_a_build_without_a_version_is_told_by_its_digest() -> None:
    report = judge_refresh([], offer(3, note="The index does not list the build that is offered now."))
    assert report.freshness is Freshness.NEWER_AVAILABLE
    expected = "Newer: sha512:000000000000…. The index does not list the build that is offered now."
    assert report.describe() == expected


def test_a_newer_version_that_is_here_already_needs_no_fetching() -> None:
    report = judge_refresh([held(1, current=True), held(2)], offer(2))
    assert (report.freshness, report.held) == (Freshness.NEWER_AVAILABLE, held(2))
    assert "here already" in report.describe()


def test_a_publisher_who_could_not_be_asked_is_said_why() -> None:
    report = judge_refresh([held(1, current=True)], "cloud.example.org did not answer.")
    assert report.freshness is Freshness.UNKNOWN
    assert report.describe() == (
        "It cannot be told whether there is something newer: cloud.example.org did not answer."
    )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(offer(1), "was here before", id="held and older"),
        pytest.param(offer(9, version="20260701"), "older than 20260802", id="unknown and older"),
        pytest.param(
            offer(2, complete=False, note="The index was not used."), "The index was not used.", id="no index"
        ),
    ],
)
def test_going_back_is_never_newer(answer: PublisherAnswer, says: str) -> None:
    report = judge_refresh([held(1), held(2, current=True, release="20260802")], answer)
    assert report.freshness is Freshness.UNKNOWN
    assert says in report.describe()
    assert report.describe().count("index") <= 1


def test_digests_of_different_kinds_are_not_compared() -> None:
    current = held(2, current=True, digests=frozenset({digest(2, "sha256")}))
    report = judge_refresh([current], offer(2))
    assert report.freshness is Freshness.UNKNOWN
    assert report.describe().endswith(
        "The publisher now gives sha512, which is not known of the version of 2026-08-02."
    )


def test_without_an_index_the_first_import_is_still_possible() -> None:
    report = judge_refresh([], offer(1, complete=False, note="The index was not used."))
    assert report.freshness is Freshness.NEWER_AVAILABLE


def test_the_last_three_that_nothing_uses_are_kept() -> None:
    versions = [*map(held, range(1, 6)), held(6, current=True)]
    assert ids(judge_refresh(versions, offer(6))) == ["v1", "v2", "v3"]


def test_a_newer_one_takes_a_place() -> None:
    versions = [*map(held, range(1, 6)), held(6, current=True)]
    report = judge_refresh(versions, offer(7))
    assert ids(report) == ["v1", "v2", "v3", "v4"]
    assert report.describe().endswith(
        "Nothing uses the version of 2026-08-01, the version of 2026-08-02, the version of 2026-08-03, "
        "the version of 2026-08-04; to be removed."
    )


def test_what_is_used_or_protected_stays_and_takes_no_place() -> None:
    versions = [
        held(1, in_use=True),
        held(2),
        held(3, protected=True),
        held(4),
        held(5),
        held(6, current=True),
    ]
    assert ids(judge_refresh(versions, offer(6))) == ["v2"]
    assert ids(judge_refresh(versions, offer(6), keep=1)) == ["v2", "v4", "v5"]


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_is_kept(keep: int) -> None:
    with pytest.raises(InvalidRequest, match="At least one"):
        judge_refresh([], offer(1), keep=keep)


@st.composite
def libraries(draw: st.DrawFn) -> list[HeldVersion]:
    numbers = draw(st.lists(st.integers(1, 20), unique=True, max_size=8))
    current = draw(st.sampled_from([*numbers, 0])) if numbers else 0
    flags = st.booleans()
    return [held(n, current=n == current, in_use=draw(flags), protected=draw(flags)) for n in numbers]


@given(libraries(), st.integers(1, 21) | st.none(), st.integers(1, 5))
def test_pruning_never_takes_what_somebody_needs(
    library: list[HeldVersion], offered: int | None, keep: int
) -> None:
    report = judge_refresh(library, offer(offered) if offered else "Gone.", keep=keep)
    assert not any(v.current or v.in_use or v.protected or v == report.held for v in report.prune)
    unused = [v for v in library if not (v.in_use or v.protected)]
    kept = [v for v in unused if v not in report.prune]
    if report.prune:
        # No more go than must, and the oldest go first.
        newcomer = report.freshness is Freshness.NEWER_AVAILABLE and report.held is None
        counted = {v.id for v in library if v.current or v == report.held} | {v.id for v in kept}
        assert len(counted) + newcomer >= keep
        assert list(report.prune) == sorted(report.prune, key=lambda v: v.imported_at)
        others = [v for v in kept if not v.current and v != report.held]
        assert all(v.imported_at >= report.prune[-1].imported_at for v in others)
    assert report.describe()


@given(libraries(), st.integers(1, 21))
def test_it_is_up_to_date_exactly_when_the_current_version_is_the_one_that_is_offered(
    library: list[HeldVersion], offered: int
) -> None:
    report = judge_refresh(library, offer(offered))
    current = next((v for v in library if v.current), None)
    assert (report.freshness is Freshness.UP_TO_DATE) == bool(current and digest(offered) in current.digests)


@given(libraries(), st.integers(1, 21), st.integers(1, 4))
def test_once_refreshed_it_is_up_to_date_and_nothing_more_goes(
    library: list[HeldVersion], offered: int, keep: int
) -> None:
    report = judge_refresh(library, offer(offered), keep=keep)
    if report.freshness is not Freshness.NEWER_AVAILABLE or any(v.current for v in report.prune):
        return
    stays = [v for v in library if v not in report.prune and v != report.held]
    was_current = [v for v in stays if v.current]
    stays = [held(int(v.id[1:]), in_use=v.in_use, protected=v.protected) for v in stays]
    after = judge_refresh([*stays, held(offered, current=True)], offer(offered), keep=keep)
    assert after.freshness is Freshness.UP_TO_DATE
    # Only the version that was current until then may have become too much.
    assert {v.id for v in after.prune} <= {v.id for v in was_current}
