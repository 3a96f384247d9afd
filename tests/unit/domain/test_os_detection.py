"""What file names say about the operating system inside, and what they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.os_detection import detect_os
from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod

DATA = Path(__file__).parents[2] / "data"
NAMES: list[dict[str, str]] = json.loads((DATA / "filenames.json").read_text())
MORE_NAMES = [
    line.split()
    for line in (DATA / "more-filenames.txt").read_text().splitlines()
    if not line.startswith("#")
]


def told(filename: str) -> tuple[str, str, str]:
    found = detect_os(filename)
    return found.distribution, found.version, found.architecture


@pytest.mark.parametrize("row", NAMES, ids=[row["filename"] for row in NAMES])
def test_known_names_are_detected(row: dict[str, str]) -> None:
    distribution = "" if row["distribution"] == "unknown" else row["distribution"]
    assert told(row["filename"]) == (distribution, row["version"], row["arch"])


@pytest.mark.parametrize("row", MORE_NAMES, ids=[row[0] for row in MORE_NAMES])
def test_names_of_publishers_and_people(row: list[str]) -> None:
    filename, *expected = (cell.replace("~", " ") for cell in row)
    assert [fact or "-" for fact in told(filename)] == expected


@pytest.mark.parametrize(
    ("filename", "distribution", "version"),
    [
        ("ubuntu2004.qcow2", "ubuntu", "20.04"),
        ("ubuntu-22.04.3-live-server-amd64.iso", "ubuntu", "22.04"),
        ("UBUNTU_24_04.IMG", "ubuntu", "24.04"),
        ("ubuntu-noble.qcow2", "ubuntu", "24.04"),
        ("resolute-minimal-cloudimg-arm64.img", "ubuntu", "26.04"),
        ("debian11.qcow2", "debian", "11"),
        ("debian-12.5.0-amd64-netinst.iso", "debian", "12"),
        ("trixie.raw", "debian", "13"),
        ("debian-unstable.qcow2", "debian", "sid"),
        ("rocky8", "rocky", "8"),
        ("Rocky-9-GenericCloud-Base-9.8-20260525.0.x86_64.qcow2", "rocky", "9"),
        ("RockyLinux-10.qcow2", "rocky", "10"),
        ("alma-9.qcow2", "almalinux", "9"),
        ("AlmaLinux-8-GenericCloud-8.10-20260518.aarch64.qcow2", "almalinux", "8"),
        ("CentOS-7-x86_64-GenericCloud-2009.qcow2", "centos", "7"),
        ("CentOS-Stream-GenericCloud-x86_64-9-latest.x86_64.qcow2", "centos", "9"),
        ("centos8.qcow2", "centos", "8"),
        ("Fedora-Cloud-Base-39-1.5.x86_64.qcow2", "fedora", "39"),
        ("Fedora-Cloud-Base-Generic-44-1.7.aarch64.qcow2", "fedora", "44"),
        ("Fedora-Cloud-Base-Rawhide-20260101.n.0.x86_64.qcow2", "fedora", "rawhide"),
        ("opensuse-leap-15.5.qcow2", "opensuse", "15.5"),
        ("Leap-16.0-Minimal-VM.aarch64-Cloud-Build18.7.qcow2", "opensuse", "16.0"),
        ("SLES15-SP5-Minimal-VM.x86_64-Cloud-GM.qcow2", "sles", "15"),
        ("rhel-9.4-x86_64-kvm.qcow2", "rhel", "9"),
        ("OracleLinux-R9-U4-x86_64-dvd.iso", "oraclelinux", "9"),
        ("OL10U1_aarch64-kvm-cloud-b178.qcow2", "oraclelinux", "10"),
        ("amzn2-kvm-2.0.20230101.0-x86_64.xfs.gpt.qcow2", "amazonlinux", "2"),
        ("archlinux-2024.01.01-x86_64.iso", "arch", ""),
        ("alpine-virt-3.20.1-x86_64.iso", "alpine", "3.20"),
        ("gentoo-openstack-amd64-default-20240101.qcow2", "gentoo", ""),
        ("win2k22.qcow2", "windows", "2022"),
        ("en-us_windows_server_2019_x64_dvd.iso", "windows", "2019"),
        ("Windows-11.vhdx", "windows", "11"),
        ("/srv/images/debian-12.qcow2", "debian", "12"),
        ("C:\\images\\rocky-9.qcow2", "rocky", "9"),
    ],
)
def test_a_release_is_the_number_bound_to_the_word(filename: str, distribution: str, version: str) -> None:
    assert told(filename)[:2] == (distribution, version)


@pytest.mark.parametrize(
    "filename",
    [
        "archive-2023.qcow2",
        "arch.qcow2",
        "arch-test-x86_64.qcow2",
        "almanac-2024.qcow2",
        "alma.qcow2",
        "focalpoint.img",
        "winter.qcow2",
        "darwin10.img",
        "win7.qcow2",
        "win2012.qcow2",
        "win-110.qcow2",
        "virtio-win-10.iso",
        "virtio-win-0.1.285.iso",
        "xubuntu-22.04.iso",
        "sid.qcow2",
        "leap-second-2016.1.img",
        "vol9.qcow2",
        "xdebian-12",
        "rocky-to-debian-12.qcow2",
        "focal-or-stretch.img",
        "nixos-24.05.qcow2",
        "debian-12/disk.qcow2",
        ".qcow2",
        "",
    ],
)
def test_what_is_not_said_is_not_guessed(filename: str) -> None:
    found = detect_os(filename)
    assert (found.distribution, found.version, found.default_user) == ("", "", "")
    assert found.family is OsFamily.UNKNOWN


NO_RELEASE = """debian-2 debian-20250101 ubuntu-20-10-2023 ubuntu-20041012 ubuntu-7 rocky-100 fedora-2023-09
jammy-to-noble centos-1907 kali-linux"""


@pytest.mark.parametrize("filename", NO_RELEASE.split())
def test_a_number_that_is_no_release_is_left_out(filename: str) -> None:
    found = detect_os(filename)
    assert found.distribution != ""
    assert found.version == ""


@pytest.mark.parametrize(
    ("spelling", "architecture"),
    [
        (name, "x86_64")
        for name in (
            *("amd64", "x86_64", "x86-64", "x64", "AMD64", "amd64v3", "x86_64_v2", "x86-64-v3"),
            *("x8664", "x64v2", "x64FRE", "em64t", "intel64"),
        )
    ]
    + [(name, "aarch64") for name in ("arm64", "aarch64", "arm64-aarch64", "ARM64", "arm64v8")]
    + [
        ("ppc64le", "ppc64le"),
        ("ppc64el", "ppc64le"),
        ("powerpc64le", "ppc64le"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
    ]
    + [(name, "") for name in ("i386", "armhf", "linux64", "xarm64", "arm64x", "amd64-arm64", "0x64")],
)
def test_architectures_in_every_spelling(spelling: str, architecture: str) -> None:
    assert detect_os(f"disk-{spelling}.qcow2").architecture == architecture
    assert detect_os(f"disk.{spelling}.raw.xz").architecture == architecture


@pytest.mark.parametrize(
    ("filename", "user"),
    [
        ("ubuntu-22.04", "ubuntu"),
        ("debian-12", "debian"),
        ("rocky-9", "rocky"),
        ("almalinux-9", "almalinux"),
        ("centos-stream-9", "cloud-user"),
        ("fedora-40", "fedora"),
        ("opensuse-leap-15.5", "root"),
        ("rhel-9", "cloud-user"),
        ("windows-2022", "Administrator"),
        ("oraclelinux-9", "cloud-user"),
        ("amazonlinux-2023", "ec2-user"),
        ("archlinux", "arch"),
        ("alpine-3.23", "alpine"),
        ("sles-15", ""),
    ],
)
def test_the_distribution_tells_the_default_user(filename: str, user: str) -> None:
    assert detect_os(f"{filename}.qcow2").default_user == user


@pytest.mark.parametrize(
    ("filename", "method"),
    [
        ("jammy-server-cloudimg-amd64.img", ProvisioningMethod.CLOUD_INIT),
        ("debian-12-generic-amd64.qcow2", ProvisioningMethod.CLOUD_INIT),
        ("OL9U8_x86_64-kvm-b293.qcow2", ProvisioningMethod.CLOUD_INIT),
        ("nocloud_alpine-3.23.4-x86_64-uefi-cloudinit-r0.qcow2", ProvisioningMethod.CLOUD_INIT),
        ("debian-12.qcow2", ProvisioningMethod.CLOUD_INIT),
        ("opensuse-leap-15.5.qcow2", ProvisioningMethod.CLOUD_INIT),
        ("bookworm.qcow2", ProvisioningMethod.CLOUD_INIT),
        ("debian-12-nocloud-amd64.qcow2", ProvisioningMethod.NONE),
        ("fedora-coreos-40.20240701.3.0-qemu.x86_64.qcow2", ProvisioningMethod.IGNITION),
        ("nocloud_alpine-3.23.4-x86_64-uefi-tiny-r0.qcow2", ProvisioningMethod.UNKNOWN),
        ("ubuntu-22.04-live-server-amd64.iso", ProvisioningMethod.UNKNOWN),
        ("my-debian-12-disk.qcow2", ProvisioningMethod.UNKNOWN),
        ("ubuntu-server-22.04.iso", ProvisioningMethod.UNKNOWN),
        ("ubuntu-20.04-ubuntu-22.04.qcow2", ProvisioningMethod.UNKNOWN),
        ("FreeBSD-14.4-RELEASE-amd64-BASIC-CLOUDINIT-ufs.qcow2.xz", ProvisioningMethod.UNKNOWN),
        ("rhel-9.qcow2", ProvisioningMethod.UNKNOWN),
        ("win2022.qcow2", ProvisioningMethod.UNKNOWN),
    ],
)
def test_cloud_init_is_claimed_only_where_the_name_says_so(filename: str, method: ProvisioningMethod) -> None:
    found = detect_os(filename)
    assert found.provisioning_method is method
    assert found.cloud_init_enabled is (method is ProvisioningMethod.CLOUD_INIT)


def test_families_are_told_apart() -> None:
    families = [detect_os(name).family for name in ("debian-12", "FreeBSD-14.4", "win2022", "disk")]
    assert families == [OsFamily.LINUX, OsFamily.BSD, OsFamily.WINDOWS, OsFamily.UNKNOWN]


def test_an_architecture_is_told_even_of_an_unknown_system() -> None:
    assert detect_os("disk-arm64.qcow2") == OsInfo(architecture="aarch64")


WORDS = st.sampled_from(
    [
        "ubuntu",
        "debian",
        "leap",
        "win",
        "OL9",
        "sid",
        "noble",
        "-",
        "_",
        ".",
        "/",
        "x86_64",
        "22.04",
        "2k22",
        "cloud",
    ]
)


@given(st.text() | st.lists(WORDS).map("".join))
def test_no_name_raises(filename: str) -> None:
    found = detect_os(filename)
    assert found.distribution or not found.version


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=4))
def test_a_letter_at_a_word_hides_it(letters: str) -> None:
    assert detect_os(f"{letters}debian-12.qcow2").distribution == ""


def test_long_names_take_no_long_time() -> None:
    assert detect_os("debian" + "-cloud" * 20_000 + "-x").version == ""
