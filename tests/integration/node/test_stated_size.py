"""A size that was stated beforehand is a limit: one byte more is refused, and so is one less."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import AddressDenied, UrlNotAllowed
from image_library.domain.store import Download, DownloadOrder
from image_library.node.services.flights import version_key
from tests.fakes.node_images import Qcow2
from tests.fakes.node_workbench import PUBLISHER, order, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

MIB = 1 << 20
IMAGE = Qcow2().file(2 * MIB)
URL = f"{PUBLISHER}/disk.qcow2"
SIZE = len(IMAGE)


def stated(size: int, *, digest: bool, **more: Any) -> DownloadOrder:
    proof = {"digest": hashlib.sha256(IMAGE).hexdigest()} if digest else {"unverified": True}
    return order(checksum_url="", checksum_algorithm="sha256", size_bytes=size, **proof, **more)


def code(download: Download) -> str:
    return download.failure.code if download.failure else download.state.value


@pytest.mark.parametrize("digest", [True, False], ids=["digest", "none"])
@pytest.mark.parametrize(
    ("size", "fault", "end"),
    [
        pytest.param(SIZE, (), "ready", id="A22 just so"),
        pytest.param(SIZE, (faults.NoLength(),), "ready", id="A22 just so, unannounced"),
        pytest.param(SIZE, (faults.Chunked(),), "ready", id="A22 just so, in chunks"),
        pytest.param(SIZE - 1, (), "import.size_exceeded", id="A22 a byte more, announced"),
        pytest.param(
            SIZE - 1, (faults.NoLength(),), "import.size_exceeded", id="A22 a byte more, unannounced"
        ),
        pytest.param(SIZE - 1, (faults.Chunked(),), "import.size_exceeded", id="A22 a byte more, in chunks"),
        pytest.param(SIZE + 1, (), "import.bad_length", id="A22 a byte less, announced"),
        pytest.param(SIZE + 1, (faults.NoLength(),), "import.bad_length", id="A22 a byte less, unannounced"),
    ],
)
async def test_bytes_are_counted(
    tmp_path: Path, mirror: Mirror, size: int, fault: tuple[faults.Fault, ...], end: str, digest: bool
) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, *fault)
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert code(await bench.finish(stated(size, digest=digest))) == end
        if end == "import.size_exceeded":
            assert list(bench.layout.parts.iterdir()) == []


async def test_a22_an_endless_body_is_read_to_the_stated_size_and_no_further(
    tmp_path: Path, mirror: Mirror
) -> None:
    mirror.put(URL, Qcow2().file(64 * MIB))
    mirror.fault(URL, faults.NoLength())
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert code(await bench.finish(stated(SIZE, digest=False))) == "import.size_exceeded"
    # What was on its way in the kernel's buffers counts here too.
    assert mirror.bytes_sent(URL) < 32 * MIB


async def test_a_cut_without_a_length_is_gone_on_from_where_the_size_is_known(
    tmp_path: Path, mirror: Mirror
) -> None:
    mirror.put(URL, IMAGE)
    mirror.fault(URL, faults.NoLength(), faults.CutAfter(MIB, times=1), faults.Throttle(8 * MIB, times=1))
    async with workbench(tmp_path / "data", mirror=mirror.base_url) as bench:
        assert code(await bench.finish(stated(SIZE, digest=False))) == "ready"
    assert [e.range is not None for e in mirror.exchanges(URL)] == [False, True]


def test_who_states_another_size_means_another_version() -> None:
    assert version_key(stated(SIZE, digest=True)) != version_key(stated(SIZE + 1, digest=True))
    assert version_key(stated(0, digest=True)) == version_key(
        order(checksum_url="", checksum_algorithm="sha256", digest=hashlib.sha256(IMAGE).hexdigest())
    )


@pytest.mark.parametrize(
    ("denied", "url", "ends"),
    [
        (("127.0.0.0/8",), "http://127.0.0.1:{port}/x", AddressDenied.code),
        (("127.0.0.0/8",), "http://localhost:{port}/x", AddressDenied.code),
        (("localhost",), "http://localhost:{port}/x", AddressDenied.code),
        (("LOCALHOST",), "http://sub.localhost:{port}/x", AddressDenied.code),
        (("*",), "http://127.0.0.1:{port}/x", "ready"),
        (("other.example",), "http://127.0.0.1:{port}/x", "ready"),
        ((), "http://user:pw@127.0.0.1:{port}/x", UrlNotAllowed.code),
    ],
)
async def test_what_an_operator_denies_is_denied_though_it_is_allowed(
    tmp_path: Path, mirror: Mirror, denied: tuple[str, ...], url: str, ends: str
) -> None:
    mirror.put("x", IMAGE)
    source = url.format(port=mirror.base_url.rpartition(":")[2])
    allowed = "127.0.0.0/8,::1,localhost,sub.localhost"
    async with workbench(tmp_path / "data", allowed=allowed, denied=denied) as bench:
        assert code(await bench.finish(stated(0, digest=True, url=source))) == ends
    assert bool(mirror.exchanges()) == (ends == "ready")
