"""When a fetch is tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from image_library.node.adapters.fetcher.retries import RetryRules, asked_wait

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0),
        ("0", None),
        ("3600", 3600.0),
        ("3601", None),
        ("1000000000", None),
        ("9" * 400, None),
        ("Mon, 23 Nov 2026 12:01:00 GMT", 60.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", None),
        ("Mon, 23 Nov 2026 13:00:00 GMT", 3600.0),
        ("Mon, 23 Nov 2027 11:00:00 GMT", None),
        ("Mon, 99 Nov 99999 11:00:00 GMT", None),
        ("\u0665", None),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_source_may_ask_for_at_most_an_hour(header: str, seconds: float | None) -> None:
    assert asked_wait(header, NOW) == seconds


def test_waits_grow_up_to_a_limit_and_differ() -> None:
    slow = RetryRules(jitter=lambda: 1.0)
    quick = RetryRules(jitter=lambda: 0.0)
    assert [slow.wait_before(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 64, 120]
    assert [quick.wait_before(n) for n in range(1, 4)] == [0.5, 1, 2]
