"""``--param NAME=VALUE`` and ``--secret-param NAME=FILE``: values for a profile's parameters."""

from __future__ import annotations

import sys
from pathlib import Path

from image_library.domain.errors import InvalidParameter, printable


def plain(words: list[str] | None) -> dict[str, str]:
    """Raises: InvalidParameter: a word has no '=', or a name is there twice."""
    return dict(_pairs(words or [], "--param NAME=VALUE"))


def secret(words: list[str] | None) -> dict[str, str]:
    """The first line of each file; "-" is standard input. A secret is in no command line.

    Raises:
        InvalidParameter: one cannot be read.
    """
    return {name: _line(name, path) for name, path in _pairs(words or [], "--secret-param NAME=FILE")}


def _pairs(words: list[str], form: str) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals]
    if len(pairs) != len(words) or len(dict(pairs)) != len(pairs):
        raise InvalidParameter("A parameter is given once, with its value.", remedy=f"Write {form}.")
    return pairs


def _line(name: str, path: str) -> str:
    try:
        text = sys.stdin.readline() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InvalidParameter(
            f"The file for '{printable(name)}' cannot be read as text.",
            remedy=f"Name one whose first line is the value, or '-': --secret-param {printable(name)}=FILE.",
        ) from None
    return text.partition("\n")[0].removesuffix("\r")
