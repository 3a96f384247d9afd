"""What an image really holds, read from inside it, and where that is not what is declared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from image_library.domain.errors import printable
from image_library.domain.os_info import OsInfo

# os-release's IDs where ours differ; the rest are the same words.
_DISTRIBUTIONS = {
    "ol": "oraclelinux",
    "amzn": "amazonlinux",
    "opensuse-leap": "opensuse",
    "opensuse-tumbleweed": "opensuse",
    "opensuse-leap-micro": "opensuse",
    "opensuse-microos": "opensuse",
    "sles_sap": "sles",
    "sled": "sles",
    "archarm": "arch",
}
# ELF's e_machine for programs of 64 bits; PowerPC's counts when it is little-endian.
_MACHINES = {21: "ppc64le", 22: "s390x", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class GuestFacts:
    """Empty where something is not known."""

    # os-release's ID, VERSION_ID and PRETTY_NAME.
    distribution: str = ""
    version: str = ""
    pretty_name: str = ""
    # As ``OsInfo.architecture`` names it.
    architecture: str = ""
    # The user whom cloud-init makes when nobody tells it otherwise.
    default_user: str = ""
    # It is installed and not disabled.
    cloud_init: bool = False
    # Those that cloud-init is limited to, in its order; empty: it is not limited.
    datasources: tuple[str, ...] = ()
    guest_agent: bool = False
    # What it can boot with: "bios", "uefi".
    firmware: tuple[str, ...] = ()
    root_filesystem: str = ""
    # Why nothing, or not everything, could be read; a sentence.
    reason: str = ""
    # The operating system's files were found; without it the other facts say nothing.
    read: bool = False


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where an image is not what is declared of it."""

    # The name of the field of ``OsInfo``.
    field: str
    declared: str
    found: str
    # One sentence with what to do.
    message: str


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file; what is no assignment is passed over.

    Source: os-release(5). Shell-like, one a line; a value may be quoted, and special characters are escaped.
    """
    matches = (_ASSIGNMENT.fullmatch(line.strip()) for line in text.splitlines())
    return {match[1]: _unquoted(match[2]) for match in matches if match}


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote in ("'", '"') and len(value) > 1 and value.endswith(quote):
        value = value[1:-1]
    return value if quote == "'" else re.sub(r"\\(.)", r"\1", value)


def machine_of(elf_header: bytes) -> str:
    """The architecture that an ELF program's first 20 bytes name; empty for others and for 32 bits."""
    if len(elf_header) < 20 or elf_header[:4] != b"\x7fELF" or elf_header[4] != 2:
        return ""
    order = "little" if elf_header[5] == 1 else "big"
    machine = _MACHINES.get(int.from_bytes(elf_header[18:20], order), "")
    return "" if machine == "ppc64le" and order == "big" else machine


def merged(documents: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """cloud.cfg and then its cloud.cfg.d in order: mappings are merged, all else is replaced."""
    result: dict[str, object] = {}
    for document in documents:
        result = _merge(result, document)
    return result


def _merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    both = dict(below)
    for key, value in above.items():
        lower = both.get(key)
        both[key] = _merge(_mapping(lower), _mapping(value)) if _mapping(lower) and _mapping(value) else value
    return both


def default_user_of(config: Mapping[str, object]) -> str:
    """The user whom cloud-init makes by this configuration; empty when it makes none or it cannot be told."""
    default = _mapping(_mapping(config.get("system_info")).get("default_user")).get("name")
    users = _list(config.get("users"))
    if users and "default" not in users:
        default = users[0] if isinstance(users[0], str) else _mapping(users[0]).get("name")
    return default if isinstance(default, str) else ""


def datasources_of(config: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name in _list(config.get("datasource_list")) if isinstance(name, str))


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def tidy(text: str) -> str:
    """Text out of an image, fit for a message and a table."""
    return printable(" ".join(text.split()), _LONGEST)


def compare(declared: OsInfo, found: GuestFacts) -> tuple[Difference, ...]:
    """Where the two disagree. What either does not say is no disagreement."""
    if not found.read:
        return ()
    pairs = (
        ("distribution", declared.distribution, _DISTRIBUTIONS.get(found.distribution, found.distribution)),
        ("version", declared.version, _release(declared.version, found.version)),
        ("architecture", declared.architecture, found.architecture),
        ("default_user", declared.default_user, found.default_user),
        ("cloud_init_enabled", "yes" if declared.cloud_init_enabled else "", _yes_or_no(found.cloud_init)),
    )
    return tuple(
        Difference(field=field, declared=said, found=seen, message=_SENTENCES[field].format(said, seen))
        for field, said, seen in pairs
        if said and seen and said != seen
    )


def completed(declared: OsInfo, found: GuestFacts | None) -> OsInfo:
    """What is known of a guest: what is declared, and what was found where nothing is."""
    if found is None or not found.read:
        return declared
    return replace(
        declared,
        distribution=declared.distribution or _DISTRIBUTIONS.get(found.distribution, found.distribution),
        version=declared.version or found.version,
        architecture=declared.architecture or found.architecture,
        default_user=declared.default_user or found.default_user,
    )


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _release(declared: str, found: str) -> str:
    """``found`` as exact as ``declared`` is: 9.4 is 9, 3.20.1 is 3.20; a rolling release has no number."""
    if not declared[:1].isdigit():
        return ""
    return declared if found.startswith(f"{declared}.") else found


_SENTENCES = {
    "distribution": "The image is declared as {0}, but its os-release says {1}; correct its distribution.",
    "version": "The image is declared as release {0}, but its os-release says {1}; correct its version.",
    "architecture": "The image is declared for {0}, but its programs are for {1}; correct its architecture.",
    "default_user": (
        "Log in as '{1}', not as '{0}': that is the user whom the image's cloud-init makes; "
        "correct its default user."
    ),
    "cloud_init_enabled": (
        "The image is declared to have cloud-init, but it has none that is enabled: a VM's name, users and "
        "keys will not reach it; correct it, or install cloud-init in the image."
    ),
}
