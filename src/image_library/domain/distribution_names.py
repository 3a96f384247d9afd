"""How distributions are named in file names: a distribution is a row of ``DISTRIBUTIONS``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from image_library.domain.os_info import OsFamily

_SEPARATOR = "[-_. ]"
EXTENSIONS = re.compile(
    r"(?:\.(?:qcow2?c?|img|raw|iso|vhdx?|vhdfixed|vmdk|vdi|ova|box|squashfs|tar|tgz|xz|gz|bz2|zstd?|zip|7z))+$"
)


def word_alone(pattern: str) -> re.Pattern[str]:
    """``pattern`` where no letter stands directly before or after it."""
    return re.compile(f"(?<![a-z])(?:{pattern})(?![a-z])")


def _token(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])")


ARCHITECTURES: Mapping[str, re.Pattern[str]] = {
    "x86_64": _token(r"(?:amd64|x86[-_]?64)(?:[-_]?v[1-4])?|x64(?:v\d|fre)?|em64t|intel64"),
    "aarch64": _token("aarch64|arm64(?:v8)?"),
    "ppc64le": _token("ppc64(?:le|el)|powerpc64le"),
    "s390x": _token("s390x"),
    "riscv64": _token("riscv64"),
}
# What may stand between a distribution's word and its release: "CentOS-Stream-GenericCloud-9".
_FLAVOURS = (
    "amazonec2|azure|base|baseos|bios|boot|budgie|cinnamon|cloud|cloudimg|container|core|coreos|desktop|dvd|ec2"
    "|edition|everything|extended|gce|gcp|generic|genericcloud|gnu|guest|hyperv|image|installer|iot|kitten|kvm"
    "|kylin|leap|libvirt|linux|live|lts|mate|minimal|netinst|nocloud|openstack|release|server|standard|stream"
    "|studio|uefi|uki|unity|v(?=[0-9])|vagrant|virt|virtualbox|vmware|workstation"
    "|amd64(?:v[1-4])?|x86[-_]64(?:[-_]v[1-4])?|x64|arm64|aarch64"
)
# What else names of images are made of. A word beside these may make "rocky" a mountain.
OF_THE_TRADE = re.compile(
    rf"(?:{_FLAVOURS}|backports|basic|boot|build|cd|cdimage|cloudinit|cloudbase|containerhost|current|daily|default"
    r"|dev|di|disc|disk|efi|gm|gnome|golden|gpt|hvm|img|jeos|kde|kernel|latest|lvm|master|media|metal|micro|microos|my"
    r"|opennebula|prod|preinstalled|qcow|qemu|ready|root|rootfs|rolling|small|snapshot|ssd|stable|template"
    r"|test|testing|tiny|tmp|ufs|uki|update|vm|x86|xen|xfs|zfs|ext4|btrfs|ci|alpha|beta|rc|amd|arm|riscv|s390x"
    r"|ppc64(?:le|el)|riscv64|armhf|armv[78]|i[36]86)?(?:[bnruv]?\d{1,14}(?:t\d{6}z)?)?"
)
# "not-ubuntu", "debian-like", "ubuntu-vs-debian"
DOUBTED = word_alone("fake|like|non|not|or|style|versus|vs")
# "fedora-40-to-41-upgrade": one of the two it is.
BETWEEN_RELEASES = word_alone("to|upgrade")
GAP = re.compile(f"{_SEPARATOR}*(?:(?:{_FLAVOURS})(?:{_SEPARATOR}+|(?=[0-9])|$))*")
_CLOUD = word_alone("cloud|cloudimg|cloudinit|genericcloud|nocloud|openstack")
IGNITION = word_alone("coreos")
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One row: how a distribution is recognised, and what is then known."""

    id: str
    # Counts anywhere in the name, with or without a release.
    word: re.Pattern[str] = _NEVER
    # The release behind the word; its groups are joined by ".".
    release: re.Pattern[str] = _NEVER
    # Counts only as a whole; the group, where there is one, is put behind the given text: the release.
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
_TEMPLATE = word_alone("kvm|cloud")
# "virtio-win" is a disc of drivers.
_WINDOWS = rf"(?<![a-z])(?<!virtio[-_. ])win(?:dows)?{_SEPARATOR}*(?:server{_SEPARATOR}*)?"
_WINDOWS_BUILDS = (
    ("14393", "server", "2016"),
    ("17763", "server", "2019"),
    ("20348", "server", "2022"),
    ("26100", "server", "2025"),
    ("1904[1-5]", "client", "10"),
    ("(?:22000|22621|22631|26100|26200)", "client", "11"),
)
_UBUNTU_CODENAMES = {
    "lucid": "10.04",
    "maverick": "10.10",
    "natty": "11.04",
    "oneiric": "11.10",
    "precise": "12.04",
    "quantal": "12.10",
    "raring": "13.04",
    "saucy": "13.10",
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
    "squeeze": "6",
    "wheezy": "7",
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
    "duke": "15",
}

DISTRIBUTIONS = (
    Distribution(
        id="ubuntu",
        word=word_alone("ubuntu"),
        # 22.04, 2204, 22-04 and 22_04, but not the start of a date such as 20-10-2023.
        release=re.compile(r"([1-3]\d)(?:\.?|[-_](?=\d\d(?![-_]\d)))(04|10)(?!\d)"),
        codenames=_UBUNTU_CODENAMES,
        default_user="ubuntu",
    ),
    Distribution(
        id="debian",
        word=word_alone("debian"),
        release=re.compile(r"([6-9]|1\d)(?!\d)"),
        codenames=_DEBIAN_CODENAMES,
        named={"sid": "sid", "unstable": "sid"},
        default_user="debian",
        cloud=word_alone("cloud|generic|genericcloud|openstack"),
        # Debian's "nocloud" flavour is the one without cloud-init.
        no_cloud=word_alone("nocloud"),
    ),
    Distribution(
        id="rocky",
        word=word_alone(f"rocky(?:{_SEPARATOR}?linux)?"),
        release=re.compile(r"([89]|1\d)(?!\d)"),
        default_user="rocky",
    ),
    Distribution(
        id="almalinux",
        word=word_alone(f"alma{_SEPARATOR}?linux|alma(?={_SEPARATOR}?(?:8|9|10)(?!\\d))"),
        release=re.compile(r"([89]|1\d)(?!\d)"),
        default_user="almalinux",
    ),
    Distribution(
        id="fedora",
        word=word_alone("fedora"),
        release=re.compile(r"([2-9]\d)(?!\d)"),
        named={"rawhide": "rawhide"},
        default_user="fedora",
    ),
    Distribution(
        id="centos",
        word=word_alone(f"centos(?:{_SEPARATOR}?stream)?"),
        release=_EL_RELEASE,
        default_user="cloud-user",
    ),
    Distribution(
        id="rhel",
        word=word_alone(f"rhel|red{_SEPARATOR}?hat{_SEPARATOR}?enterprise{_SEPARATOR}?linux"),
        release=_EL_RELEASE,
        default_user="cloud-user",
        cloud=_TEMPLATE,
        cloud_images=False,
    ),
    Distribution(
        id="oraclelinux",
        word=word_alone(f"oracle{_SEPARATOR}?linux"),
        release=re.compile(r"r?([5-9]|1\d)(?!\d)"),
        # OL9U8: release 9, update 8.
        bound=((_token(r"ol([5-9]|1\d)(?:u\d{1,2})?(?=_|(?![a-z0-9]))"), ""),),
        default_user="cloud-user",
        cloud=_TEMPLATE,
    ),
    Distribution(
        id="amazonlinux",
        word=word_alone(f"amazon{_SEPARATOR}?linux"),
        release=re.compile(r"(2023|2)(?!\d)"),
        bound=((_token("al(2023)"), ""), (_token("amzn(2023|2)"), "")),
        default_user="ec2-user",
        cloud=_TEMPLATE,
    ),
    Distribution(
        id="opensuse",
        word=word_alone(f"opensuse(?:{_SEPARATOR}?leap)?"),
        release=re.compile(_LEAP_RELEASE),
        # Names since 16.0 begin with "Leap".
        bound=((re.compile(f"(?<![a-z])leap{_SEPARATOR}?{_LEAP_RELEASE}"), ""),),
        named={"tumbleweed": "tumbleweed"},
        default_user="root",
    ),
    Distribution(
        id="sles",
        word=word_alone("sles?(?=[-_. ]?1[1-9])|sles"),
        release=re.compile(r"(1[1-9](?:\.\d)?)(?!\d)"),
        cloud_images=False,
    ),
    # A lone "arch" is a word of its own: "arch-test", "linux-arch-amd64".
    Distribution(id="arch", word=word_alone(f"arch{_SEPARATOR}?linux"), default_user="arch"),
    Distribution(
        id="alpine",
        word=word_alone(f"alpine(?:{_SEPARATOR}?linux)?"),
        release=re.compile(r"(3\.\d{1,2})(?!\d)"),
        default_user="alpine",
        # Its other flavour, "tiny", understands only a little of cloud-init's documents.
        cloud=word_alone("cloudinit"),
    ),
    Distribution(
        id="gentoo",
        word=word_alone("gentoo"),
        bound=((_token(r"di-[a-z0-9]+-[a-z0-9]+-\d{8}t\d{6}z"), ""),),
        default_user="gentoo",
    ),
    Distribution(
        id="kali",
        word=word_alone(f"kali(?:{_SEPARATOR}?linux)?"),
        release=re.compile(r"(20[12]\d\.[1-4])(?!\d)"),
        default_user="kali",
    ),
    Distribution(
        id="freebsd",
        word=word_alone("freebsd"),
        release=re.compile(r"(\d{1,2}\.\d)(?!\d)"),
        family=OsFamily.BSD,
        default_user="freebsd",
        # Its "CLOUDINIT" images hold nuageinit, which is another program.
        cloud=_NEVER,
        cloud_images=False,
    ),
    Distribution(
        id="windows",
        bound=(
            (re.compile(rf"{_WINDOWS}(2016|2019|2022|2025|10|11)(?!\d)"), ""),
            (re.compile(rf"{_WINDOWS}2k(16|19|22|25)(?!\d)"), "20"),
            # Evaluation copies are named by build: "20348.169.210806-2348.fe_release_SERVER_EVAL_x64FRE".
            *(
                (re.compile(rf"(?<![\d.]){build}\.\d+\.\d{{6}}-\d{{4}}\.[a-z0-9_]*{edition}"), release)
                for build, edition, release in _WINDOWS_BUILDS
            ),
        ),
        family=OsFamily.WINDOWS,
        default_user="Administrator",
        cloud=_NEVER,
        cloud_images=False,
    ),
)
