"""The mirror is honest when left alone, and each fault does what its name says."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.mirror import Mirror
from tests.support.mirror_faults import (
    ChangedETag,
    Corrupt,
    CutAfter,
    Drop,
    Gzip,
    HoldAt,
    Html,
    IgnoreIfRange,
    IgnoreRange,
    LongerBody,
    NoLength,
    NoValidators,
    Redirect,
    Replace,
    StallAfter,
    Status,
    Throttle,
    Trickle,
    WeakETag,
    WrongContentRange,
    WrongLength,
    WrongTotal,
)

PATH = "images.example.org/a/disk.img"
DATA = bytes(range(256)) * 1024


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with Mirror(tmp_path) as mirror:
        mirror.put(f"https://{PATH}", DATA)
        yield mirror


class Got:
    """An answer, read as far as it goes."""

    def __init__(self, mirror: Mirror, method: str = "GET", timeout: float = 10, **headers: str) -> None:
        host = mirror.base_url.removeprefix("http://")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(host, timeout=timeout)) as connection:
            connection.request(method, f"/{PATH}", headers=named)
            answer = connection.getresponse()
            self.status, self.headers, self.whole, self.body = answer.status, answer.headers, True, b""
            try:
                while piece := answer.read1(1 << 16):
                    self.body += piece
                self.whole = answer.length in (0, None) or method == "HEAD"
            except OSError:
                self.whole = False


def test_serves_a_file_with_its_length_and_validators(mirror: Mirror) -> None:
    got = Got(mirror)
    assert (got.status, got.body, got.whole) == (200, DATA, True)
    assert got.headers["Content-Length"] == str(len(DATA))
    assert got.headers["ETag"]
    assert got.headers["Last-Modified"].endswith("GMT")


def test_head_has_no_body(mirror: Mirror) -> None:
    got = Got(mirror, "HEAD")
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, b"", str(len(DATA)))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=100-", 100, len(DATA)), ("bytes=5-9", 5, 10), ("bytes=-7", len(DATA) - 7, len(DATA))],
)
def test_serves_ranges(mirror: Mirror, asked: str, start: int, stop: int) -> None:
    got = Got(mirror, Range=asked)
    assert (got.status, got.body) == (206, DATA[start:stop])
    assert got.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"


def test_a_range_beyond_the_end_is_416(mirror: Mirror) -> None:
    got = Got(mirror, Range=f"bytes={len(DATA)}-")
    assert (got.status, got.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")


def test_if_range_guards_the_range(mirror: Mirror) -> None:
    etag = Got(mirror).headers["ETag"]
    assert Got(mirror, Range="bytes=9-", If_Range=etag).status == 206
    assert Got(mirror, Range="bytes=9-", If_Range='"other"').status == 200


def test_one_connection_serves_many_requests(mirror: Mirror) -> None:
    with closing(http.client.HTTPConnection(mirror.base_url.removeprefix("http://"))) as connection:
        for _ in range(3):
            connection.request("GET", f"/{PATH}?query=1")
            assert connection.getresponse().read() == DATA


def test_what_is_not_there_is_404_and_nothing_outside_is_served(mirror: Mirror, tmp_path: Path) -> None:
    with closing(http.client.HTTPConnection(mirror.base_url.removeprefix("http://"))) as connection:
        for path in ("/nothing", "/../../../etc/passwd", "/images.example.org"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 404


def test_keeps_a_log(mirror: Mirror) -> None:
    Got(mirror)
    Got(mirror, Range="bytes=100-")
    mirror.wait_for_ends(PATH)
    assert [(e.status, e.start, e.sent, e.range) for e in mirror.exchanges(PATH)] == [
        (200, 0, len(DATA), None),
        (206, 100, len(DATA) - 100, "bytes=100-"),
    ]
    assert mirror.bytes_sent(PATH) == 2 * len(DATA) - 100


@pytest.mark.parametrize("reset", [False, True])
def test_cuts_once(mirror: Mirror, *, reset: bool) -> None:
    mirror.fault(PATH, CutAfter(70_000, times=1, reset=reset))
    cut = Got(mirror)
    assert not cut.whole
    assert DATA[:70_000].startswith(cut.body)
    assert reset or len(cut.body) == 70_000
    assert mirror.bytes_sent(PATH) == 70_000
    assert Got(mirror, Range="bytes=70000-").body == DATA[70_000:]


def test_a_fault_can_wait_for_its_turn(mirror: Mirror) -> None:
    mirror.fault(PATH, Status(503, retry_after="7", skip=1, times=2))
    answers = [Got(mirror) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 503, 503, 200]
    assert answers[1].headers["Retry-After"] == "7"


def test_head_uses_no_fault_up(mirror: Mirror) -> None:
    mirror.fault(PATH, Status(429, times=1))
    assert [Got(mirror, "HEAD").status, Got(mirror).status, Got(mirror).status] == [429, 429, 200]


def test_heals(mirror: Mirror) -> None:
    mirror.fault(PATH, Status(404))
    assert Got(mirror).status == 404
    mirror.heal(PATH)
    assert Got(mirror).status == 200


def test_corrupts_the_byte_wherever_a_range_starts(mirror: Mirror) -> None:
    mirror.fault(PATH, Corrupt(at=150_000))
    wrong = DATA[:150_000] + bytes([DATA[150_000] ^ 0xFF]) + DATA[150_001:]
    assert Got(mirror).body == wrong
    assert Got(mirror, Range="bytes=149990-").body == wrong[149_990:]
    assert Got(mirror, Range="bytes=150001-").body == DATA[150_001:]


def test_lies_about_ranges(mirror: Mirror) -> None:
    mirror.fault(PATH, IgnoreRange(times=1), WrongContentRange(shift=3, skip=1, times=1))
    mirror.fault(PATH, WrongTotal(99, skip=2))
    answers = [Got(mirror, Range="bytes=10-") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 206, 206]
    assert answers[1].headers["Content-Range"] == f"bytes 13-{len(DATA) + 2}/{len(DATA)}"
    assert answers[2].headers["Content-Range"] == f"bytes 10-{len(DATA) - 1}/99"


def test_lies_about_lengths(mirror: Mirror) -> None:
    mirror.fault(PATH, NoLength(times=1), LongerBody(b"more", skip=1, times=1), WrongLength("-5", skip=2))
    unbounded, longer, negative = (Got(mirror) for _ in range(3))
    assert (unbounded.body, unbounded.headers["Content-Length"]) == (DATA, None)
    assert longer.headers["Content-Length"] == str(len(DATA))
    mirror.wait_for_ends(PATH)
    assert mirror.exchanges(PATH)[1].sent == len(DATA) + 4
    assert negative.headers["Content-Length"] == "-5"


def test_validators_change_weaken_or_vanish(mirror: Mirror) -> None:
    mirror.fault(PATH, ChangedETag(times=2), WeakETag(skip=2, times=1), NoValidators(skip=3))
    first, second, weak, none = (Got(mirror).headers for _ in range(4))
    assert first["ETag"] != second["ETag"]
    assert weak["ETag"].startswith("W/")
    assert (none["ETag"], none["Last-Modified"]) == (None, None)


def test_a_changed_file_is_resumed_only_by_a_liar(mirror: Mirror) -> None:
    etag = Got(mirror).headers["ETag"]
    mirror.fault(PATH, Replace(b"new" * 1000), IgnoreIfRange(skip=1))
    assert Got(mirror, Range="bytes=9-", If_Range=etag).status == 200
    assert Got(mirror, Range="bytes=9-", If_Range=etag).body == (b"new" * 1000)[9:]


def test_answers_something_else(mirror: Mirror) -> None:
    mirror.fault(PATH, Html(times=1), Redirect("/elsewhere", skip=1, times=1), Gzip(skip=2))
    page, redirect, packed = (Got(mirror) for _ in range(3))
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (redirect.status, redirect.headers["Location"]) == (302, "/elsewhere")
    assert (packed.headers["Content-Encoding"], gzip.decompress(packed.body)) == ("gzip", DATA)


def test_drops_without_a_word(mirror: Mirror) -> None:
    mirror.fault(PATH, Drop())
    with pytest.raises(http.client.RemoteDisconnected):
        Got(mirror)


def test_stalls_until_the_client_gives_up(mirror: Mirror) -> None:
    mirror.fault(PATH, StallAfter(1000))
    got = Got(mirror, timeout=0.2)
    assert (got.body, got.whole) == (DATA[:1000], False)


def test_holds_until_released_and_tells_when_it_is_there(mirror: Mirror) -> None:
    hold = HoldAt(200_000)
    mirror.fault(PATH, hold)
    answers: list[Got] = []
    reader = threading.Thread(target=lambda: answers.append(Got(mirror)))
    reader.start()
    mirror.wait_for_bytes(PATH, 200_000)
    assert mirror.bytes_sent(PATH) == 200_000
    hold.release()
    reader.join(10)
    assert answers[0].body == DATA


def test_waiting_in_vain_ends(mirror: Mirror) -> None:
    with pytest.raises(TimeoutError, match="byte 1 of"):
        mirror.wait_for_bytes(PATH, 1, timeout=0.01)
    with pytest.raises(TimeoutError, match="request 1 for"):
        mirror.wait_for_requests(PATH, 1, timeout=0.01)


@pytest.mark.parametrize(("fault", "count"), [(Throttle(50_000), 6000), (Trickle(), 4)])
def test_goes_slowly(mirror: Mirror, fault: Throttle | Trickle, count: int) -> None:
    mirror.fault(PATH, fault, CutAfter(count))
    started = time.monotonic()
    assert len(Got(mirror).body) == count
    assert time.monotonic() - started > 0.1


def test_a_stopped_mirror_is_unreachable_and_comes_back_at_its_address(mirror: Mirror) -> None:
    before = mirror.base_url
    mirror.stop()
    with pytest.raises(ConnectionRefusedError):
        Got(mirror)
    mirror.start()
    assert mirror.base_url == before
    assert Got(mirror).body == DATA
