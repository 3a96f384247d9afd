"""Whether somebody gets in once the guest is up, by what we tell it and by the caller's own cloud-configs.

Source: cloud-init's modules "Users and Groups" and "Set Passwords".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from image_library.domain.preflight.finding import Finding, amber, green
from image_library.domain.preflight.subject import Subject

# Distributions whose images bring what ssh_import_id calls.
_IMPORTERS = frozenset({"ubuntu"})
# As cloud-init tells a hash from a password; yescrypt is newer.
_HASH = re.compile(r"\$(1|2a|2y|5|6|y)\$.+")
_RANDOM = frozenset({"R", "RANDOM"})
_YES = frozenset({"true", "yes", "on", "1"})


def plain_passwords(subject: Subject) -> Iterator[Finding]:
    if any(_is_plain(password) for config in subject.configs for password in _passwords(config)):
        yield amber(
            "user_data.plain_password",
            "The user-data holds a password in plain, which stays readable in the guest.",
            "Give a hash, or let 'users.password' be hashed here.",
            "user_data",
        )


def login(subject: Subject) -> Iterator[Finding]:
    identity = subject.identity
    accounts = identity.accounts if identity else ()
    keys = any(account.ssh_keys or account.ssh_import_ids for account in accounts)
    passwords = any(account.password_hash for account in accounts) or any(
        any(_passwords(config)) for config in subject.configs
    )
    opaque = bool(subject.asked.user_data) and not subject.configs
    if keys or any(_has_keys(config) for config in subject.configs):
        yield green("login.ssh", "Somebody can log in over SSH.")
    elif passwords and _takes_passwords(subject):
        yield green("login.ssh", "Somebody can log in over SSH with a password.")
    elif passwords:
        yield amber(
            "login.console_only",
            "The only way in is a password on the console.",
            "Give an SSH key, or let passwords in over SSH: ssh_password_login.",
            "ssh_authorized_keys",
        )
    elif opaque or subject.asked.vendor_data:
        yield amber("login.unknown", "Whether anybody can log in cannot be told.", "Give an SSH key as well.")
    else:
        yield amber(
            "login.nobody",
            "Nobody can log in: there is neither a key nor a password.",
            "Give an SSH key or a password.",
            "ssh_authorized_keys",
        )


def imports(subject: Subject) -> Iterator[Finding]:
    accounts = subject.identity.accounts if subject.identity else ()
    if any(account.ssh_import_ids for account in accounts) and subject.os.distribution not in _IMPORTERS:
        yield amber(
            "login.import",
            "Keys are imported by the program ssh-import-id, which this image may not have.",
            "Give the keys themselves.",
            "users.ssh_import_ids",
        )


def _has_keys(config: Mapping[str, Any]) -> bool:
    """Whether a cloud-config gives somebody a key."""
    return any(
        one.get("ssh_authorized_keys") or one.get("ssh_import_id") for one in (config, *_users(config))
    )


def _takes_passwords(subject: Subject) -> bool:
    """Whether the guest's SSH server takes passwords: the caller's own word comes after ours."""
    own = [config["ssh_pwauth"] for config in subject.configs if "ssh_pwauth" in config]
    if own:
        return str(own[-1]).lower() in _YES
    return bool(subject.identity and subject.identity.ssh_password_login)


def _passwords(config: Mapping[str, Any]) -> Iterator[str]:
    """The passwords and hashes that open an account."""
    yield from filter(None, (str(config.get("password") or ""),))
    change = _mapping(config.get("chpasswd"))
    pairs = change.get("list")
    for line in pairs.splitlines() if isinstance(pairs, str) else _listed(pairs):
        yield from filter(None, (str(line).partition(":")[2],))
    for user in map(_mapping, _listed(change.get("users"))):
        yield from filter(None, (str(user.get("password") or user.get("type") or ""),))
    for user in _users(config):
        yield from filter(None, (str(user.get("plain_text_passwd") or ""),))
        # A hash opens an account that is not locked, as accounts are unless it is said.
        if user.get("lock_passwd") is False:
            yield from filter(None, (str(user.get("hashed_passwd") or user.get("passwd") or ""),))


def _is_plain(password: str) -> bool:
    return password not in _RANDOM and not _HASH.fullmatch(password)


def _users(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [_mapping(user) for user in _listed(config.get("users"))]


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
