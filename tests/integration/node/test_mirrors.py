"""Several mirrors: which is asked for what, who comes next when one fails, and whose word counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.store import Download
from image_library.domain.trust import TrustLevel
from tests.fakes.node_images import Qcow2, raw_disk
from tests.fakes.node_workbench import PUBLISHER, QUICK, content, order, publish, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)
OTHER = Qcow2().file(3 * MIB, seed=7)
URL = f"{PUBLISHER}/disk.qcow2"
SUMS = f"{PUBLISHER}/SUMS"
RULES = replace(QUICK, patience=0.3)


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[Mirror]:
    """A mirror that only carries; ``mirror`` plays the publisher."""
    with Mirror(tmp_path / "carrier") as carrier:
        carrier.put(URL, IMAGE)
        yield carrier


def published(download: Download) -> bytes:
    assert download.published is not None, download.failure
    assert download.published.evidence.level is TrustLevel.CHECKSUM
    return content(download.published.blob_path)


async def test_a_carrier_brings_the_bytes_and_the_publisher_vouches(
    tmp_path: Path, mirror: Mirror, carrier: Mirror
) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,)) as bench:
        done = await bench.finish(order())
        assert published(done) == IMAGE
        assert done.published is not None
        assert done.published.evidence.source == SUMS
    assert mirror.exchanges(URL) == []
    assert [e.path for e in carrier.exchanges()] == [URL.removeprefix("https://")]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(faults.Status(404), id="not there"),
        pytest.param(faults.Status(403), id="forbidden"),
        pytest.param(faults.Status(503, retry_after="3600"), id="busy for an hour"),
        pytest.param(faults.Drop(), id="closes"),
        pytest.param(faults.CutAfter(MIB // 2), id="cuts"),
        pytest.param(faults.StallAfter(MIB // 2), id="stalls"),
        pytest.param(faults.Corrupt(2 * MIB), id="one bit"),
        pytest.param(faults.Replace(OTHER), id="another image"),
        pytest.param(faults.Replace(raw_disk()), id="another format"),
        pytest.param(faults.Html(), id="captive portal"),
        pytest.param(faults.WrongLength("-1"), id="senseless length"),
        pytest.param(faults.Redirect("https://169.254.169.254/"), id="leads away"),
        pytest.param(faults.Gzip(), id="compressed"),
    ],
)
async def test_what_one_carrier_spoils_the_publisher_makes_good(
    tmp_path: Path, mirror: Mirror, carrier: Mirror, fault: faults.Fault
) -> None:
    publish(mirror, IMAGE)
    carrier.fault(URL, fault)
    async with workbench(
        tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,), rules=RULES
    ) as bench:
        assert published(await bench.finish(order())) == IMAGE
    assert len(mirror.exchanges(URL)) == 1


async def test_a_carrier_that_is_not_there_is_passed_over(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    gone = Mirror(tmp_path / "gone")
    with gone:
        base = gone.base_url
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(base,)) as bench:
        assert published(await bench.finish(order())) == IMAGE


async def test_the_publisher_goes_on_where_the_carrier_broke_off(
    tmp_path: Path, mirror: Mirror, carrier: Mirror
) -> None:
    publish(mirror, IMAGE)
    carrier.fault(URL, faults.CutAfter(MIB // 2), faults.Throttle(8 * MIB))
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,)) as bench:
        assert published(await bench.finish(order())) == IMAGE
    (exchange,) = mirror.exchanges(URL)
    assert exchange.range is not None
    mirror.wait_for_ends(URL)
    assert carrier.bytes_sent(URL) + mirror.bytes_sent(URL) == len(IMAGE)


async def test_a_carrier_is_gone_on_with_while_it_brings_much(
    tmp_path: Path, mirror: Mirror, carrier: Mirror
) -> None:
    publish(mirror, IMAGE)
    carrier.fault(URL, faults.CutAfter(2 * MIB, times=1), faults.Throttle(16 * MIB))
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,)) as bench:
        assert published(await bench.finish(order())) == IMAGE
    assert [e.range is None for e in carrier.exchanges(URL)] == [True, False]
    assert mirror.exchanges(URL) == []


async def test_what_a_carrier_says_of_itself_is_not_asked_for(
    tmp_path: Path, mirror: Mirror, carrier: Mirror
) -> None:
    publish(mirror, IMAGE)
    publish(carrier, OTHER)
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,)) as bench:
        assert published(await bench.finish(order())) == IMAGE
    assert carrier.exchanges(SUMS) == []


async def test_nothing_unproved_comes_from_a_carrier(tmp_path: Path, mirror: Mirror, carrier: Mirror) -> None:
    publish(mirror, IMAGE)
    unproved = order(checksum_url="", checksum_algorithm="sha256", unverified=True)
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,)) as bench:
        done = await bench.finish(unproved)
        assert done.published is not None, done.failure
    assert carrier.exchanges() == []


async def test_a_pinned_digest_is_enough_for_a_carrier(tmp_path: Path, carrier: Mirror) -> None:
    """The publisher itself cannot be reached from here."""
    pinned = order(checksum_url="", checksum_algorithm="sha256", digest=hashlib.sha256(IMAGE).hexdigest())
    async with workbench(tmp_path / "data", carriers=(carrier.base_url,)) as bench:
        done = await bench.finish(pinned)
        assert done.published is not None, done.failure
        assert done.published.evidence.level is TrustLevel.PINNED


async def test_when_all_fail_the_publishers_word_is_the_last(
    tmp_path: Path, mirror: Mirror, carrier: Mirror
) -> None:
    publish(mirror, IMAGE)
    carrier.remove(URL.removeprefix("https://"))
    mirror.fault(URL, faults.Status(403))
    async with workbench(tmp_path / "data", mirror=mirror.base_url, carriers=(carrier.base_url,)) as bench:
        done = await bench.finish(order())
        assert done.failure is not None
        assert done.failure.code == "import.refused"
