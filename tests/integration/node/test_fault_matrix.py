"""Every way in which a source goes wrong, at several sizes, with a digest and without.

The rows are data (tests/data/fetch_faults.py): what is armed, and what has to come of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.store import Download
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.fetcher.traffic import Traffic
from tests.data.fetch_faults import ROWS, Row
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, QUICK, Workbench, content, order, workbench
from tests.support.mirror import Exchange, Mirror

SIZES = (300_000, 1 << 20, (2 << 20) + 4097)
IMAGES = {size: Qcow2().file(size) for size in SIZES}
DIGESTS = {size: hashlib.sha256(image).hexdigest() for size, image in IMAGES.items()}
RULES = replace(QUICK, patience=1.0, slowest_rate=4096)


def outcome(download: Download, exchanges: list[Exchange], image: bytes) -> str:
    """What became of it: a word, and the code where it failed."""
    if download.failure is not None:
        return f"fail {download.failure.code}"
    assert download.published is not None
    if content(download.published.blob_path) != image:
        return "other bytes"
    gets = [e for e in exchanges if e.method == "GET"]
    last = gets[-1]
    if len(gets) == 1:
        return "take"
    if last.range is not None and last.status in (206, 416):
        return "resume"
    brought = [e for e in gets[:-1] if e.status in (200, 206) and e.sent]
    return "restart" if brought else "wait"


async def come_of(bench: Workbench, mirror: Mirror, row: Row, size: int, *, digest: bool) -> str:
    name = f"{'proved' if digest else 'unproved'}-{size}.qcow2"
    url = f"{PUBLISHER}/{name}"
    mirror.put(url, IMAGES[size])
    mirror.fault(url, *row.faults(size, mirror.url(url)))
    proof = {"digest": DIGESTS[size]} if digest else {"unverified": True}
    done = await bench.finish(order(name, checksum_url="", checksum_algorithm="sha256", **proof))
    return outcome(done, mirror.exchanges(url), IMAGES[size])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_fault_has_its_one_right_end(tmp_path: Path, mirror: Mirror, row: Row) -> None:
    traffic = Traffic(SystemClock(), per_host=0)
    async with workbench(tmp_path / "d", mirror=mirror.base_url, rules=RULES, traffic=traffic) as bench:
        cases = [(size, digest) for digest in (True, False) for size in SIZES]
        found = await asyncio.gather(
            *(come_of(bench, mirror, row, size, digest=digest) for size, digest in cases)
        )
    wanted = [row.proved if digest else row.unproved for _, digest in cases]
    assert found == wanted


def test_there_are_enough_kinds() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60
