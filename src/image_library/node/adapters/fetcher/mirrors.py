"""Mirrors: those that stand in for publishers, and those that only carry what publishers vouch for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from image_library.domain.errors import InvalidSettings, LibraryError
from image_library.domain.source_url import split_source
from image_library.node.adapters.fetcher.places import Place

_FORM = re.compile(r"(?:(?P<place>[^=]+)=)?(?P<base>\w+://.*)")


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """What lies at ``base``: below HOST/PATH what all publishers have, or what one has at ``place``."""

    base: str
    place: Place | None = None

    @classmethod
    def parse(cls, text: str, *, setting: str) -> Mirror:
        """From "URL" or "PLACE=URL".

        Raises:
            InvalidSettings: it is no such text, or the URL none that could be fetched from.
        """
        found = _FORM.fullmatch(text.strip())
        base = (found["base"] if found else text).rstrip("/")
        try:
            split_source(base)
        except LibraryError as error:
            said = f"The mirror cannot be used: {error.message}"
            raise InvalidSettings(said, field=setting) from error
        place = Place.parse(found["place"], setting=setting) if found and found["place"] else None
        return cls(base=base, place=place)

    def at(self, parts: SplitResult) -> str | None:
        """Where a publisher's URL is found here; None where it is not."""
        rest = f"/{parts.netloc}{parts.path}" if self.place is None else self.place.rest(parts)
        if rest is None:
            return None
        return f"{self.base}{rest}?{parts.query}" if parts.query else f"{self.base}{rest}"


class Mirrors:
    def __init__(self, *, standing_in: Iterable[str] = (), carrying: Iterable[str] = ()) -> None:
        """Each in the order in which it is tried.

        ``standing_in`` are asked instead of the publisher, for checksum files too: the operator vouches
        for them. ``carrying`` are asked first for bytes whose digest is known, and believed in nothing.

        Raises:
            InvalidSettings: one has not the form of a mirror.
        """
        self._standing_in = tuple(Mirror.parse(text, setting="mirror") for text in standing_in)
        self._carrying = tuple(Mirror.parse(text, setting="image_mirrors") for text in carrying)

    @property
    def bases(self) -> tuple[SplitResult, ...]:
        return tuple(urlsplit(mirror.base) for mirror in (*self._standing_in, *self._carrying))

    def carriers(self, parts: SplitResult) -> tuple[str, ...]:
        return tuple(url for mirror in self._carrying if (url := mirror.at(parts)))

    def instead(self, parts: SplitResult) -> tuple[str, ...]:
        """Where the publisher's own word is had; itself where nobody stands in for it."""
        return tuple(url for mirror in self._standing_in if (url := mirror.at(parts))) or (parts.geturl(),)
