"""The documents that tell a fresh guest its name, users, keys and packages, as plain data.

Everything from outside is judged here before it becomes part of a document; emitting the documents
as YAML is an adapter's work. Module reference: https://docs.cloud-init.io/en/latest/reference/modules.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from image_library.domain.errors import InvalidHostname, InvalidUser, InvalidUserData, printable
from image_library.domain.guest_system import GuestSystem, proxied, system_items
from image_library.domain.guest_users import Account, UserWish, accounts_of, expiring
from image_library.domain.identity import valid_hostname
from image_library.domain.os_info import GuestTraits
from image_library.domain.repositories import package_items
from image_library.domain.secret import Secret
from image_library.domain.user_data import checked_text, is_template

HEADER = "#cloud-config"
MOST_ENTRIES = 256
LARGEST_COMMAND = 32 * 1024
RAW = ("user_data", "meta_data", "network_config", "vendor_data")
HIDDEN = Secret("(hidden)")
# Names of apt, dnf, zypper, apk and pacman, with versions and groups; never an option ("-y").
_PACKAGE = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._+:~^=/-]{0,254}")


@dataclass(frozen=True, kw_only=True)
class Provisioning:
    """What a caller asks for: raw documents, fields, or both. It may hold secrets and does not print."""

    user_data: str = field(default="", repr=False)
    meta_data: str = field(default="", repr=False)
    network_config: str = field(default="", repr=False)
    vendor_data: str = field(default="", repr=False)
    hostname: str = ""
    default_user: str = ""
    ssh_authorized_keys: tuple[str, ...] = field(default=(), repr=False)
    packages: tuple[str, ...] = ()
    run_commands: tuple[str, ...] = field(default=(), repr=False)
    # More of the first user, under its name or none, and others beside it.
    users: tuple[UserWish, ...] = ()
    # Whoever has a password may also log in with it over SSH.
    ssh_password_login: bool = False
    system: GuestSystem = GuestSystem()
    # Raw user-data may be a jinja template, which the guest fills in.
    allow_templates: bool = False
    # The guest agent is neither installed nor started.
    no_guest_agent: bool = False

    @property
    def has_fields(self) -> bool:
        """Whether anything is asked for that needs a document of our own."""
        asked = (
            self.hostname,
            self.default_user,
            self.ssh_authorized_keys,
            self.packages,
            self.run_commands,
            self.users,
            self.ssh_password_login,
            self.system != GuestSystem(),
        )
        return any(asked)


@dataclass(frozen=True, kw_only=True)
class GuestIdentity:
    """A guest as its documents describe it; every value is judged."""

    # The whole name, which may have dots.
    hostname: str
    # The first is the one to log in as.
    accounts: tuple[Account, ...]
    traits: GuestTraits
    packages: tuple[str, ...] = ()
    run_commands: tuple[str, ...] = field(default=(), repr=False)
    boot_commands: tuple[str, ...] = field(default=(), repr=False)
    ssh_password_login: bool = False
    upgrade: bool = False
    keep_etc_hosts: bool = False
    # Items of cloud-config, as they are; lists of the same name are joined.
    items: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def short_hostname(self) -> str:
        return self.hostname.partition(".")[0]

    @property
    def user(self) -> str:
        return self.accounts[0].name


def identity_of(asked: Provisioning, *, vm_name: str, image_user: str, traits: GuestTraits) -> GuestIdentity:
    """The guest that is asked for, with what is left out filled in from its name and its image.

    Raises:
        InvalidHostname, InvalidUser, InvalidSshKey, InvalidPassword, InvalidGuestSetting, InvalidUserData: a
            value cannot be used.
    """
    user = asked.default_user or image_user
    if not user:
        raise InvalidUser(
            "The image does not say which user to log in as.",
            remedy="Give one: default_user (--user).",
            field="default_user",
        )
    if asked.no_guest_agent:
        traits = replace(traits, agent_package="", agent_commands=())
    system, keys = asked.system, asked.ssh_authorized_keys
    packaging = package_items(traits.package_manager, system.repositories, proxied(system.proxy))
    return GuestIdentity(
        hostname=valid_hostname(asked.hostname or hostname_from(vm_name)),
        accounts=accounts_of(asked.users, first=user, keys=keys, traits=traits),
        traits=traits,
        packages=tuple(map(_package, _bounded(asked.packages, "packages"))),
        run_commands=_commands(asked.run_commands, "run_commands"),
        boot_commands=_commands(system.boot_commands, "boot_commands"),
        ssh_password_login=asked.ssh_password_login,
        upgrade=system.upgrade,
        keep_etc_hosts=system.keep_etc_hosts,
        items=(*packaging, system_items(system)),
    )


def judge_raw(asked: Provisioning) -> None:
    """Judges the caller's own documents as texts.

    Raises:
        InvalidUserData: one cannot be on a seed, or is a template and may not be one.
    """
    for name in RAW:
        checked_text(getattr(asked, name), field=name)
    templates = [name for name in ("user_data", "vendor_data") if is_template(getattr(asked, name))]
    if templates and not asked.allow_templates:
        raise InvalidUserData(
            f"{templates[0]} is a jinja template: what it becomes cannot be known here.",
            remedy="Give plain #cloud-config, or say that templates are wanted: allow_templates.",
            field=templates[0],
        )


def without_secrets(identity: GuestIdentity) -> GuestIdentity:
    """The same guest with a mark where the hashes of passwords are, to be shown."""
    accounts = (
        replace(account, password_hash=HIDDEN) if account.password_hash else account
        for account in identity.accounts
    )
    return replace(identity, accounts=tuple(accounts))


def hostname_from(vm_name: str) -> str:
    """The host name that a VM's name becomes: ``Web_1`` is ``web-1``, ``debian-12.5`` is ``debian-12-5``.

    Raises:
        InvalidHostname: nothing of the name can be one.
    """
    labels = [label.strip("-") for label in vm_name.lower().replace("_", "-").split(".")]
    labels = [label for label in labels if label]
    if not labels:
        raise InvalidHostname(f"'{printable(vm_name)}' makes no host name; give one.", field="hostname")
    # RFC 1123: what ends in a number is no domain name but looks like an address.
    return "-".join(labels) if labels[-1].isdecimal() else ".".join(labels)


def user_data_document(identity: GuestIdentity) -> dict[str, Any]:
    """The cloud-config document, ``#cloud-config`` line not included."""
    traits = identity.traits
    document: dict[str, Any] = {"hostname": identity.short_hostname, "fqdn": identity.hostname}
    if "." in identity.hostname:
        # Distributions differ in which of the two they take as the host name.
        document["prefer_fqdn_over_hostname"] = False
    document["manage_etc_hosts"] = not identity.keep_etc_hosts
    document |= _users(identity)
    document["ssh_pwauth"] = identity.ssh_password_login
    if identity.boot_commands:
        document["bootcmd"] = [[*traits.shell_words, line] for line in identity.boot_commands]
    for items in identity.items:
        _join(document, items)
    document["package_update"] = True
    if identity.upgrade:
        document["package_upgrade"] = True
    packages = dict.fromkeys((*_own_packages(traits), *identity.packages))
    if packages:
        document["packages"] = list(packages)
    commands = [
        *map(list, traits.agent_commands),
        *([*traits.shell_words, line] for line in identity.run_commands),
    ]
    if commands:
        document["runcmd"] = commands
    return document


def _join(document: dict[str, Any], items: Mapping[str, Any]) -> None:
    """Adds the items: lists go behind lists and mappings into mappings of the same name."""
    for key, value in items.items():
        known = document.get(key)
        if isinstance(known, list):
            document[key] = [*known, *value]
        else:
            document[key] = {**known, **value} if isinstance(known, dict) else value


def meta_data_document(*, instance_id: str, hostname: str) -> dict[str, Any]:
    """NoCloud's meta-data. A new instance-id is what makes a guest run its first-boot steps."""
    return {"instance-id": instance_id, "local-hostname": hostname}


def with_instance_id(given: Mapping[str, Any], instance_id: str) -> dict[str, Any]:
    """The caller's meta-data with an instance-id, kept where it has one."""
    return {**given, "instance-id": given.get("instance-id") or instance_id}


def _users(identity: GuestIdentity) -> dict[str, Any]:
    """The accounts; root is let in with its keys or its password where it is the one to log in as."""
    users: dict[str, Any] = {"users": [account.entry for account in identity.accounts]}
    expire = expiring(identity.accounts)
    if expire:
        users["chpasswd"] = {"expire": True, "users": expire}
    if any(account.name == "root" and account.can_log_in for account in identity.accounts) or (
        identity.user == "root"
    ):
        users["disable_root"] = False
    return users


def _own_packages(traits: GuestTraits) -> tuple[str, ...]:
    agent = "" if traits.agent_preinstalled else traits.agent_package
    return tuple(name for name in (traits.sudo_package, agent) if name)


def _bounded(entries: tuple[str, ...], name: str) -> tuple[str, ...]:
    if len(entries) > MOST_ENTRIES:
        raise InvalidUserData(
            f"There are {len(entries)} {name}; at most {MOST_ENTRIES} are taken.", field=name
        )
    return entries


def _package(name: str) -> str:
    if not _PACKAGE.fullmatch(name):
        raise InvalidUserData(
            f"'{printable(name)}' is not the name of a package.",
            remedy="Use the name that the distribution's package manager knows, such as nginx.",
            field="packages",
        )
    return name


def _commands(lines: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(_command(line, name) for line in _bounded(lines, name))


def _command(line: str, name: str) -> str:
    if not line.strip():
        raise InvalidUserData(f"One of the {name} is empty.", remedy="Leave it out.", field=name)
    checked_text(line, field=name)
    if len(line.encode()) > LARGEST_COMMAND:
        raise InvalidUserData(
            f"One of the {name} is longer than {LARGEST_COMMAND} bytes.",
            remedy="Put the script into user_data, starting with #!.",
            field=name,
        )
    return line
