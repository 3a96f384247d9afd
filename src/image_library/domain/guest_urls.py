"""Addresses that a guest is told to speak to: a host's name or address, and URLs of http and https."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from image_library.domain.errors import InvalidGuestSetting, InvalidHostname, printable
from image_library.domain.identity import valid_hostname

_URL = re.compile(r"https?://[!-~]{1,2000}")
# What ends a word in the files that URLs are written into.
_RISKY = frozenset("\"'`\\$<>{}|^")


def host(text: str, field: str) -> str:
    """``text`` if it is a host name or an IP address. Raises: InvalidGuestSetting."""
    try:
        # A zone ("fe80::1%eth0") means something on one host only, and is no host name either.
        return _name(text, field) if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return _name(text, field)


def url(text: str, field: str) -> str:
    """``text`` if it is a URL of http or https, without user and fragment. Raises: InvalidGuestSetting."""
    try:
        parts = urlsplit(text)
        sound = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        sound = False
    if not sound or not _URL.fullmatch(text) or _RISKY & set(text):
        raise _refused(text.partition("?")[0], "a URL of http or https without user name and fragment", field)
    host(urlsplit(text).hostname or "", field)
    return text


def proxy_url(text: str, field: str) -> str:
    """``text`` if it is the URL of a proxy: a host and a port. Raises: InvalidGuestSetting."""
    sound = url(text, field)
    if urlsplit(sound).path not in ("", "/") or urlsplit(sound).query:
        raise _refused(text, "the URL of a proxy, such as http://proxy.example.org:3128", field)
    return sound


def _name(text: str, field: str) -> str:
    try:
        return valid_hostname(text)
    except InvalidHostname:
        raise _refused(text, "a host name or an IP address", field) from None


def _refused(text: str, what: str, field: str) -> InvalidGuestSetting:
    return InvalidGuestSetting(f"'{printable(text)}' is not {what}.", field=field)
