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
