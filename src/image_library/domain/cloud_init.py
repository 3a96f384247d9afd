"""The documents that tell a fresh guest its name, users, keys and packages, as plain data.

Everything from outside is judged here before it becomes part of a document; emitting the documents
as YAML is an adapter's work. Module reference: https://docs.cloud-init.io/en/latest/reference/modules.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from image_library.domain.errors import InvalidHostname, InvalidUser, InvalidUserData, printable
from image_library.domain.identity import valid_hostname, valid_user
from image_library.domain.os_info import GuestTraits
from image_library.domain.ssh_key import SshPublicKey, parse_public_key
from image_library.domain.user_data import checked_text

HEADER = "#cloud-config"
MOST_ENTRIES = 256
LARGEST_COMMAND = 32 * 1024
_SUDO_RULE = "ALL=(ALL) NOPASSWD:ALL"
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

    @property
    def has_fields(self) -> bool:
        """Whether anything is asked for that needs a document of our own."""
        asked = self.hostname, self.default_user, self.ssh_authorized_keys, self.packages, self.run_commands
        return any(asked)


@dataclass(frozen=True, kw_only=True)
class GuestIdentity:
    """A guest as its documents describe it; every value is judged."""

    # The whole name, which may have dots.
    hostname: str
    user: str
    traits: GuestTraits
    ssh_keys: tuple[SshPublicKey, ...] = ()
    packages: tuple[str, ...] = ()
    run_commands: tuple[str, ...] = field(default=(), repr=False)

    @property
    def short_hostname(self) -> str:
        return self.hostname.partition(".")[0]


def identity_of(asked: Provisioning, *, vm_name: str, image_user: str, traits: GuestTraits) -> GuestIdentity:
    """The guest that is asked for, with what is left out filled in from its name and its image.

    Raises:
        InvalidHostname, InvalidUser, InvalidSshKey, InvalidUserData: a value cannot be used.
    """
    user = asked.default_user or image_user
    if not user:
        raise InvalidUser(
            "The image does not say which user to log in as.",
            remedy="Give one: default_user (--user).",
            field="default_user",
        )
    return GuestIdentity(
        hostname=valid_hostname(asked.hostname or hostname_from(vm_name)),
        user=valid_user(user),
        traits=traits,
        ssh_keys=_distinct_keys(_bounded(asked.ssh_authorized_keys, "ssh_authorized_keys")),
        packages=tuple(map(_package, _bounded(asked.packages, "packages"))),
        run_commands=tuple(map(_command, _bounded(asked.run_commands, "run_commands"))),
    )


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
    document["manage_etc_hosts"] = True
    document |= _users(identity)
    document["ssh_pwauth"] = False
    document["package_update"] = True
    packages = dict.fromkeys((*_own_packages(traits), *identity.packages))
    if packages:
        document["packages"] = list(packages)
    commands = [*map(list, traits.agent_commands), *(["sh", "-c", line] for line in identity.run_commands)]
    if commands:
        document["runcmd"] = commands
    return document


def meta_data_document(*, instance_id: str, hostname: str) -> dict[str, Any]:
    """NoCloud's meta-data. A new instance-id is what makes a guest run its first-boot steps."""
    return {"instance-id": instance_id, "local-hostname": hostname}


def with_instance_id(given: Mapping[str, Any], instance_id: str) -> dict[str, Any]:
    """The caller's meta-data with an instance-id, kept where it has one."""
    return {**given, "instance-id": given.get("instance-id") or instance_id}


def _users(identity: GuestIdentity) -> dict[str, Any]:
    """The one account: root with its keys alone, anybody else as administrator without a password."""
    account: dict[str, Any] = {"name": identity.user}
    if identity.user != "root":
        traits = identity.traits
        # One rule as text: the schema of Debian 12's cloud-init takes no list here.
        account |= {"groups": [traits.admin_group], "sudo": _SUDO_RULE, "shell": traits.shell}
    account["lock_passwd"] = True
    if identity.ssh_keys:
        account["ssh_authorized_keys"] = [key.line for key in identity.ssh_keys]
    users: dict[str, Any] = {"users": [account]}
    if identity.user == "root":
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


def _distinct_keys(lines: tuple[str, ...]) -> tuple[SshPublicKey, ...]:
    keys: dict[bytes, SshPublicKey] = {}
    for key in map(parse_public_key, lines):
        keys.setdefault(key.blob, key)
    return tuple(keys.values())


def _package(name: str) -> str:
    if not _PACKAGE.fullmatch(name):
        raise InvalidUserData(
            f"'{printable(name)}' is not the name of a package.",
            remedy="Use the name that the distribution's package manager knows, such as nginx.",
            field="packages",
        )
    return name


def _command(line: str) -> str:
    if not line.strip():
        raise InvalidUserData("A run command is empty.", remedy="Leave it out.", field="run_commands")
    checked_text(line, field="run_commands")
    if len(line.encode()) > LARGEST_COMMAND:
        raise InvalidUserData(
            f"A run command is longer than {LARGEST_COMMAND} bytes.",
            remedy="Put the script into user_data, starting with #!.",
            field="run_commands",
        )
    return line
