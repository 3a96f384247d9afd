"""Publishers' indexes as they are written, and what a hostile one can do (nothing)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.errors import IndexUnreadable
from image_library.domain.releases import (
    IndexFormat,
    Release,
    ReleaseIndex,
    ReleasePattern,
    page_limit,
    read_index,
)

DATA = Path(__file__).parents[2] / "data"
A, B = "ab" * 32, "cd" * 32


def sample(name: str) -> bytes:
    return (DATA / name).read_bytes()


def index(kind: IndexFormat, release: str, **changes: Any) -> ReleaseIndex:
    values: dict[str, Any] = {"url": "https://h.example/index", "release": ReleasePattern(release)}
    return ReleaseIndex(format=kind, **{**values, **changes})


UBUNTU = index(
    IndexFormat.SIMPLESTREAMS,
    "https://cloud-images.ubuntu.com/daily/server/noble/{build}/noble-server-cloudimg-amd64.img",
    url="https://cloud-images.ubuntu.com/daily/streams/v1/index.json",
    product="com.ubuntu.cloud.daily:server:24.04:amd64",
    item="disk1.img",
)
RELEASED = index(
    IndexFormat.SIMPLESTREAMS,
    "https://cloud-images.ubuntu.com/releases/server/releases/xenial/release-{build}/"
    "ubuntu-16.04-server-cloudimg-amd64-disk1.img",
    url="https://cloud-images.ubuntu.com/releases/streams/v1/index.json",
    product="com.ubuntu.cloud:server:16.04:amd64",
    item="disk1.img",
)
FEDORA = index(
    IndexFormat.FEDORA_RELEASES,
    "https://download.fedoraproject.org/pub/fedora/linux/releases/40/Cloud/x86_64/images/"
    "Fedora-Cloud-Base-Generic.x86_64-{point}-{build}.qcow2",
)
ARCH = index(
    IndexFormat.GITLAB_PACKAGES,
    "https://geo.mirror.pkgbuild.com/images/v{build}/Arch-Linux-x86_64-cloudimg-{build}.qcow2",
    url="https://gitlab.example/packages?sort=desc",
)
CENTOS = index(
    IndexFormat.CHECKSUMS,
    "https://cloud.centos.org/centos/10-stream/x86_64/images/CentOS-Stream-GenericCloud-10-{build}.x86_64.qcow2",
)
DEBIAN = index(
    IndexFormat.CHECKSUMS,
    "https://cloud.debian.org/images/cloud/bookworm/{build}/debian-12-genericcloud-amd64-{build}.qcow2",
)
ALPINE = index(
    IndexFormat.LISTING,
    "https://h.example/cloud/nocloud_alpine-{point}-x86_64-uefi-cloudinit-{build}.qcow2",
    item="sha512",
)
SUSE = index(
    IndexFormat.LISTING,
    "https://h.example/appliances/Leap-16.0-Minimal-VM.x86_64-Cloud-Build{build}.qcow2",
    item="sha256",
)
ALL = (UBUNTU, RELEASED, FEDORA, ARCH, CENTOS, DEBIAN, ALPINE, SUSE)


def read(wanted: ReleaseIndex, *pages: bytes) -> tuple[list[str], tuple[Release, ...]]:
    """The URLs that the reading asked for, one a page, and what it found."""
    reading = read_index(wanted)
    urls = [next(reading)]
    for page in pages:
        try:
            urls.append(reading.send(page))
        except StopIteration as end:
            return urls, end.value
    raise AssertionError(f"more pages are wanted: {urls}")


def refusal(wanted: ReleaseIndex, *pages: bytes) -> str:
    with pytest.raises(IndexUnreadable) as caught:
        read(wanted, *pages)
    return caught.value.message


def versions(releases: Sequence[Release]) -> list[str]:
    return [release.version for release in releases]


class TestSimplestreams:
    def test_reads_the_index_then_the_products_and_sorts_by_serial(self) -> None:
        pages = sample("indexes/ubuntu-daily-index.json"), sample("indexes/ubuntu-daily-products.json")
        urls, found = read(UBUNTU, *pages)
        base = "https://cloud-images.ubuntu.com/daily"
        assert urls == [
            f"{base}/streams/v1/index.json",
            f"{base}/streams/v1/com.ubuntu.cloud:daily:download.json",
        ]
        # The newest build has no disk image and is left out.
        assert versions(found) == ["20260801.10", "20260801.2", "20260801", "20260731"]
        newest = found[0]
        assert newest.url == f"{base}/server/noble/20260801.10/noble-server-cloudimg-amd64.img"
        assert str(newest.digest) == f"sha256:{'ef' * 32}"
        assert (newest.size_bytes, newest.published) == (624239700, date(2026, 8, 1))

    def test_reads_what_ubuntu_published(self) -> None:
        pages = sample("indexes/ubuntu-released-index.json"), sample("indexes/ubuntu-released-products.json")
        _, (only,) = read(RELEASED, *pages)
        assert (only.version, only.size_bytes) == ("20170516", 287440896)
        assert only.digest.hex == "1797c5c82016c1e65f4008fcf89deae3a044ef76087a9ec5b907c6d64a3609ac"
        assert "/releases/server/releases/xenial/release-20170516/" in only.url

    def test_a_products_file_may_be_named_directly(self) -> None:
        urls, found = read(UBUNTU, sample("indexes/ubuntu-daily-products.json"))
        assert len(urls) == 1
        assert len(found) == 4

    @pytest.mark.parametrize(
        "path",
        [
            "../../evil.json",
            "/etc/passwd",
            "https://evil.example/x.json",
            "//evil.example/x.json",
            "a/../../x.json",
            "a\\b.json",
            "a b.json",
            "",
            "a/" * 300 + "x",
            5,
            None,
        ],
    )
    def test_a_path_that_leaves_the_folder_is_not_followed(self, path: object) -> None:
        document = json.loads(sample("indexes/ubuntu-daily-index.json"))
        document["index"]["com.ubuntu.cloud:daily:download"]["path"] = path
        assert "path" in refusal(UBUNTU, json.dumps(document).encode())

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"path": "../../../evil/noble-server-cloudimg-amd64.img"}, "does not stay below"),
            ({"path": "https://evil.example/noble-server-cloudimg-amd64.img"}, "does not stay below"),
            ({"path": "elsewhere/noble-server-cloudimg-amd64.img"}, "where no build of this image is"),
            ({"path": 5}, "no path"),
            ({"sha256": None}, "no digest"),
            ({"sha256": "ab"}, "not a sha256 digest"),
            ({"sha256": "zz" * 32}, "not a sha256 digest"),
            ({"size": -1}, "as a size"),
            ({"size": 10**30}, "as a size"),
            ({"size": True}, "as a size"),
            ({"size": 1.5}, "as a size"),
            ({"size": "many"}, "as a size"),
            ({"size": []}, "as a size"),
        ],
    )
    def test_one_wrong_build_is_one_clear_error(self, changes: dict[str, object], says: str) -> None:
        document = json.loads(sample("indexes/ubuntu-daily-products.json"))
        builds = document["products"][UBUNTU.product]["versions"]
        builds["20260801"]["items"]["disk1.img"] |= changes
        assert says in refusal(UBUNTU, json.dumps(document).encode())

    @pytest.mark.parametrize(
        "document",
        [
            [],
            {},
            {"format": 5},
            {"format": "index:1.0"},
            {"format": "index:1.0", "index": []},
            {"format": "index:1.0", "index": {"a": 5}},
            {"format": "index:1.0", "index": {"a": {"datatype": "image-downloads", "products": "x"}}},
            {"format": "index:1.0", "index": {"a": {"datatype": "image-ids", "products": [UBUNTU.product]}}},
            {"format": "products:1.0"},
            {"format": "products:1.0", "products": {UBUNTU.product: []}},
            {"format": "products:1.0", "products": {UBUNTU.product: {"versions": []}}},
            {"format": "products:1.0", "products": {UBUNTU.product: {"versions": {}}}},
            {"format": "products:1.0", "products": {UBUNTU.product: {"versions": {"1": []}}}},
            {"format": "products:1.0", "products": {UBUNTU.product: {"versions": {"1": {"items": 1}}}}},
        ],
    )
    def test_what_is_missing_is_named(self, document: object) -> None:
        assert refusal(UBUNTU, json.dumps(document).encode()).startswith("The index")


class TestFedora:
    def test_finds_the_generic_image_of_its_release(self) -> None:
        _, (only,) = read(FEDORA, sample("indexes/fedora-releases.json"))
        assert (only.version, only.size_bytes, only.published) == ("40-1.14", 397475840, None)
        assert only.digest.hex.startswith("ac58f3c35b73")

    def test_a_row_without_a_digest_is_of_no_use(self) -> None:
        listed = json.loads(sample("indexes/fedora-releases.json"))
        listed[0]["sha256"] = ""
        assert "lists no build" in refusal(FEDORA, json.dumps(listed).encode())

    def test_a_link_to_another_host_is_an_error(self) -> None:
        text = sample("indexes/fedora-releases.json").replace(
            b"https://download.fedoraproject", b"https://evil"
        )
        assert "where no build" in refusal(FEDORA, text)


def test_gitlabs_newest_package_is_read() -> None:
    pages = sample("indexes/arch-packages.json"), sample("indexes/arch-package-files.json")
    urls, (only,) = read(ARCH, *pages)
    assert urls == [
        "https://gitlab.example/packages?sort=desc",
        "https://gitlab.example/packages/1803/package_files",
    ]
    assert (only.version, only.size_bytes, only.digest.hex) == ("20260715.556894", 578000000, "2b" * 32)
    assert only.url.endswith("/v20260715.556894/Arch-Linux-x86_64-cloudimg-20260715.556894.qcow2")


@pytest.mark.parametrize("number", [0, -1, True, "7/../../x", 1 << 70, None])
def test_a_package_number_that_is_none_goes_into_no_url(number: object) -> None:
    assert "number" in refusal(ARCH, json.dumps([{"id": number}]).encode())


class TestChecksums:
    def test_dated_names_become_builds_with_sizes(self) -> None:
        _, (only,) = read(CENTOS, sample("checksums/centos-stream-10-checksum.txt"))
        assert (only.version, only.size_bytes, only.published) == (
            "20241118.0",
            954073088,
            date(2024, 11, 18),
        )

    def test_debians_manifest_names_the_lasting_url(self) -> None:
        _, (only,) = read(DEBIAN, sample("checksums/debian-12-json-manifest.txt"))
        assert only.url == (
            "https://cloud.debian.org/images/cloud/bookworm/20250210-2019/"
            "debian-12-genericcloud-amd64-20250210-2019.qcow2"
        )
        assert only.digest.algorithm == "sha512"
        # The row of the moving name in SHA512SUMS has the same digest.
        assert only.digest.hex.encode() in sample("checksums/debian-12-sha512sums-latest.txt")

    def test_oracles_template_names_the_newest_build(self) -> None:
        place = "https://h.example/OL9/u{point}/x86_64/OL9U{point}_x86_64-kvm-{build}.qcow2"
        _, (only,) = read(index(IndexFormat.CHECKSUMS, place), sample("checksums/oracle-linux-9-json.txt"))
        assert only.version == "8-b293"
        assert only.url == "https://h.example/OL9/u8/x86_64/OL9U8_x86_64-kvm-b293.qcow2"

    def test_rockys_folder_is_sorted(self) -> None:
        place = "https://h.example/{point}/Rocky-9-GenericCloud-Base-{point}-{build}.x86_64.qcow2"
        _, found = read(index(IndexFormat.CHECKSUMS, place), sample("indexes/rocky-9-checksum.txt"))
        assert versions(found) == ["9.8-20260525.0", "9.7-20251123.2"]
        assert found[0].url.startswith("https://h.example/9.8/")

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (f"{A}  x\n", "lists no build"),
            ("<html>", "web page"),
            (
                f"{A}  CentOS-Stream-GenericCloud-10-1.x86_64.qcow2\n"
                f"{B}  CentOS-Stream-GenericCloud-10-1.x86_64.qcow2\n",
                "different digests",
            ),
            (
                "# CentOS-Stream-GenericCloud-10-1.x86_64.qcow2: 999999999999999999 bytes\n"
                f"{A}  CentOS-Stream-GenericCloud-10-1.x86_64.qcow2\n",
                "as a size",
            ),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, text: str, says: str) -> None:
        assert says in refusal(CENTOS, text.encode())

    def test_a_row_that_stands_twice_is_one_build(self) -> None:
        row = f"SHA256 (CentOS-Stream-GenericCloud-10-1.x86_64.qcow2) = {A}\n"
        assert len(read(CENTOS, row.encode() * 2)[1]) == 1


class TestListing:
    def test_the_newest_build_of_a_web_page_is_found_with_its_digest(self) -> None:
        name = "nocloud_alpine-3.24.10-x86_64-uefi-cloudinit-r1.qcow2"
        urls, (only,) = read(ALPINE, sample("indexes/alpine-listing.html"), b"5a" * 64)
        assert urls == ["https://h.example/index", f"https://h.example/cloud/{name}.sha512"]
        assert (only.version, only.digest.algorithm) == ("3.24.10-r1", "sha512")

    def test_opensuses_json_tells_size_and_day(self) -> None:
        name = "Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.71.qcow2"
        row = f"{A}  {name}\n".encode()
        _, (only,) = read(SUSE, sample("indexes/opensuse-jsontable.json"), row)
        assert (only.version, only.size_bytes, only.published) == ("18.71", 341735936, date(2026, 6, 26))

    def test_a_checksum_of_another_file_proves_nothing(self) -> None:
        row = f"{A}  Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.7.qcow2\n".encode()
        assert "no sha256 row" in refusal(SUSE, sample("indexes/opensuse-jsontable.json"), row)

    def test_a_date_beyond_all_days_is_an_error(self) -> None:
        listed = sample("indexes/opensuse-jsontable.json").replace(b"1782432000", b"9" * 30)
        row = f"{A}  Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.71.qcow2\n".encode()
        assert "date" in refusal(SUSE, listed, row)


@pytest.mark.parametrize("wanted", ALL)
@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\xff\xfe\x00",
        b"<!DOCTYPE html><title>Log in</title>",
        b"null",
        b"5",
        b"[[[[",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"9" * 5000 + b"]",
        b'{"format": "products:1.0", "format": "index:1.0"}',
        b'{"data": [{"name": 5}]}',
        b"[NaN, Infinity, -1e999]",
        b'"\\ud800"',
    ],
)
def test_garbage_is_one_clear_error(wanted: ReleaseIndex, page: bytes) -> None:
    assert refusal(wanted, page)


@pytest.mark.parametrize("part", [b"[],", b"{},", b"0,"])
def test_a_page_of_millions_of_parts_is_refused_before_it_takes_the_memory(part: bytes) -> None:
    assert "more parts" in refusal(UBUNTU, b"[" + part * 2_500_000 + b"0]")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    [
        "format",
        "index",
        "products",
        "versions",
        "items",
        "path",
        "sha256",
        "size",
        "data",
        "name",
        "mtime",
        "datatype",
        "kind",
        "link",
        "id",
        "file_name",
        "file_sha256",
        UBUNTU.product,
        UBUNTU.item,
        "a",
    ]
)
HINTS = st.sampled_from(
    [
        "products:1.0",
        "index:1.0",
        "image-downloads",
        UBUNTU.product,
        A,
        "Arch-Linux-x86_64-cloudimg-1.qcow2",
        "server/noble/1/noble-server-cloudimg-amd64.img",
        FEDORA.release.text,
        "List",
    ]
)
DOCUMENTS = st.recursive(
    SCALARS | HINTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(
    st.sampled_from(ALL),
    st.lists(
        DOCUMENTS.map(lambda d: json.dumps(d).encode()) | st.binary(max_size=60), min_size=3, max_size=3
    ),
)
def test_no_page_raises_anything_but_our_error(wanted: ReleaseIndex, pages: list[bytes]) -> None:
    try:
        _, found = read(wanted, *pages)
    except IndexUnreadable:
        return
    prefix = wanted.release.text.partition("{")[0]
    assert all(release.url.startswith(prefix) and release.size_bytes >= 0 for release in found)


@given(st.data())
def test_no_damage_to_a_real_index_raises_anything_but_our_error(data: st.DataObject) -> None:
    wanted, names = data.draw(
        st.sampled_from(
            [
                (UBUNTU, ["indexes/ubuntu-daily-index.json", "indexes/ubuntu-daily-products.json"]),
                (FEDORA, ["indexes/fedora-releases.json"]),
                (ARCH, ["indexes/arch-packages.json", "indexes/arch-package-files.json"]),
                (CENTOS, ["checksums/centos-stream-10-checksum.txt"]),
                (DEBIAN, ["checksums/debian-12-json-manifest.txt"]),
                (ALPINE, ["indexes/alpine-listing.html", "checksums/alpine-sha512-bare.txt"]),
                (SUSE, ["indexes/opensuse-jsontable.json", "checksums/opensuse-leap-16.0-sha256.txt"]),
            ]
        )
    )
    pages = [sample(name) for name in names]
    at = data.draw(st.integers(0, len(pages) - 1))
    start = data.draw(st.integers(0, len(pages[at])))
    put = data.draw(st.binary(max_size=6))
    pages[at] = pages[at][:start] + put + pages[at][start + data.draw(st.integers(0, 40)) :]
    try:
        _, found = read(wanted, *pages)
    except IndexUnreadable:
        return
    prefix = wanted.release.text.partition("{")[0]
    assert found
    assert all(release.url.startswith(prefix) and ".." not in release.url for release in found)


@pytest.mark.parametrize(
    ("wanted", "bit"), [(ALPINE, b"href=a"), (ALPINE, b'href="./'), (CENTOS, b"# a: 1 b\n")]
)
def test_the_largest_page_is_read_in_no_time(wanted: ReleaseIndex, bit: bytes) -> None:
    page = bit * (page_limit(wanted) // len(bit))
    start = time.process_time()
    assert refusal(wanted, page)
    assert time.process_time() - start < 5  # 0.2 on an idle machine; this only tells a blunder
