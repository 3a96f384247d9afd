"""The accounts of a guest: who they are, what they may do, and by what they log in.

Source: cloud-init's module "Users and Groups", sudoers(5), passwd(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from image_library.domain.errors import InvalidGuestSetting, InvalidPassword, InvalidUser, printable
from image_library.domain.identity import valid_user
from image_library.domain.os_info import GuestTraits
from image_library.domain.password import valid_hash
from image_library.domain.secret import NOTHING, Secret
from image_library.domain.ssh_key import SshPublicKey, parse_public_key
from image_library.domain.texts import readable

MOST_ENTRIES = 256
MOST_USERS = 64
EVERYTHING = "ALL=(ALL) NOPASSWD:ALL"
_FULL_NAME_LENGTH = 128
_SHELL = re.compile(r"(/[A-Za-z0-9._-]+){1,16}")
# One rule of sudoers: hosts, as whom, tags, commands. A file with a wrong one would take sudo from everybody.
_SUDO = re.compile(
    r"[A-Za-z0-9_.,!-]{1,64} ?= ?(\([A-Za-z0-9_.,:%#! -]{1,64}\) ?)?"
    r"((NO)?(PASSWD|EXEC|SETENV): ?)*(ALL|!?/[ -\[\]-~]{1,400})"
)
# The names that the two sites give out: a person's keys are read from there by the guest itself.
_IMPORT = re.compile(r"gh:[A-Za-z0-9][A-Za-z0-9-]{0,38}|lp:[a-z0-9][a-z0-9+.-]{0,38}")


class Privilege(Enum):
    """What somebody may do as root."""

    # The first user everything, all others nothing.
    USUAL = "usual"
    ADMINISTRATOR = "administrator"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class UserWish:
    """An account as it is asked for. It may hold secrets and does not print them."""

    # Empty: the user that is logged in as when nobody says otherwise.
    name: str = ""
    full_name: str = ""
    groups: tuple[str, ...] = ()
    privilege: Privilege = Privilege.USUAL
    # One rule of sudoers instead of the usual one.
    sudo_rule: str = ""
    shell: str = ""
    ssh_authorized_keys: tuple[str, ...] = field(default=(), repr=False)
    # "gh:NAME", "lp:NAME".
    ssh_import_ids: tuple[str, ...] = ()
    # In plain; whoever takes the request hashes it before anything else.
    password: Secret = NOTHING
    password_hash: Secret = NOTHING
    must_change_password: bool = False


@dataclass(frozen=True, kw_only=True)
class Account:
    """A judged account."""

    name: str
    full_name: str = ""
    groups: tuple[str, ...] = ()
    sudo_rule: str = ""
    shell: str = ""
    ssh_keys: tuple[SshPublicKey, ...] = ()
    ssh_import_ids: tuple[str, ...] = ()
    password_hash: Secret = NOTHING
    must_change_password: bool = False

    @property
    def can_log_in(self) -> bool:
        return bool(self.ssh_keys or self.ssh_import_ids or self.password_hash)

    @property
    def entry(self) -> dict[str, Any]:
        """Its item of cloud-config's ``users``."""
        entry: dict[str, Any] = {"name": self.name}
        said = {
            "gecos": self.full_name,
            "groups": list(self.groups),
            "sudo": self.sudo_rule,
            "shell": self.shell,
        }
        entry |= {key: value for key, value in said.items() if value}
        entry["lock_passwd"] = not self.password_hash
        if self.password_hash:
            # Unlike "passwd", it also holds for an account that the image brings.
            entry["hashed_passwd"] = self.password_hash.reveal()
        if self.ssh_keys:
            entry["ssh_authorized_keys"] = [key.line for key in self.ssh_keys]
        if self.ssh_import_ids:
            entry["ssh_import_id"] = list(self.ssh_import_ids)
        return entry


def accounts_of(
    wishes: tuple[UserWish, ...], *, first: str, keys: tuple[str, ...], traits: GuestTraits
) -> tuple[Account, ...]:
    """The judged accounts; the first is ``first``, which has ``keys`` beside those of its own wish.

    Raises:
        InvalidUser, InvalidSshKey, InvalidPassword, InvalidGuestSetting: something cannot be used.
    """
    named = [wish.name or first for wish in wishes]
    if len(wishes) > MOST_USERS:
        raise InvalidUser(f"There are more than {MOST_USERS} users.", field="users")
    twice = next((name for name in named if named.count(name) > 1), "")
    if twice:
        raise InvalidUser(f"The user '{printable(twice)}' is there twice.", field="users")
    own = next((wish for wish, name in zip(wishes, named, strict=True) if name == first), UserWish())
    others = [(wish, name) for wish, name in zip(wishes, named, strict=True) if name != first]
    leading = _account(own, first, keys=keys, traits=traits, usual=Privilege.ADMINISTRATOR)
    return leading, *(_account(w, n, keys=(), traits=traits, usual=Privilege.NONE) for w, n in others)


def expiring(accounts: tuple[Account, ...]) -> list[dict[str, str]]:
    """The items of ``chpasswd.users`` for those who must choose a new password when they first log in."""
    return [
        {"name": account.name, "password": account.password_hash.reveal(), "type": "hash"}
        for account in accounts
        if account.must_change_password
    ]


def _account(
    wish: UserWish, name: str, *, keys: tuple[str, ...], traits: GuestTraits, usual: Privilege
) -> Account:
    valid_user(name, traits.user_names)
    if wish.password:
        raise InvalidPassword("The password was not hashed.", field="users.password")
    if wish.must_change_password and not wish.password_hash:
        raise InvalidPassword(f"'{name}' has no password that could be changed.", field="users")
    account = Account(
        name=name,
        ssh_keys=distinct_keys((*keys, *wish.ssh_authorized_keys)),
        ssh_import_ids=tuple(map(_import_id, bounded(wish.ssh_import_ids, "ssh_import_ids"))),
        password_hash=valid_hash(wish.password_hash) if wish.password_hash else NOTHING,
        must_change_password=wish.must_change_password,
    )
    return account if name == "root" else _with_rights(account, wish, traits, usual)


def _with_rights(account: Account, wish: UserWish, traits: GuestTraits, usual: Privilege) -> Account:
    privilege = usual if wish.privilege is Privilege.USUAL else wish.privilege
    administrator = privilege is Privilege.ADMINISTRATOR
    groups = (*((traits.admin_group,) if administrator else ()), *map(_group, bounded(wish.groups, "groups")))
    return Account(
        name=account.name,
        full_name=_full_name(wish.full_name),
        groups=tuple(dict.fromkeys(groups)),
        # One rule as text: the schema of Debian 12's cloud-init takes no list here.
        sudo_rule=_sudo(wish.sudo_rule) or (EVERYTHING if administrator else ""),
        shell=_shell(wish.shell) or traits.shell,
        ssh_keys=account.ssh_keys,
        ssh_import_ids=account.ssh_import_ids,
        password_hash=account.password_hash,
        must_change_password=account.must_change_password,
    )


def bounded(entries: tuple[str, ...], name: str) -> tuple[str, ...]:
    """``entries`` if there are not too many. Raises: InvalidGuestSetting."""
    if len(entries) > MOST_ENTRIES:
        raise InvalidGuestSetting(
            f"There are {len(entries)} {name}; at most {MOST_ENTRIES} are taken.", field=name
        )
    return entries


def distinct_keys(lines: tuple[str, ...]) -> tuple[SshPublicKey, ...]:
    """Each key once, under its first comment. Raises: InvalidSshKey."""
    keys: dict[bytes, SshPublicKey] = {}
    for key in map(parse_public_key, bounded(lines, "ssh_authorized_keys")):
        keys.setdefault(key.blob, key)
    return tuple(keys.values())


def _full_name(text: str) -> str:
    if ":" in text:
        raise InvalidGuestSetting("A full name has no ':', which ends it in passwd.", field="full_name")
    return readable(text, field="full_name", most=_FULL_NAME_LENGTH).strip()


def _group(name: str) -> str:
    try:
        return valid_user(name)
    except InvalidUser:
        raise InvalidGuestSetting(
            f"'{printable(name)}' is not the name of a group.", field="groups"
        ) from None


def _sudo(rule: str) -> str:
    if rule and not _SUDO.fullmatch(rule):
        raise InvalidGuestSetting(
            f"'{printable(rule)}' is not one rule of sudoers.",
            remedy=f"Such as '{EVERYTHING}' or 'ALL=(root) NOPASSWD:/usr/bin/systemctl restart nginx'.",
            field="sudo_rule",
        )
    return rule


def _shell(path: str) -> str:
    if path and not _SHELL.fullmatch(path):
        raise InvalidGuestSetting(f"'{printable(path)}' is not the path of a shell.", field="shell")
    return path


def _import_id(text: str) -> str:
    if not _IMPORT.fullmatch(text):
        raise InvalidGuestSetting(
            f"'{printable(text)}' is not an id that keys are imported by.",
            remedy="Give gh:NAME or lp:NAME.",
            field="ssh_import_ids",
        )
    return text
