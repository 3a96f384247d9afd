"""Places that an operator names in a setting: a host, perhaps its port, perhaps a path below it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

from image_library.domain.errors import InvalidSettings, printable
from image_library.domain.source_url import PORTS

T = TypeVar("T")

_PLACE = re.compile(
    r"(?:https?://)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?P<path>/[!-~]*)?"
)


@dataclass(frozen=True, kw_only=True)
class Place:
    host: str
    # None: the scheme's own.
    port: int | None
    # "" or "/PATH", without a slash at its end.
    path: str

    @classmethod
    def parse(cls, text: str, *, setting: str) -> Place:
        """From "HOST", "HOST:PORT", "HOST/PATH" or such a URL.

        Raises:
            InvalidSettings: it is none of them.
        """
        found = _PLACE.fullmatch(text.strip())
        if not found:
            raise InvalidSettings(f"'{printable(text)}' in {setting} is no HOST or HOST/PATH.", field=setting)
        port = int(found["port"]) if found["port"] else None
        host = found["host"].strip("[]").lower()
        return cls(host=host, port=port, path=(found["path"] or "").rstrip("/"))

    def rest(self, parts: SplitResult) -> str | None:
        """What follows this place in a URL's path, "/…"; None where the URL lies elsewhere."""
        usual = PORTS.get(parts.scheme)
        if (parts.hostname or "").rstrip(".") != self.host:
            return None
        if (parts.port or usual) != (self.port or usual):
            return None
        path = parts.path or "/"
        return path[len(self.path) :] if path == self.path or path.startswith(f"{self.path}/") else None


class ByPlace(Generic[T]):
    """What is set for places; of several that hold a URL the longest counts."""

    def __init__(self, set_for: Iterable[tuple[Place, T]] = ()) -> None:
        self._set = sorted(set_for, key=lambda pair: len(pair[0].path), reverse=True)

    def find(self, url: str) -> T | None:
        parts = urlsplit(url)
        return next((value for place, value in self._set if place.rest(parts) is not None), None)


def assignments(parts: Sequence[str], *, setting: str) -> list[tuple[Place, str]]:
    """From "PLACE=VALUE" texts.

    Raises:
        InvalidSettings: one has another form.
    """
    found: list[tuple[Place, str]] = []
    for part in parts:
        place, equals, value = part.partition("=")
        if not equals or not value:
            raise InvalidSettings(f"'{printable(part)}' in {setting} is not HOST=FILE.", field=setting)
        found.append((Place.parse(place, setting=setting), value.strip()))
    return found
