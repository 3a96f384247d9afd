"""Package repositories and proxies, said as each package manager wants to hear it.

A distribution has one package manager; how that one differs is a row of a table here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from image_library.domain.errors import InvalidGuestSetting, printable
from image_library.domain.guest_urls import url
from image_library.domain.texts import named

# By the names that the catalogue gives to distributions.
PACKAGE_MANAGERS: Mapping[str, str] = {
    **dict.fromkeys(("debian", "ubuntu"), "apt"),
    **dict.fromkeys(
        ("almalinux", "amazonlinux", "centos", "fedora", "openeuler", "oraclelinux", "rhel", "rocky"), "dnf"
    ),
    **dict.fromkeys(("opensuse", "sles"), "zypper"),
    "alpine": "apk",
    "arch": "pacman",
}
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,126}")
_COMPONENT = re.compile(r"[a-z0-9][A-Za-z0-9._/-]{0,62}")
_ARMOUR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n[A-Za-z0-9+/=:., \n-]{1,65536}\n"
    r"-----END PGP PUBLIC KEY BLOCK-----\n?"
)
_RSA = re.compile(r"-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]{1,8192}\n-----END PUBLIC KEY-----\n?")


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A source of packages. Signatures are always checked: by its own key, else by the image's keys."""

    id: str
    url: str
    name: str = ""
    # apt's alone.
    suite: str = ""
    components: tuple[str, ...] = ()
    # An armoured OpenPGP key; for apk its RSA key as PEM.
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class PackageManager:
    """How one package manager is told of repositories and of a proxy, as items of cloud-config."""

    repositories: Callable[[tuple[Repository, ...]], dict[str, Any]]
    # From the proxy's environment; what every program reads is said besides.
    proxy: Callable[[Mapping[str, str]], dict[str, Any]]
    has_suites: bool = False
    key_form: re.Pattern[str] | None = _ARMOUR


def package_items(
    manager: str, repositories: tuple[Repository, ...], environment: Mapping[str, str]
) -> tuple[dict[str, Any], ...]:
    """Fragments of cloud-config for the guest's package manager; lists in them are to be joined.

    Raises:
        InvalidGuestSetting: a repository cannot be used, or the image's package manager is not known.
    """
    if not repositories and not environment:
        return ()
    row = MANAGERS.get(manager)
    if row is None:
        if not repositories:
            return (_for_everybody(environment),)
        raise InvalidGuestSetting(
            "It is not known which package manager the image has, so it cannot be told of repositories.",
            remedy="Add it with a boot command, or name the image's distribution.",
            field="repositories",
        )
    for one in repositories:
        _judge(one, row)
    ids = [one.id for one in repositories]
    if len(set(ids)) != len(ids):
        raise InvalidGuestSetting("Two repositories have the same id.", field="repositories.id")
    everybody = (_for_everybody(environment), row.proxy(environment)) if environment else ()
    return (*everybody, row.repositories(repositories) if repositories else {})


def _judge(one: Repository, row: PackageManager) -> None:
    if not _ID.fullmatch(one.id):
        raise _refused(f"'{printable(one.id)}' is not an id of a repository", "id")
    url(one.url, "repositories.url")
    if one.name:
        named(one.name, field="repositories.name", most=120)
    if row.has_suites != bool(one.suite):
        raise _refused(
            f"The repository '{one.id}' {'needs a' if row.has_suites else 'has no'} suite", "suite"
        )
    if one.suite and not _SUITE.fullmatch(one.suite):
        raise _refused(f"'{printable(one.suite)}' is not a suite", "suite")
    wrong = [name for name in one.components if not row.has_suites or not _COMPONENT.fullmatch(name)]
    if wrong:
        raise _refused(f"'{printable(wrong[0])}' is not a component here", "components")
    if one.key and (row.key_form is None or not row.key_form.fullmatch(one.key)):
        raise _refused(f"The key of '{one.id}' is not one that this package manager reads", "key")


def _refused(sentence: str, field: str) -> InvalidGuestSetting:
    return InvalidGuestSetting(f"{sentence}.", field=f"repositories.{field}")


def _file(path: str, content: str, *, append: bool = False) -> dict[str, Any]:
    item: dict[str, Any] = {"path": path, "content": content, "permissions": "0644"}
    return item | ({"append": True} if append else {})


def _for_everybody(environment: Mapping[str, str]) -> dict[str, Any]:
    """Programs look for either spelling."""
    lines = [f"{n}={value}\n" for name, value in environment.items() for n in (name, name.upper())]
    return {"write_files": [_file("/etc/environment", "".join(lines), append=True)]}


def _apt(repositories: tuple[Repository, ...]) -> dict[str, Any]:
    sources: dict[str, Any] = {}
    for one in repositories:
        signed = ("[signed-by=$KEY_FILE]",) if one.key else ()
        line = " ".join(("deb", *signed, one.url, one.suite, *one.components))
        sources[f"{one.id}.list"] = {"source": line} | ({"key": one.key} if one.key else {})
    return {"apt": {"sources": sources}}


def _dnf(repositories: tuple[Repository, ...]) -> dict[str, Any]:
    repos, files = _rpm(repositories)
    return {"yum_repos": repos, **files}


def _zypper(repositories: tuple[Repository, ...]) -> dict[str, Any]:
    repos, files = _rpm(repositories)
    listed = [{"id": name, "autorefresh": True, **of} for name, of in repos.items()]
    return {"zypper": {"repos": listed}, **files}


def _rpm(repositories: tuple[Repository, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    repos: dict[str, Any] = {}
    files: list[dict[str, Any]] = []
    for one in repositories:
        of: dict[str, Any] = {
            "name": one.name or one.id,
            "baseurl": one.url,
            "enabled": True,
            "gpgcheck": True,
        }
        if one.key:
            path = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-{one.id}"
            files.append(_file(path, one.key))
            of["gpgkey"] = f"file://{path}"
        repos[one.id] = of
    return repos, {"write_files": files} if files else {}


def _apk(repositories: tuple[Repository, ...]) -> dict[str, Any]:
    lines = "".join(f"{one.url}\n" for one in repositories)
    keys = [_file(f"/etc/apk/keys/{one.id}.rsa.pub", one.key) for one in repositories if one.key]
    return {"write_files": [_file("/etc/apk/repositories", lines, append=True), *keys]}


def _pacman(repositories: tuple[Repository, ...]) -> dict[str, Any]:
    sections = "".join(f"\n[{one.id}]\nServer = {one.url}\n" for one in repositories)
    return {"write_files": [_file("/etc/pacman.conf", sections, append=True)]}


def _apt_proxy(environment: Mapping[str, str]) -> dict[str, Any]:
    said = {name: environment[name] for name in ("http_proxy", "https_proxy") if name in environment}
    return {"apt": said} if said else {}


def _dnf_proxy(environment: Mapping[str, str]) -> dict[str, Any]:
    chosen = environment.get("http_proxy") or environment.get("https_proxy")
    # The file ends in its one section, [main].
    return {"write_files": [_file("/etc/dnf/dnf.conf", f"proxy={chosen}\n", append=True)]} if chosen else {}


def _none(_environment: Mapping[str, str]) -> dict[str, Any]:
    return {}


MANAGERS: Mapping[str, PackageManager] = {
    "apt": PackageManager(repositories=_apt, proxy=_apt_proxy, has_suites=True),
    "dnf": PackageManager(repositories=_dnf, proxy=_dnf_proxy),
    "zypper": PackageManager(repositories=_zypper, proxy=_none),
    "apk": PackageManager(repositories=_apk, proxy=_none, key_form=_RSA),
    "pacman": PackageManager(repositories=_pacman, proxy=_none, key_form=None),
}
