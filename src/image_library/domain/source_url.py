"""URLs that bytes may come from, judged by their form alone: before any name is looked up."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from image_library.domain.errors import UrlNotAllowed, printable

PORTS = {"https": 443, "http": 80}
_LONGEST = 2048
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.%a-z]+\]")
_TEXT = re.compile(r"[!-~]+")


def split_source(url: str, *, field: str = "url") -> SplitResult:
    """The parts of an http or https URL that names a host and carries no user.

    Raises:
        UrlNotAllowed: it is none; ``field`` is what the caller calls it.
    """
    if len(url) > _LONGEST or not _TEXT.fullmatch(url) or "\\" in url:
        raise UrlNotAllowed(f"'{printable(url, 60)}' is not a URL that can be fetched.", field=field)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UrlNotAllowed(f"'{printable(url, 60)}' is not a URL: {error}.", field=field) from error
    if parts.scheme not in PORTS:
        raise scheme_not_allowed(parts.scheme, field=field)
    if "@" in parts.netloc:
        raise UrlNotAllowed(f"The URL for {parts.hostname} carries a user name.", field=field)
    if not _HOST.fullmatch(parts.netloc.removesuffix(f":{parts.port}")):
        raise UrlNotAllowed("The URL names no host that could be looked up.", field=field)
    return parts


def scheme_not_allowed(scheme: str, *, field: str = "url") -> UrlNotAllowed:
    named = f"{printable(scheme, 20)} URLs are" if scheme else "A URL without https is"
    return UrlNotAllowed(f"{named} not fetched.", field=field)


def judge_source(url: str, *, proved: bool, field: str = "url") -> None:
    """Refuse early what no node would fetch; addresses are the node's to judge.

    ``proved``: a strong digest is known, so that http will do.

    Raises:
        UrlNotAllowed
    """
    parts = split_source(url, field=field)
    if parts.scheme == "http" and not proved:
        raise UrlNotAllowed(
            f"{parts.hostname} is to be fetched from over http, and no digest is known.",
            remedy="Use an https URL, or give the checksum.",
            field=field,
        )


def file_name(url: str) -> str:
    """The last part of the URL's path, as people read it; empty where the path ends in a slash."""
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1], errors="replace")
