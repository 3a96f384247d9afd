"""Asking a publisher over real HTTP what is newest, and what stays of the answer when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.checksum import Digest
from image_library.domain.errors import (
    AddressDenied,
    ChecksumMissing,
    InvalidChecksumFile,
    LibraryError,
    SourceNotFound,
    SourceStalled,
)
from image_library.domain.publisher import PublisherAnswer, PublisherQuestion
from image_library.domain.releases import IndexFormat, ReleaseIndex, ReleasePattern
from image_library.domain.trust import TrustLevel
from image_library.node.adapters.openpgp.checker import OpenPgpSignatures
from image_library.node.services.ask_publisher import AskPublisher
from tests.fakes.node_workbench import PUBLISHER, QUICK, workbench
from tests.support import mirror_faults as faults
from tests.support.mirror import Mirror

DATA = Path(__file__).parents[2] / "data" / "indexes"
URL = f"{PUBLISHER}/noble/current/noble-server-cloudimg-amd64.img"
SUMS = f"{PUBLISHER}/noble/current/SHA256SUMS"
STREAMS = f"{PUBLISHER}/daily/streams/v1"
PRODUCTS = f"{STREAMS}/com.ubuntu.cloud:daily:download.json"
UBUNTU = ReleaseIndex(
    format=IndexFormat.SIMPLESTREAMS,
    url=f"{STREAMS}/index.json",
    release=ReleasePattern(f"{PUBLISHER}/daily/server/noble/{{build}}/noble-server-cloudimg-amd64.img"),
    product="com.ubuntu.cloud.daily:server:24.04:amd64",
    item="disk1.img",
)
QUESTION = PublisherQuestion(url=URL, checksum_url=SUMS, checksum_algorithm="sha256", index=UBUNTU)
OFFERED = "ef" * 32
AMAZON_URL = (
    f"{PUBLISHER}/2023.12.20260831.0/kvm/al2023-kvm-2023.12.20260831.0-kernel-6.1-x86_64.xfs.gpt.qcow2"
)
AMAZON = PublisherQuestion(
    url=AMAZON_URL,
    checksum_algorithm="sha256",
    digest="0a" * 32,
    index=ReleaseIndex(
        format=IndexFormat.CHECKSUMS,
        url=f"{PUBLISHER}/latest/SHA256SUMS",
        release=ReleasePattern(AMAZON_URL.replace("2023.12.20260831.0", "{build}")),
        leads=True,
    ),
)


@asynccontextmanager
async def asking(data_dir: Path, mirror: Mirror, **options: Any) -> AsyncGenerator[AskPublisher]:
    async with workbench(data_dir, mirror=mirror.base_url, **options) as bench:
        yield AskPublisher(bench.fetcher, OpenPgpSignatures())


async def answer(data_dir: Path, mirror: Mirror, question: PublisherQuestion) -> PublisherAnswer:
    rules = replace(QUICK, patience=0.5)
    async with asking(data_dir, mirror, rules=rules) as publisher:
        return await publisher.latest(question)


@pytest.fixture
def published(mirror: Mirror) -> Mirror:
    """A publisher with a checksum file and an index that fit together."""
    mirror.put(SUMS, f"{OFFERED} *noble-server-cloudimg-amd64.img\n".encode())
    mirror.put(UBUNTU.url, DATA / "ubuntu-daily-index.json")
    mirror.put(PRODUCTS, DATA / "ubuntu-daily-products.json")
    return mirror


async def test_the_offered_build_gets_its_version_and_lasting_url(tmp_path: Path, published: Mirror) -> None:
    found = await answer(tmp_path / "data", published, QUESTION)
    assert (found.digest, found.url, found.note) == (Digest(algorithm="sha256", hex=OFFERED), URL, "")
    assert (found.level, found.source) == (TrustLevel.CHECKSUM, SUMS)
    assert found.release
    assert found.release.version == "20260801.10"
    assert found.release.url.startswith(f"{PUBLISHER}/daily/server/noble/20260801.10/")
    # Nothing but the three small files was fetched, and caches were asked to look again.
    asked = published.exchanges()
    assert [one.path.rpartition("/")[2] for one in asked] == [
        "SHA256SUMS",
        "index.json",
        "com.ubuntu.cloud:daily:download.json",
    ]
    assert {one.headers.get("cache-control") for one in asked} == {"no-cache"}


async def test_the_checksum_file_decides_although_the_index_is_ahead(
    tmp_path: Path, published: Mirror
) -> None:
    published.put(SUMS, f"{'01' * 32} *noble-server-cloudimg-amd64.img\n".encode())
    found = await answer(tmp_path / "data", published, QUESTION)
    assert (found.digest.hex, found.version) == ("01" * 32, "20260801.2")


async def test_a_build_that_the_index_does_not_know_yet_has_no_version(
    tmp_path: Path, published: Mirror
) -> None:
    published.put(SUMS, f"{'77' * 32} *noble-server-cloudimg-amd64.img\n".encode())
    found = await answer(tmp_path / "data", published, QUESTION)
    assert (found.digest.hex, found.version) == ("77" * 32, "")
    assert found.note == "The index does not list the build that is offered now."


async def test_without_an_index_the_checksum_file_is_asked_alone(tmp_path: Path, published: Mirror) -> None:
    found = await answer(tmp_path / "data", published, replace(QUESTION, index=None))
    assert (found.digest.hex, found.release, found.note) == (OFFERED, None, "")
    assert len(published.exchanges()) == 1


@pytest.mark.parametrize(
    ("file", "fault", "says"),
    [
        pytest.param(UBUNTU.url, faults.Status(404), "not there", id="index gone"),
        pytest.param(PRODUCTS, faults.Status(404), "not there", id="products gone"),
        pytest.param(UBUNTU.url, faults.Status(503), "503", id="index busy"),
        pytest.param(UBUNTU.url, faults.Html(), "web page", id="captive portal"),
        pytest.param(UBUNTU.url, faults.Replace(b"{]"), "not valid JSON", id="garbage"),
        pytest.param(PRODUCTS, faults.Replace(b"[" * 50_000), "not valid JSON", id="nested"),
        pytest.param(PRODUCTS, faults.Replace(b" " * ((16 << 20) + 1)), "more than the", id="endless"),
        pytest.param(PRODUCTS, faults.Corrupt(1000), "not text", id="flipped bits"),
        pytest.param(UBUNTU.url, faults.StallAfter(10), "sent less than", id="stalls"),
        pytest.param(UBUNTU.url, faults.Redirect("http://169.254.169.254/x"), "169.254", id="metadata"),
        pytest.param(
            PRODUCTS,
            faults.Replace(
                (DATA / "ubuntu-daily-products.json")
                .read_bytes()
                .replace(b"server/noble/20260731", b"server/../20260731")
            ),
            "does not stay below",
            id="leads away",
        ),
    ],
)
async def test_an_index_that_cannot_be_used_is_said_and_the_checksum_file_stands(
    tmp_path: Path, published: Mirror, *, file: str, fault: faults.Fault, says: str
) -> None:
    published.fault(file, fault)
    found = await answer(tmp_path / "data", published, QUESTION)
    assert (found.digest.hex, found.level, found.release) == (OFFERED, TrustLevel.CHECKSUM, None)
    assert found.note.startswith(f"The index {UBUNTU.url} was not used: ")
    assert says in found.note
    # The moving URL alone tells what is newest.
    assert found.complete


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(faults.Status(404), SourceNotFound, id="gone"),
        pytest.param(faults.Html(), InvalidChecksumFile, id="captive portal"),
        pytest.param(faults.Replace(f"{'0' * 64}  other.img\n".encode()), ChecksumMissing, id="other file"),
        pytest.param(faults.Redirect("https://169.254.169.254/x"), AddressDenied, id="metadata"),
    ],
)
async def test_without_the_checksum_file_the_index_is_not_even_asked(
    tmp_path: Path, published: Mirror, fault: faults.Fault, expected: type[LibraryError]
) -> None:
    published.fault(SUMS, fault)
    with pytest.raises(expected):
        await answer(tmp_path / "data", published, QUESTION)
    assert published.exchanges(UBUNTU.url) == []


async def test_a_pinned_entry_learns_of_a_newer_build(tmp_path: Path, mirror: Mirror) -> None:
    assert AMAZON.index
    mirror.put(AMAZON.index.url, DATA / "amazon-latest-sha256sums.txt")
    found = await answer(tmp_path / "data", mirror, AMAZON)
    assert (found.version, found.digest.hex) == ("2023.12.20260914.0", "4d" * 32)
    assert found.url == AMAZON_URL.replace("20260831", "20260914")
    assert (found.level, found.source) == (TrustLevel.CHECKSUM, AMAZON.index.url)


async def test_a_pinned_entry_without_its_index_is_known_to_be_incomplete(
    tmp_path: Path, mirror: Mirror
) -> None:
    found = await answer(tmp_path / "data", mirror, AMAZON)
    assert (found.digest.hex, found.level, found.source) == ("0a" * 32, TrustLevel.PINNED, "catalog")
    assert not found.complete
    assert "was not used" in found.note


async def test_a_folder_and_the_file_beside_its_newest_build_are_read(tmp_path: Path, mirror: Mirror) -> None:
    name = "nocloud_alpine-3.24.{}-x86_64-uefi-cloudinit-{}.qcow2"
    index = ReleaseIndex(
        format=IndexFormat.LISTING,
        url=f"{PUBLISHER}/listing?sorted=yes",
        release=ReleasePattern(f"{PUBLISHER}/{name.format('{point}', '{build}').replace('3.24.', '')}"),
        item="sha512",
        leads=True,
    )
    mirror.put(f"{PUBLISHER}/listing", DATA / "alpine-listing.html")
    mirror.put(f"{PUBLISHER}/{name.format('10', 'r1')}.sha512", b"5a" * 64)
    mirror.put(f"{PUBLISHER}/{name.format('1', 'r0')}.sha512", b"3c" * 64)
    question = PublisherQuestion(
        url=f"{PUBLISHER}/{name.format('1', 'r0')}",
        checksum_url=f"{PUBLISHER}/{name.format('1', 'r0')}.sha512",
        checksum_algorithm="sha512",
        index=index,
    )
    found = await answer(tmp_path / "data", mirror, question)
    assert (found.version, found.digest.hex, found.source) == (
        "3.24.10-r1",
        "5a" * 64,
        f"{PUBLISHER}/listing",
    )


async def test_what_is_waited_for_is_told(tmp_path: Path, published: Mirror) -> None:
    published.fault(PRODUCTS, faults.Status(429, retry_after="1", times=1))
    heard: list[str] = []
    async with asking(tmp_path / "data", published) as publisher:
        found = await publisher.latest(QUESTION, waiting=lambda waiting: heard.append(waiting.what))
    assert found.version == "20260801.10"
    assert "127.0.0.1 cannot answer now (HTTP 429). Trying again in 1 s." in heard


async def test_who_asks_does_not_wait_for_ever(tmp_path: Path, published: Mirror) -> None:
    published.fault(PRODUCTS, faults.Status(429, retry_after="3600"))
    async with workbench(tmp_path / "data", mirror=published.base_url) as bench:
        publisher = AskPublisher(bench.fetcher, OpenPgpSignatures(), patience=1.0)
        found = await publisher.latest(QUESTION)
        assert (found.digest.hex, found.release) == (OFFERED, None)
        assert "was not read within 1 s. 127.0.0.1 cannot answer now (HTTP 429)." in found.note
        published.fault(SUMS, faults.Status(503, retry_after="3600"))
        with pytest.raises(SourceStalled, match="SHA256SUMS was not read within 1 s"):
            await publisher.latest(QUESTION)


async def test_questions_that_are_asked_together_share_what_is_fetched(
    tmp_path: Path, published: Mirror
) -> None:
    async with asking(tmp_path / "data", published) as publisher:
        found = await asyncio.gather(*(publisher.latest(QUESTION) for _ in range(5)))
        assert {answer.version for answer in found} == {"20260801.10"}
        assert len(published.exchanges()) == 3
        await publisher.latest(QUESTION)
    assert len(published.exchanges()) == 6


async def test_asking_can_be_given_up(tmp_path: Path, published: Mirror) -> None:
    published.fault(PRODUCTS, faults.StallAfter(10))
    async with asking(tmp_path / "data", published) as publisher:
        question = asyncio.create_task(publisher.latest(QUESTION))
        await asyncio.to_thread(published.wait_for_bytes, PRODUCTS, 10)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
