"""Which operating system a file holds, judged by its name alone. What a name does not say stays empty.

A distribution's word counts only where no letter touches it ("rocky8", but not "archive"), and its
release is the number bound to that word, never just any number: file names are full of dates,
build ids and disk numbers. Adding a distribution is adding a row to ``_DISTRIBUTIONS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod

_SEPARATOR = "[-_. ]"
_EXTENSIONS = re.compile(r"(?:\.(?:qcow2|img|raw|iso|vhdx?|vmdk|ova|tar|xz|gz|bz2|zst|zip))+$")


def _word(pattern: str) -> re.Pattern[str]:
    """``pattern`` where no letter stands directly before or after it."""
    return re.compile(f"(?<![a-z])(?:{pattern})(?![a-z])")


def _token(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])")


_ARCHITECTURES: Mapping[str, re.Pattern[str]] = {
    "x86_64": _token(r"(?:amd64|x86[-_]64)(?:[-_]?v[1-4])?|x64"),
    "aarch64": _token("aarch64|arm64(?:v8)?"),
    "ppc64le": _token("ppc64(?:le|el)"),
    "s390x": _token("s390x"),
    "riscv64": _token("riscv64"),
}
# What may stand between a distribution's word and its release: "CentOS-Stream-GenericCloud-9".
_FLAVOURS = (
    "azure|base|bios|boot|cloud|cloudimg|container|coreos|desktop|dvd|ec2|edition|everything|extended|generic"
    "|genericcloud|installer|iot|kvm|leap|linux|live|lts|minimal|netinst|nocloud|openstack|release|server"
    "|standard|stream|uefi|v(?=[0-9])|virt|workstation|amd64(?:v[1-4])?|x86[-_]64(?:[-_]v[1-4])?|x64|arm64|aarch64"
)
_GAP = re.compile(f"{_SEPARATOR}*(?:(?:{_FLAVOURS})(?:{_SEPARATOR}+|(?=[0-9])|$))*")
_CLOUD = _word("cloud|cloudimg|cloudinit|genericcloud|nocloud|openstack")
_IGNITION = _word("coreos")
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, kw_only=True)
class _Distribution:
    """One row: how a distribution is recognised, and what is then known."""

    id: str
    # Counts anywhere in the name, with or without a release.
    word: re.Pattern[str] = _NEVER
    # The release behind the word; its groups are joined by ".".
    release: re.Pattern[str] = _NEVER
    # Counts only as a whole; the groups are the release, put behind the given text.
    bound: tuple[tuple[re.Pattern[str], str], ...] = ()
    # Releases with a name that counts even without the distribution's word ...
    codenames: Mapping[str, str] = field(default_factory=dict[str, str])
    # ... and those whose name says too little alone.
    named: Mapping[str, str] = field(default_factory=dict[str, str])
    family: OsFamily = OsFamily.LINUX
    default_user: str = ""
    # Marks of images that have cloud-init inside, and of those that surely have not.
    cloud: re.Pattern[str] = _CLOUD
    no_cloud: re.Pattern[str] = _NEVER
    # Whether the publisher's images have cloud-init, so that our own readable name is mark enough.
    cloud_images: bool = True


_EL_RELEASE = re.compile(r"([5-9]|1\d)(?!\d)")
_LEAP_RELEASE = r"(42\.[1-3]|1[5-9]\.\d)(?!\d)"
_TEMPLATE = _word("kvm|cloud")
# "virtio-win" is a disc of drivers.
_WINDOWS = rf"(?<![a-z])(?<!virtio[-_. ])win(?:dows)?{_SEPARATOR}*(?:server{_SEPARATOR}*)?"
_UBUNTU_CODENAMES = {
    "trusty": "14.04",
    "utopic": "14.10",
    "vivid": "15.04",
    "wily": "15.10",
    "xenial": "16.04",
    "yakkety": "16.10",
    "zesty": "17.04",
    "artful": "17.10",
    "bionic": "18.04",
    "cosmic": "18.10",
    "disco": "19.04",
    "eoan": "19.10",
    "focal": "20.04",
    "groovy": "20.10",
    "hirsute": "21.04",
    "impish": "21.10",
    "jammy": "22.04",
    "kinetic": "22.10",
    "lunar": "23.04",
    "mantic": "23.10",
    "noble": "24.04",
    "oracular": "24.10",
    "plucky": "25.04",
    "questing": "25.10",
    "resolute": "26.04",
}
_DEBIAN_CODENAMES = {
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}

_DISTRIBUTIONS = (
    _Distribution(
        id="ubuntu",
        word=_word("ubuntu"),
        # 22.04, 2204, 22-04 and 22_04, but not the start of a date such as 20-10-2023.
        release=re.compile(r"([1-3]\d)(?:\.?|[-_](?=\d\d(?![-_]\d)))(04|10)(?!\d)"),
        codenames=_UBUNTU_CODENAMES,
        default_user="ubuntu",
    ),
    _Distribution(
        id="debian",
        word=_word("debian"),
        release=re.compile(r"([6-9]|1\d)(?!\d)"),
        codenames=_DEBIAN_CODENAMES,
        named={"sid": "sid", "unstable": "sid"},
        default_user="debian",
        cloud=_word("cloud|generic|genericcloud|openstack"),
        # Debian's "nocloud" flavour is the one without cloud-init.
        no_cloud=_word("nocloud"),
    ),
    _Distribution(
        id="rocky",
        word=_word(f"rocky(?:{_SEPARATOR}?linux)?"),
        release=re.compile(r"([89]|1\d)(?!\d)"),
        default_user="rocky",
    ),
    _Distribution(
        id="almalinux",
        word=_word(f"alma{_SEPARATOR}?linux|alma(?={_SEPARATOR}?(?:8|9|10)(?!\\d))"),
        release=re.compile(r"([89]|1\d)(?!\d)"),
        default_user="almalinux",
    ),
    _Distribution(
        id="fedora",
        word=_word("fedora"),
        release=re.compile(r"([2-9]\d)(?!\d)"),
        named={"rawhide": "rawhide"},
        default_user="fedora",
    ),
    _Distribution(
        id="centos",
        word=_word(f"centos(?:{_SEPARATOR}?stream)?"),
        release=_EL_RELEASE,
        default_user="cloud-user",
    ),
    _Distribution(
        id="rhel",
        word=_word(f"rhel|red{_SEPARATOR}?hat{_SEPARATOR}?enterprise{_SEPARATOR}?linux"),
        release=_EL_RELEASE,
        default_user="cloud-user",
        cloud=_TEMPLATE,
        cloud_images=False,
    ),
    _Distribution(
        id="oraclelinux",
        word=_word(f"oracle{_SEPARATOR}?linux"),
        release=re.compile(r"r?([5-9]|1\d)(?!\d)"),
        # OL9U8: release 9, update 8.
        bound=((_token(r"ol([5-9]|1\d)(?:u\d{1,2})?(?=_|(?![a-z0-9]))"), ""),),
        default_user="cloud-user",
        cloud=_TEMPLATE,
    ),
    _Distribution(
        id="amazonlinux",
        word=_word(f"amazon{_SEPARATOR}?linux"),
        release=re.compile(r"(2023|2)(?!\d)"),
        bound=((_token("al(2023)"), ""), (_token("amzn(2023|2)"), "")),
        default_user="ec2-user",
        cloud=_TEMPLATE,
    ),
    _Distribution(
        id="opensuse",
        word=_word(f"opensuse(?:{_SEPARATOR}?leap)?"),
        release=re.compile(_LEAP_RELEASE),
        # Names since 16.0 begin with "Leap".
        bound=((re.compile(f"(?<![a-z])leap{_SEPARATOR}?{_LEAP_RELEASE}"), ""),),
        named={"tumbleweed": "tumbleweed"},
        default_user="root",
    ),
    _Distribution(
        id="sles",
        word=_word("sles"),
        release=re.compile(r"(1[1-9](?:\.\d)?)(?!\d)"),
        cloud_images=False,
    ),
    # A lone "arch" is a word of its own: "arch-test", "linux-arch-amd64".
    _Distribution(id="arch", word=_word(f"arch{_SEPARATOR}?linux"), default_user="arch"),
    _Distribution(
        id="alpine",
        word=_word(f"alpine(?:{_SEPARATOR}?linux)?"),
        release=re.compile(r"(3\.\d{1,2})(?!\d)"),
        default_user="alpine",
        # Its other flavour, "tiny", understands only a little of cloud-init's documents.
        cloud=_word("cloudinit"),
    ),
    _Distribution(
        id="gentoo",
        word=_word("gentoo"),
        bound=((_token(r"di-[a-z0-9]+-[a-z0-9]+-\d{8}t\d{6}z"), ""),),
        default_user="gentoo",
    ),
    _Distribution(
        id="kali",
        word=_word(f"kali(?:{_SEPARATOR}?linux)?"),
        release=re.compile(r"(20[12]\d\.[1-4])(?!\d)"),
        default_user="kali",
    ),
    _Distribution(
        id="freebsd",
        word=_word("freebsd"),
        release=re.compile(r"(\d{1,2}\.\d)(?!\d)"),
        family=OsFamily.BSD,
        default_user="freebsd",
        # Its "CLOUDINIT" images hold nuageinit, which is another program.
        cloud=_NEVER,
        cloud_images=False,
    ),
    _Distribution(
        id="windows",
        bound=(
            (re.compile(rf"{_WINDOWS}(2016|2019|2022|2025|10|11)(?!\d)"), ""),
            (re.compile(rf"{_WINDOWS}2k(16|19|22|25)(?!\d)"), "20"),
        ),
        family=OsFamily.WINDOWS,
        default_user="Administrator",
        cloud=_NEVER,
        cloud_images=False,
    ),
)


@dataclass(frozen=True)
class _Sighting:
    row: _Distribution
    version: str
    # The name says the distribution and its release and nothing else.
    whole: bool


def detect_os(filename: str) -> OsInfo:
    """What ``filename`` says about the operating system inside; folders and extensions say nothing.

    Never raises. A name that fits two distributions says neither.
    """
    stem = _EXTENSIONS.sub("", filename.lower().replace("\\", "/").rpartition("/")[2])
    architecture = _architecture(stem)
    by_word = [sighting for row in _DISTRIBUTIONS if (sighting := _by_word(row, stem))]
    sighting = by_word[0] if by_word else _by_codename(stem)
    if sighting is None or len(by_word) > 1:
        return OsInfo(architecture=architecture)
    row = sighting.row
    known = OsInfo(
        family=row.family,
        distribution=row.id,
        version=sighting.version,
        architecture=architecture,
        default_user=row.default_user,
    )
    return _with_provisioning(known, sighting, stem)


def _architecture(stem: str) -> str:
    stated = [name for name, pattern in _ARCHITECTURES.items() if pattern.search(stem)]
    return stated[0] if len(stated) == 1 else ""


def _by_word(row: _Distribution, stem: str) -> _Sighting | None:
    words = list(row.word.finditer(stem))
    for word in words:
        gap = _GAP.match(stem, word.end())
        if release := row.release.match(stem, gap.end() if gap else word.end()):
            return _Sighting(row, ".".join(release.groups()), _is_all(stem, word[0], release[0]))
    for pattern, before in row.bound:
        if match := pattern.search(stem):
            version = before + match[1] if pattern.groups else ""
            return _Sighting(row, version, _is_all(stem, match[0]))
    return _by_name(row, stem, words[0][0]) if words else None


def _by_name(row: _Distribution, stem: str, word: str) -> _Sighting:
    """The word stands there without a number; perhaps the release's name does."""
    releases = {**row.named, **row.codenames}
    names = _names_in(stem, releases)
    version = releases[names[0]] if len(names) == 1 else ""
    return _Sighting(row, version, _is_all(stem, word, *names))


def _by_codename(stem: str) -> _Sighting | None:
    found = [(row, name) for row in _DISTRIBUTIONS for name in _names_in(stem, row.codenames)]
    if len({row.id for row, _ in found}) != 1:
        return None
    row, name = found[0]
    version = row.codenames[name] if len(found) == 1 else ""
    return _Sighting(row, version, _is_all(stem, name))


def _is_all(stem: str, *parts: str) -> bool:
    """Whether the name is nothing but these parts and what separates them."""
    for part in parts:
        stem = stem.replace(part, "", 1)
    return not stem.strip("-_. ")


def _names_in(stem: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name in stem and _word(name).search(stem)]


def _with_provisioning(known: OsInfo, sighting: _Sighting, stem: str) -> OsInfo:
    row = sighting.row
    if row.no_cloud.search(stem):
        return replace(known, provisioning_method=ProvisioningMethod.NONE)
    if row.family is OsFamily.LINUX and _IGNITION.search(stem):
        return replace(known, provisioning_method=ProvisioningMethod.IGNITION, default_user="")
    # "debian-12.qcow2" is how this product and its guide name a publisher's cloud image.
    if row.cloud.search(stem) or (sighting.whole and row.cloud_images):
        return replace(known, cloud_init_enabled=True, provisioning_method=ProvisioningMethod.CLOUD_INIT)
    return known
