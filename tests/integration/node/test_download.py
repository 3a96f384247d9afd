"""Downloads from a real mirror into a real store."""

from __future__ import annotations

import hashlib
from pathlib import Path

from image_library.domain.job import JobState
from image_library.domain.trust import TrustLevel
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, content, mode, order, publish, workbench
from tests.support.mirror import Mirror
from tests.support.mirror_faults import CutAfter, Throttle

MIB = 1 << 20
IMAGE = Qcow2().file(3 * MIB)


async def test_publishes_what_the_checksum_file_names(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        download = await bench.finish(order())
        image = download.published
        assert download.state is JobState.READY, download.failure
        assert image is not None
        assert image.digest == f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"
        assert image.facts.virtual_size_bytes == 1 << 30
        assert image.evidence.level is TrustLevel.CHECKSUM
        assert image.evidence.expected == hashlib.sha512(IMAGE).hexdigest()
        assert image.evidence.source == f"{PUBLISHER}/SUMS"
        assert content(image.link_path) == IMAGE
        assert Path(image.link_path).name == "disk.qcow2"
        assert mode(image.blob_path) == 0o444
        assert list(bench.layout.parts.iterdir()) == []
        assert await bench.store.find(image.digest) == image


async def test_goes_on_after_the_connection_breaks(tmp_path: Path, mirror: Mirror) -> None:
    publish(mirror, IMAGE)
    mirror.fault(f"{PUBLISHER}/disk.qcow2", CutAfter(MIB, times=1), Throttle(4 * MIB, times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        download = await bench.finish(order())
        assert download.state is JobState.READY, download.failure
        first, second = mirror.exchanges(f"{PUBLISHER}/disk.qcow2")
        assert (first.status, second.status) == (200, 206)
        assert first.sent + second.sent < len(IMAGE) + MIB // 2
