"""Names and paths that come from outside, judged before anything uses them."""

from __future__ import annotations

import re

from image_library.domain.errors import InvalidHostname, InvalidName, InvalidUser, printable

_EXTENSIONS = re.compile(r"(\.(qcow2|qcow|img|raw|vmdk|vhd|vhdx|vdi|iso|ova))+$", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# useradd's own rule, and that of Windows' local accounts.
LINUX_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_WINDOWS_NEVER = r'"/\\\[\]:;|=,+*?<>@\x00-\x1f'
WINDOWS_USER = re.compile(rf"(?=[^\s.])[^{_WINDOWS_NEVER}]{{1,20}}(?<![\s.])")


def valid_name(name: str) -> str:
    """``name`` if images and VMs may be called so.

    Raises:
        InvalidName: it is empty, too long, or has other characters than the remedy allows.
    """
    if not _NAME.fullmatch(name):
        raise InvalidName(f"'{printable(name)}' is not a valid name.", field="name")
    return name


def name_of_file(filename: str) -> str:
    """What an image that came as this file may be called; empty where no name is left."""
    stem = _EXTENSIONS.sub("", filename.replace("\\", "/").rpartition("/")[2])
    return _NOT_IN_NAMES.sub("-", stem).strip("-._")[:56].strip("-._")


def valid_hostname(hostname: str) -> str:
    """``hostname`` if RFC 1123 allows it: dot-separated labels, at most 253 characters.

    Raises:
        InvalidHostname: it does not.
    """
    labels = hostname.split(".")
    if len(hostname) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidHostname(f"'{printable(hostname)}' is not a valid host name.", field="hostname")
    return hostname


def valid_user(user: str, rule: re.Pattern[str] = LINUX_USER) -> str:
    """``user`` if it can be the name of an account by ``rule``.

    Raises:
        InvalidUser: it cannot.
    """
    if not rule.fullmatch(user):
        raise InvalidUser(f"'{printable(user)}' is not a valid user name.", field="default_user")
    return user
