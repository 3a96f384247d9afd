"""The shipped catalogue: what must be in it, and that what it promises fits together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from image_library.catalog.loader import load_catalog
from image_library.domain.catalog import CatalogEntry, Variant
from image_library.domain.checksum import decode_checksum_file, find_checksum, is_sidecar
from image_library.domain.os_detection import detect_os

SAMPLES = Path(__file__).parents[2] / "data" / "checksums"
CATALOG = load_catalog()
ENTRIES = [pytest.param(entry, id=entry.id) for entry in CATALOG.entries]
VARIANTS = [
    pytest.param(entry, variant, id=f"{entry.id}-{variant.architecture}")
    for entry in CATALOG.entries
    for variant in entry.variants
]
USERS = {
    "ubuntu-22.04": "ubuntu",
    "ubuntu-24.04": "ubuntu",
    "debian-12": "debian",
    "rocky-9": "rocky",
    "almalinux-9": "almalinux",
    "fedora-40": "fedora",
    "centos-stream-9": "cloud-user",
    "opensuse-leap-15.5": "root",
}
LATER_USERS = {
    "opensuse-leap-15.6": "opensuse",
    "opensuse-leap-16.0": "sles",
    "opensuse-tumbleweed": "opensuse",
    "oraclelinux-9": "cloud-user",
    "amazonlinux-2023": "ec2-user",
    "archlinux": "arch",
    "alpine-3.23": "alpine",
}


def _gnu(digits: str, name: str) -> str:
    return f"{'0' * len(digits)} *{name}.other\n{digits}  {name}\n"


def _bsd(digits: str, name: str) -> str:
    return f"# {name}: 5 bytes\nSHA256 ({name}) = {digits}\n"


def _signed(digits: str, name: str) -> str:
    head, tail = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n", "-----BEGIN PGP SIGNATURE-----\n\n"
    return f"{head}{_bsd(digits, name)}{tail}iQ==\n-----END PGP SIGNATURE-----\n"


def _bare(digits: str, name: str) -> str:
    assert name
    return digits


# How each publisher writes the file that the entries name; the samples of tests/data show them all.
LAYOUTS: dict[str, Callable[[str, str], str]] = {
    "cloud-images.ubuntu.com": lambda digits, name: f"{digits} *{name}\n",
    "cloud.debian.org": _gnu,
    "dl.rockylinux.org": _bsd,
    "repo.almalinux.org": _gnu,
    "download.fedoraproject.org": _signed,
    "archives.fedoraproject.org": _signed,
    "cloud.centos.org": _bsd,
    "download.opensuse.org": lambda digits, name: f"{digits} {name}\n",
    "cdn.amazonlinux.com": _gnu,
    "geo.mirror.pkgbuild.com": _gnu,
    "dl-cdn.alpinelinux.org": _bare,
}


@pytest.mark.parametrize(("catalog_id", "user"), [*USERS.items(), *LATER_USERS.items()])
def test_the_default_users_are_right(catalog_id: str, user: str) -> None:
    entry = CATALOG.find(catalog_id)
    assert entry
    assert entry.os.default_user == user


def test_the_releases_of_today_are_there() -> None:
    linux = {"ubuntu-26.04", "debian-13", "fedora-44", "opensuse-leap-16.0", "alpine-3.24", "archlinux"}
    enterprise = {"rocky-10", "almalinux-10", "centos-stream-10", "oraclelinux-10", "amazonlinux-2023"}
    assert linux | enterprise <= set(CATALOG.ids)


def test_every_seed_is_there_for_both_architectures() -> None:
    for catalog_id in USERS:
        entry = CATALOG.find(catalog_id)
        assert entry
        assert [variant.architecture for variant in entry.variants] == ["x86_64", "aarch64"]


@pytest.mark.parametrize(("entry", "variant"), VARIANTS)
def test_each_publishers_checksum_file_is_understood(entry: CatalogEntry, variant: Variant) -> None:
    if variant.digest:
        assert entry.os.distribution == "oraclelinux"
        return
    digits = "5a" * (32 if variant.checksum_algorithm == "sha256" else 64)
    text = LAYOUTS[urlsplit(variant.checksum_url).hostname or ""](digits, variant.filename)
    found = find_checksum(
        text,
        filename=variant.filename,
        algorithm=variant.checksum_algorithm,
        sidecar=is_sidecar(checksum_url=variant.checksum_url, filename=variant.filename),
    )
    assert found.hex == digits


def test_the_publishers_own_files_list_the_names_that_we_fetch() -> None:
    listed: list[dict[str, Any]] = json.loads((SAMPLES / "expected.json").read_text())
    samples = {sample["url"]: sample["file"] for sample in listed}
    checked: list[str] = []
    for entry in CATALOG.entries:
        for variant in entry.variants:
            sample = samples.get(variant.checksum_url)
            # Of Tumbleweed's file an old excerpt is at hand, from before it listed names that stay.
            if sample and entry.id not in ("opensuse-tumbleweed", "debian-12"):
                text = decode_checksum_file((SAMPLES / sample).read_bytes())
                find_checksum(text, filename=variant.filename, algorithm=variant.checksum_algorithm)
                checked.append(entry.id)
    wanted = ["rocky-9", "almalinux-9", "fedora-44", "opensuse-leap-15.5", "opensuse-leap-16.0"]
    assert checked == wanted


@pytest.mark.parametrize(("entry", "variant"), VARIANTS)
def test_the_file_names_are_those_of_the_entry(entry: CatalogEntry, variant: Variant) -> None:
    found = detect_os(variant.filename)
    version = "rolling" if entry.id == "archlinux" else found.version
    assert (found.distribution, version) == (entry.os.distribution, entry.os.version)
    assert found.architecture == variant.architecture
    assert found.cloud_init_enabled


@pytest.mark.parametrize("entry", ENTRIES)
def test_our_readable_names_are_detected_again(entry: CatalogEntry) -> None:
    found = detect_os(f"{entry.id}.qcow2")
    assert found.distribution == entry.os.distribution
    assert found.cloud_init_enabled


@pytest.mark.parametrize("entry", ENTRIES)
def test_how_a_guest_differs_is_told(entry: CatalogEntry) -> None:
    debian_like = entry.os.distribution in ("ubuntu", "debian")
    alpine = entry.os.distribution == "alpine"
    assert entry.traits.admin_group == ("sudo" if debian_like else "wheel")
    assert entry.traits.shell == ("/bin/ash" if alpine else "/bin/bash")
    assert entry.traits.init_system == ("openrc" if alpine else "systemd")
    assert entry.traits.agent_commands
    assert all(
        command[0] in ("systemctl", "rc-update", "rc-service") for command in entry.traits.agent_commands
    )
    assert entry.requirements.min_memory_mib >= 256


def test_an_image_that_cannot_boot_with_uefi_says_so() -> None:
    firmware = {
        (entry.id, variant.architecture): variant.firmware
        for entry in CATALOG.entries
        for variant in entry.variants
    }
    assert firmware["centos-stream-9", "x86_64"] == ("bios",)
    assert firmware["debian-12", "x86_64"] == ("bios", "uefi")
    assert {fw for (_, architecture), fw in firmware.items() if architecture == "aarch64"} == {("uefi",)}


# The lasting URL of a real build for each publisher, with the version that it must have.
BUILDS = {
    "ubuntu-24.04": "20260801.1 https://cloud-images.ubuntu.com/daily/server/noble/20260801.1/noble-server-cloudimg-amd64.img",
    "debian-12": "20260712-2537 https://cloud.debian.org/images/cloud/bookworm/20260712-2537/debian-12-generic-amd64-20260712-2537.qcow2",
    "rocky-9": "9.8-20260525.0 https://dl.rockylinux.org/pub/rocky/9.8/images/x86_64/Rocky-9-GenericCloud-Base-9.8-20260525.0.x86_64.qcow2",
    "almalinux-9": "9.8-20260526 https://repo.almalinux.org/almalinux/9.8/cloud/x86_64/images/AlmaLinux-9-GenericCloud-9.8-20260526.x86_64.qcow2",
    "almalinux-10": "10.2-20260526.0 https://repo.almalinux.org/almalinux/10.2/cloud/x86_64/images/AlmaLinux-10-GenericCloud-10.2-20260526.0.x86_64.qcow2",
    "fedora-44": "44-1.7 https://download.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/x86_64/images/Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2",
    "centos-stream-10": "20260720.0 https://cloud.centos.org/centos/10-stream/x86_64/images/CentOS-Stream-GenericCloud-10-20260720.0.x86_64.qcow2",
    "opensuse-leap-16.0": "18.71 https://download.opensuse.org/distribution/leap/16.0/appliances/Leap-16.0-Minimal-VM.x86_64-Cloud-Build18.71.qcow2",
    "opensuse-tumbleweed": "20260911 https://download.opensuse.org/tumbleweed/appliances/openSUSE-Tumbleweed-Minimal-VM.x86_64-1.0.0-Cloud-Snapshot20260911.qcow2",
    "oraclelinux-9": "8-b293 https://yum.oracle.com/templates/OracleLinux/OL9/u8/x86_64/OL9U8_x86_64-kvm-b293.qcow2",
    "amazonlinux-2023": "2023.7.20250512.0 https://cdn.amazonlinux.com/al2023/os-images/2023.7.20250512.0/kvm/al2023-kvm-2023.7.20250512.0-kernel-6.1-x86_64.xfs.gpt.qcow2",
    "archlinux": "20260715.556894 https://geo.mirror.pkgbuild.com/images/v20260715.556894/Arch-Linux-x86_64-cloudimg-20260715.556894.qcow2",
    "alpine-3.24": "3.24.1-r0 https://dl-cdn.alpinelinux.org/alpine/v3.24/releases/cloud/nocloud_alpine-3.24.1-x86_64-uefi-cloudinit-r0.qcow2",
}


@pytest.mark.parametrize(("catalog_id", "build"), BUILDS.items())
def test_each_publishers_builds_are_where_its_index_looks(catalog_id: str, build: str) -> None:
    version, url = build.split()
    entry = CATALOG.find(catalog_id)
    assert entry
    index = entry.variants[0].index
    assert index
    assert index.release.version_in(url) == version


@pytest.mark.parametrize(("entry", "variant"), VARIANTS)
def test_only_what_has_ended_for_good_is_without_an_index(entry: CatalogEntry, variant: Variant) -> None:
    archived = urlsplit(variant.url).hostname == "archives.fedoraproject.org"
    assert (variant.index is None) == archived
    assert not archived or entry.support_ends


@pytest.mark.parametrize(("entry", "variant"), VARIANTS)
def test_an_index_leads_exactly_where_the_url_does_not_move(entry: CatalogEntry, variant: Variant) -> None:
    moving = any(word in variant.url for word in ("current", "latest"))
    moves = moving or entry.id.startswith("opensuse")
    assert variant.index is None or variant.index.leads != moves


@pytest.mark.parametrize(("entry", "variant"), VARIANTS)
def test_architectures_are_not_mixed_up_in_an_index(entry: CatalogEntry, variant: Variant) -> None:
    wrong = {"x86_64": ("arm64", "aarch64"), "aarch64": ("amd64", "x86_64")}[variant.architecture]
    assert entry.variants
    assert variant.index is None or not any(
        word in f"{variant.index.release.text} {variant.index.product}" for word in wrong
    )
